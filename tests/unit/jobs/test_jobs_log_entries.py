"""``entries:list`` over the output of tasks."""

from typing import Any

import msgspec
import pytest

from jubako.boxes.jobs.log_entries import JobLogEntries
from jubako.telemetry.log_entries import EntrySource
from jubako.telemetry.stored_logs import StoredLogs
from jubako.testing.events import RecordedEvents
from jubako.wire.http import HttpRequest
from jubako.wire.log_tail import Tails
from jubako.wire.logging_api import LoggingApi
from jubako.wire.method import Caller
from jubako.wire.rest import Router

PARENT = "projects/p/locations/l"


@pytest.fixture
async def logged(box):
    """Return the router of an install where two tasks have written two lines each."""
    container = {"command": ["true"]}
    job = {"template": {"taskCount": 2, "template": {"containers": [container]}}}
    await box.call("POST", f"/v2/{PARENT}/jobs", job, "jobId=hello")
    await box.call("POST", f"/v2/{PARENT}/jobs/hello:run", {})
    await box.settle()
    for attempt, spec in list(box.runtime.live.items()):
        folder = box.output_root / spec.output.removeprefix(f"{box.output_root}/")
        folder.mkdir(parents=True)
        (folder / "stdout").write_bytes(b'plain\n{"severity":"ERROR","message":"bad"}\n')
        (folder / "stderr").write_bytes(b"")
        time = int(box.clock.now().timestamp() * 1e6)
        (folder / "index").write_bytes(msgspec.json.encode({"t": time, "o": 41, "e": 0}) + b"\n")
        box.runtime.finish(attempt)
    await box.settle()
    sources: list[EntrySource] = [StoredLogs(box.store), JobLogEntries(box.store, box.outputs)]
    tails = Tails(sources, box.clock, box.clock)
    api = LoggingApi(box.store, box.clock, box.ids, sources, tails).api()
    return Router([api], box.access, RecordedEvents())


async def entries(router: Router, **body: Any) -> dict[str, Any]:
    request = HttpRequest(
        method="POST",
        path="/v2/entries:list",
        body=msgspec.json.encode({"resourceNames": ["projects/p"], **body}),
    )
    response = await router.handle(request, Caller(principal="user:local"))
    reply: dict[str, Any] = msgspec.json.decode(response.body)
    return reply


async def test_entries_have_the_shape_that_gcloud_prints(logged: Router) -> None:
    wanted = "resource.type = cloud_run_job \nresource.labels.job_name = hello \nseverity >= ERROR"
    found = (await entries(logged, filter=wanted, orderBy="timestamp desc", pageSize=10))["entries"]
    assert len(found) == 2
    assert found[0]["jsonPayload"] == {"message": "bad"}
    assert found[0]["resource"]["labels"] == {"project_id": "p", "location": "l", "job_name": "hello"}
    assert found[0]["logName"] == "projects/p/logs/run.googleapis.com%2Fstdout"
    assert {entry["labels"]["run.googleapis.com/task_index"] for entry in found} == {"0", "1"}


@pytest.mark.parametrize("order", ["timestamp asc", "timestamp desc"])
async def test_pages_give_every_entry_once(logged: Router, order: str) -> None:
    seen, token = [], ""
    while True:
        page = await entries(logged, orderBy=order, pageSize=3, pageToken=token)
        seen += [entry["insertId"] for entry in page["entries"]]
        if not (token := page.get("nextPageToken", "")):
            break
    assert len(seen) == len(set(seen)) == 4


async def test_other_projects_and_jobs_have_none(logged: Router) -> None:
    assert await entries(logged, resourceNames=["projects/q"]) == {}
    assert await entries(logged, filter="resource.labels.job_name = other") == {}
    assert await entries(logged, filter="resource.type = cloud_run_revision") == {}


@pytest.mark.parametrize(
    "body",
    [
        {"resourceNames": []},
        {"orderBy": "severity"},
        {"pageSize": "x"},
        {"pageToken": "x"},
        {"filter": "a = b"},
    ],
)
async def test_bad_requests_are_refused(logged: Router, body: dict[str, Any]) -> None:
    assert (await entries(logged, **body))["error"]["status"] == "INVALID_ARGUMENT"
