"""Google's own clients, unmodified, over gRPC on the one port."""

import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from jubako.testing.server import PARENT, ServerProcess

grpc = pytest.importorskip("grpc")
pytest.importorskip("google.cloud.run_v2")
pytest.importorskip("google.cloud.workflows_v1")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture
def channel(server: ServerProcess) -> Iterator[object]:
    with grpc.insecure_channel(server.address.removeprefix("http://")) as channel:
        yield channel


@pytest.fixture
def clients(channel):
    from google.cloud import run_v2, workflows_v1
    from google.cloud.run_v2.services.executions.transports import ExecutionsGrpcTransport
    from google.cloud.run_v2.services.jobs.transports import JobsGrpcTransport
    from google.cloud.run_v2.services.services.transports import ServicesGrpcTransport
    from google.cloud.run_v2.services.tasks.transports import TasksGrpcTransport
    from google.cloud.workflows import executions_v1
    from google.cloud.workflows.executions_v1.services.executions import transports
    from google.cloud.workflows_v1.services.workflows.transports import WorkflowsGrpcTransport

    return {
        "jobs": run_v2.JobsClient(transport=JobsGrpcTransport(channel=channel)),
        "executions": run_v2.ExecutionsClient(transport=ExecutionsGrpcTransport(channel=channel)),
        "tasks": run_v2.TasksClient(transport=TasksGrpcTransport(channel=channel)),
        "services": run_v2.ServicesClient(transport=ServicesGrpcTransport(channel=channel)),
        "workflows": workflows_v1.WorkflowsClient(transport=WorkflowsGrpcTransport(channel=channel)),
        "runs": executions_v1.ExecutionsClient(transport=transports.ExecutionsGrpcTransport(channel=channel)),
    }


def fresh(letter: str) -> str:
    return f"{letter}{uuid.uuid4().hex[:8]}"


def job_of(code: str, **template: object):
    from google.cloud import run_v2

    container = run_v2.Container(command=[sys.executable], args=["-c", code])
    task = run_v2.TaskTemplate(containers=[container], max_retries=template.pop("max_retries", 0))
    return run_v2.Job(template=run_v2.ExecutionTemplate(template=task, **template))


def test_a_job_is_created_run_waited_for_and_read(clients) -> None:
    jobs, name = clients["jobs"], fresh("j")
    created = jobs.create_job(parent=PARENT, job=job_of("print('x')", task_count=3), job_id=name).result()
    operation = jobs.run_job(name=created.name)
    assert operation.metadata.name.startswith(f"{created.name}/executions/{name}-")
    execution = operation.result(timeout=60)
    assert (execution.succeeded_count, execution.task_count) == (3, 3)
    assert clients["executions"].get_execution(name=execution.name) == execution
    assert [e.name for e in clients["executions"].list_executions(parent=created.name)] == [execution.name]
    assert sorted(t.index for t in clients["tasks"].list_tasks(parent=execution.name)) == [0, 1, 2]
    assert jobs.get_job(name=created.name).execution_count == 1


def test_both_transports_tell_the_same(clients, server: ServerProcess) -> None:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import run_v2

    options = {"api_endpoint": server.address}
    rest = run_v2.JobsClient(transport="rest", credentials=AnonymousCredentials(), client_options=options)
    name = fresh("j")
    created = rest.create_job(parent=PARENT, job=job_of("pass"), job_id=name).result()
    assert clients["jobs"].get_job(name=created.name) == created == rest.get_job(name=created.name)
    operation = clients["jobs"].run_job(name=created.name)
    over_rest = server.post(f"/v2/{operation.operation.name}:wait", {"timeout": "60s"})
    assert over_rest["done"]
    assert operation.result(timeout=60).name == over_rest["response"]["name"]


def test_both_transports_at_once_on_the_one_port(clients, server: ServerProcess) -> None:
    name = clients["jobs"].create_job(parent=PARENT, job=job_of("pass"), job_id=fresh("j")).result().name

    def over_grpc(_: int) -> str:
        return str(clients["jobs"].get_job(name=name).name)

    def over_rest(_: int) -> str:
        return str(server.get(f"/v2/{name}")["name"])

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(over_grpc if n % 2 else over_rest, n) for n in range(200)]
        assert {answer.result(timeout=60) for answer in answers} == {name}


def test_errors_become_googles_exceptions_with_details(clients) -> None:
    from google.api_core import exceptions
    from google.rpc import error_details_pb2

    jobs, name = clients["jobs"], fresh("j")
    with pytest.raises(exceptions.NotFound, match="nothing-here"):
        jobs.get_job(name=f"{PARENT}/jobs/nothing-here")
    jobs.create_job(parent=PARENT, job=job_of("pass"), job_id=name).result()
    with pytest.raises(exceptions.AlreadyExists):
        jobs.create_job(parent=PARENT, job=job_of("pass"), job_id=name)
    with pytest.raises(exceptions.InvalidArgument) as caught:
        jobs.list_jobs({"parent": PARENT, "page_size": -1})
    (details,) = caught.value.details
    assert isinstance(details, error_details_pb2.BadRequest)
    assert details.field_violations[0].field == "pageSize"
    with pytest.raises(exceptions.Unauthenticated):
        jobs.get_job(name=f"{PARENT}/jobs/{name}", metadata=[("authorization", "Bearer bad")])


