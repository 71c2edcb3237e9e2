"""What Google's client sends and we answer, letter by letter, kept in tests/golden/wire.

A difference is either a new client or a change of ours: look at it, then write the files anew with UPDATE_GOLDEN=1.
"""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import run_v2

from jubako.boxes.jobs import methods as jobs
from jubako.boxes.services import methods as services
from jubako.boxes.workflows import methods as workflows
from jubako.wire.operations_api import operations_methods

GOLDEN = Path(__file__).parents[2] / "golden" / "wire"
PARENT = "projects/p/locations/l"


def compare(name: str, text: str) -> None:
    file = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    assert text == file.read_text("utf-8")


def pretty(body: bytes) -> str:
    return json.dumps(json.loads(body), indent=1, ensure_ascii=False) if body else "(empty)"


def exchange(response: Any) -> list[str]:
    """One request and its answer as lines; ``response`` is what the client's HTTP session got."""
    sent = response.request.body or b""
    sent = sent.encode() if isinstance(sent, str) else sent
    request = f"> {response.request.method} {response.request.path_url}"
    return [request, pretty(sent), f"< {response.status_code}", pretty(response.content), ""]


def job(**fields: Any) -> run_v2.Job:
    container = run_v2.Container(
        image="image", command=["python"], args=["-m", "ocr"], env=[run_v2.EnvVar(name="EMPTY", value="")]
    )
    template = run_v2.TaskTemplate(containers=[container], max_retries=0, timeout="90.5s")
    return run_v2.Job(template=run_v2.ExecutionTemplate(task_count=3, template=template), **fields)


async def test_the_jobs_client_over_rest(place) -> None:
    client = run_v2.JobsClient(
        transport="rest",
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": f"http://127.0.0.1:{place.port}"},
    )
    lines: list[str] = []
    client.transport._session.hooks["response"].append(
        lambda response, *_, **__: lines.extend(exchange(response))
    )

    def story() -> None:
        operation = client.create_job(parent=PARENT, job_id="j", job=job(labels={"k": "ä"}))
        name = operation.operation.name
        client.wait_operation({"name": name, "timeout": {"seconds": 20}})
        client.get_job(name=f"{PARENT}/jobs/j")
        list(client.list_jobs(parent=PARENT))
        with pytest.raises(exceptions.Conflict):
            client.create_job(parent=PARENT, job_id="j", job=job())
        with pytest.raises(exceptions.NotFound):
            client.get_job(name=f"{PARENT}/jobs/none")
        with pytest.raises(exceptions.MethodNotImplemented):
            client.run_job(run_v2.RunJobRequest(name=f"{PARENT}/jobs/j", overrides={"task_count": 2}))
        client.delete_operation({"name": name})

    await asyncio.to_thread(story)
    client.transport.close()
    compare("run_v2_jobs_rest.txt", "\n".join(lines))


def test_the_routes_and_their_permissions() -> None:
    tables = [jobs.JOBS, jobs.EXECUTIONS, jobs.TASKS, services.SERVICES, services.REVISIONS]
    tables += [operations_methods("run", "v2"), workflows.WORKFLOWS, workflows.EXECUTIONS]
    tables += [operations_methods("workflows", "v1")]
    lines = [
        f"{rule.verb:6} {rule.path}  body={rule.body or '-'}  {method.name}  {method.permission}"
        for table in tables
        for method in table
        for rule in method.http
    ]
    compare("routes.txt", "\n".join(lines) + "\n")
