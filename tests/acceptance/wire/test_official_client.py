"""Google's own client, unmodified, over a real socket."""

import asyncio
from collections.abc import Iterator

import pytest
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import run_v2

PARENT = "projects/p/locations/l"


@pytest.fixture
def client(place) -> Iterator[run_v2.JobsClient]:
    client = run_v2.JobsClient(
        transport="rest",
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": f"http://127.0.0.1:{place.port}"},
    )
    yield client
    client.transport.close()


def create(client: run_v2.JobsClient, job_id: str, **fields):
    template = run_v2.ExecutionTemplate(
        task_count=3,
        template=run_v2.TaskTemplate(
            containers=[run_v2.Container(image="i", command=["a"], env=[run_v2.EnvVar(name="A", value="")])],
            max_retries=0,
            timeout="3.5s",
        ),
    )
    return client.create_job(parent=PARENT, job_id=job_id, job=run_v2.Job(template=template, **fields))


async def test_a_job_is_created_read_listed_and_deleted(place, client) -> None:
    def story() -> None:
        operation = create(client, "j1", labels={"a": "ä"})
        assert operation.metadata.name == f"{PARENT}/jobs/j1"
        created = operation.result(timeout=30)
        assert (created.name, created.generation) == (f"{PARENT}/jobs/j1", 1)
        got = client.get_job(name=created.name)
        assert got == created
        assert int(got.launch_stage) == 4
        task = got.template.template
        assert (task.max_retries, task.timeout.total_seconds(), task.containers[0].env[0].value) == (
            0,
            3.5,
            "",
        )
        assert [job.name for job in client.list_jobs(parent=PARENT)] == [created.name]
        assert client.delete_job(name=created.name).result(timeout=30).name == created.name

    await asyncio.to_thread(story)


async def test_errors_become_googles_exceptions(place, client) -> None:
    def story() -> None:
        with pytest.raises(exceptions.NotFound, match="does not exist"):
            client.get_job(name=f"{PARENT}/jobs/none")
        create(client, "twice")
        with pytest.raises(exceptions.Conflict, match="exists"):
            create(client, "twice")
        with pytest.raises(exceptions.MethodNotImplemented):
            client.run_job(name=f"{PARENT}/jobs/twice")

    await asyncio.to_thread(story)


async def test_the_operations_mixin_works(place, client) -> None:
    def story() -> None:
        operation = create(client, "j2").operation
        request = {"name": operation.name, "timeout": {"seconds": 20}}
        assert client.wait_operation(request).done
        assert client.get_operation({"name": operation.name}).done
        assert [o.name for o in client.list_operations({"name": PARENT}).operations] == [operation.name]
        client.delete_operation({"name": operation.name})
        with pytest.raises(exceptions.NotFound):
            client.get_operation({"name": operation.name})

    await asyncio.to_thread(story)