def test_a_method_that_does_not_exist_is_unimplemented(channel) -> None:
    for path in ("/google.cloud.run.v2.Jobs/Nothing", "/none.Such/Call", "/"):
        call = channel.unary_unary(path, lambda request: request, lambda reply: reply)
        with pytest.raises(grpc.RpcError) as caught:
            call(b"", timeout=20)
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_bytes_that_are_no_message_are_an_invalid_argument(channel) -> None:
    call = channel.unary_unary("/google.cloud.run.v2.Jobs/GetJob", lambda data: data, lambda data: data)
    for data in (b"\x0a\x05ab", b"\x08\x01", b"\xff" * 30):
        with pytest.raises(grpc.RpcError) as caught:
            call(data, timeout=20)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.RpcError) as caught:
        call(b"\0" * (33 << 20), timeout=60)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_workflow_is_deployed_executed_and_read(clients) -> None:
    from google.cloud import workflows_v1
    from google.cloud.workflows import executions_v1

    name = fresh("w")
    source = "main:\n  params: [args]\n  steps:\n  - a: {return: '${args.n + 1}'}"
    operation = clients["workflows"].create_workflow(
        parent=PARENT, workflow=workflows_v1.Workflow(source_contents=source), workflow_id=name
    )
    created = operation.result(timeout=30)
    assert created.revision_id.startswith("000001-")
    execution = clients["runs"].create_execution(
        parent=created.name, execution=executions_v1.Execution(argument='{"n": 41}')
    )
    active = executions_v1.Execution.State.ACTIVE
    while execution.state == active:
        execution = clients["runs"].get_execution(name=execution.name)
    assert (execution.state, execution.result) == (executions_v1.Execution.State.SUCCEEDED, "42")
    assert [e.name for e in clients["runs"].list_executions(parent=created.name)] == [execution.name]


def test_operations_of_all_apis_are_found_by_their_names(clients) -> None:
    from google.api_core import exceptions
    from google.cloud import workflows_v1
    from google.longrunning import operations_pb2

    jobs, workflows = clients["jobs"], clients["workflows"]
    of_job = jobs.create_job(parent=PARENT, job=job_of("pass"), job_id=fresh("j")).operation.name
    workflow = workflows_v1.Workflow(source_contents="- a: {return: 1}")
    created = workflows.create_workflow(parent=PARENT, workflow=workflow, workflow_id=fresh("w"))
    created.result(timeout=30)
    of_workflow = created.operation.name
    for name in (of_job, of_workflow):
        assert jobs.get_operation({"name": name}).name == name
        # This client forgets to decode the answer of WaitOperation.
        waited = jobs.wait_operation({"name": name, "timeout": {"seconds": 30}})
        assert operations_pb2.Operation.FromString(waited).done
    listed, token = [], ""
    while True:
        page = jobs.list_operations({"name": PARENT, "page_size": 1, "page_token": token})
        listed += [operation.name for operation in page.operations]
        token = page.next_page_token
        if not token:
            break
    assert listed == sorted(set(listed))
    assert {of_job, of_workflow} <= set(listed)
    jobs.delete_operation({"name": of_workflow})
    with pytest.raises(exceptions.NotFound):
        jobs.get_operation({"name": of_workflow})


async def test_the_asynchronous_client_runs_a_job(server: ServerProcess) -> None:
    from google.cloud import run_v2
    from google.cloud.run_v2.services.jobs.transports import JobsGrpcAsyncIOTransport

    async with grpc.aio.insecure_channel(server.address.removeprefix("http://")) as channel:
        jobs = run_v2.JobsAsyncClient(transport=JobsGrpcAsyncIOTransport(channel=channel))
        name = fresh("j")
        operation = await jobs.create_job(parent=PARENT, job=job_of("pass", task_count=2), job_id=name)
        created = await operation.result(timeout=60)
        execution = await (await jobs.run_job(name=created.name)).result(timeout=60)
        assert execution.succeeded_count == 2
        assert [job.name async for job in await jobs.list_jobs(parent=PARENT) if job.name == created.name]


def test_an_idempotency_key_makes_a_repeated_run_the_same_one(clients) -> None:
    jobs = clients["jobs"]
    name = jobs.create_job(parent=PARENT, job=job_of("pass"), job_id=fresh("j")).result().name
    key = [("idempotency-key", uuid.uuid4().hex)]
    runs = [jobs.run_job(name=name, metadata=key).metadata.name for _ in range(3)]
    assert len(set(runs)) == 1
    assert jobs.run_job(name=name).metadata.name != runs[0]


def test_the_operation_survives_a_killed_server(own_server: ServerProcess) -> None:
    from google.cloud import run_v2
    from google.cloud.run_v2.services.jobs.transports import JobsGrpcTransport

    with grpc.insecure_channel(own_server.address.removeprefix("http://")) as channel:
        jobs = run_v2.JobsClient(transport=JobsGrpcTransport(channel=channel))
        job = job_of("import threading; threading.Event().wait(1)")
        name = jobs.create_job(parent=PARENT, job=job, job_id=fresh("j")).result().name
        operation = jobs.run_job(name=name)
        own_server.kill()
        own_server.restart()
        grpc.channel_ready_future(channel).result(timeout=30)
        assert operation.result(timeout=60).succeeded_count == 1


def test_a_service_is_created_and_read(clients) -> None:
    from google.cloud import run_v2

    service = run_v2.Service(
        template=run_v2.RevisionTemplate(
            containers=[run_v2.Container(command=[sys.executable], args=["-m", "http.server", "8080"])]
        )
    )
    name = fresh("s")
    operation = clients["services"].create_service(parent=PARENT, service=service, service_id=name)
    assert operation.metadata.name == f"{PARENT}/services/{name}"
    assert clients["services"].get_service(name=f"{PARENT}/services/{name}").generation == 1
    assert name in {s.name.rpartition("/")[2] for s in clients["services"].list_services(parent=PARENT)}
    clients["services"].delete_service(name=f"{PARENT}/services/{name}")
