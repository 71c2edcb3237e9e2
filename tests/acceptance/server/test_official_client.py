"""Google's own Run client, unmodified, over REST."""

import sys
import uuid

import pytest

from jubako.testing.server import PARENT, ServerProcess

pytest.importorskip("google.cloud.run_v2")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture
def options(server: ServerProcess) -> dict[str, object]:
    from google.auth.credentials import AnonymousCredentials

    return {
        "transport": "rest",
        "credentials": AnonymousCredentials(),
        "client_options": {"api_endpoint": server.address},
    }


def job_of(run_v2, code: str, **template: object):
    container = run_v2.Container(command=[sys.executable], args=["-c", code])
    task = run_v2.TaskTemplate(containers=[container], max_retries=template.pop("max_retries", 0))
    return run_v2.Job(template=run_v2.ExecutionTemplate(template=task, **template))


def test_a_sharded_job_is_created_run_and_read(options: dict[str, object]) -> None:
    from google.cloud import run_v2

    jobs, name = run_v2.JobsClient(**options), f"j{uuid.uuid4().hex[:8]}"
    code = "import os, sys; env = os.environ; sys.exit(env['CLOUD_RUN_TASK_INDEX'] >= env['CLOUD_RUN_TASK_COUNT'])"
    created = jobs.create_job(parent=PARENT, job=job_of(run_v2, code, task_count=3), job_id=name).result()
    operation = jobs.run_job(name=created.name)
    assert operation.metadata.name.startswith(f"{created.name}/executions/{name}-")
    execution = operation.result(timeout=60)
    assert (execution.succeeded_count, execution.failed_count, execution.task_count) == (3, 0, 3)
    tasks = list(run_v2.TasksClient(**options).list_tasks(parent=execution.name))
    assert sorted(task.index for task in tasks) == [0, 1, 2]
    assert jobs.get_job(name=created.name).execution_count == 1


def test_a_failed_execution_raises_and_its_attempts_are_counted(options: dict[str, object]) -> None:
    from google.api_core.exceptions import GoogleAPICallError
    from google.cloud import run_v2

    jobs, name = run_v2.JobsClient(**options), f"j{uuid.uuid4().hex[:8]}"
    job = job_of(run_v2, "import sys; sys.exit(7)", task_count=2, max_retries=1)
    created = jobs.create_job(parent=PARENT, job=job, job_id=name).result()
    operation = jobs.run_job(name=created.name)
    with pytest.raises(GoogleAPICallError):
        operation.result(timeout=60)
    execution = run_v2.ExecutionsClient(**options).get_execution(name=operation.metadata.name)
    assert (execution.failed_count, execution.retried_count) == (2, 2)
    task = run_v2.TasksClient(**options).get_task(
        name=f"{execution.name}/tasks/{execution.name.rpartition('/')[2]}-task0"
    )
    assert task.last_attempt_result.exit_code == 7


def test_what_does_not_exist_is_the_clients_not_found(options: dict[str, object]) -> None:
    from google.api_core.exceptions import NotFound
    from google.cloud import run_v2

    with pytest.raises(NotFound, match="nothing-here"):
        run_v2.JobsClient(**options).get_job(name=f"{PARENT}/jobs/nothing-here")


def test_a_workflow_is_deployed_by_the_official_client(options: dict[str, object]) -> None:
    from google.cloud import workflows_v1

    client, name = workflows_v1.WorkflowsClient(**options), f"w{uuid.uuid4().hex[:8]}"
    workflow = workflows_v1.Workflow(source_contents="- a: {return: 1}")
    created = client.create_workflow(parent=PARENT, workflow=workflow, workflow_id=name).result(timeout=30)
    assert created.revision_id.startswith("000001-")
    assert [w.name for w in client.list_workflows(parent=PARENT) if w.name == created.name] == [created.name]
    client.delete_workflow(name=created.name).result(timeout=30)
