"""Google's own logging client, made as for the real cloud: its entries are kept, and read with those of the boxes."""

import json
import os
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jubako.testing.server import PARENT, ServerProcess

pytest.importorskip("google.cloud.logging", reason="needs google-cloud-logging")
Python = Callable[..., Any]


@pytest.fixture
def python(server: ServerProcess, tmp_path: Path) -> Python:
    """Run Python under ``jubako exec``; return what it prints as JSON."""

    def python(code: str) -> Any:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "jubako",
                "--server",
                server.address,
                "exec",
                "--",
                sys.executable,
                "-c",
                code,
            ],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONWARNINGS": "ignore"},
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return python


def test_a_default_client_writes_and_reads_in_both_orders_and_pages(
    python: Python, server: ServerProcess
) -> None:
    log = f"app-{uuid.uuid4().hex[:6]}"
    code = f"""
import json
from google.cloud import logging
client = logging.Client()
logger = client.logger({log!r}, labels={{"run": "1"}})
logger.log_text("first", severity="INFO")
logger.log_struct({{"step": 2, "deep": {{"list": [1, "two", None, True]}}}}, severity="ERROR")
with logger.batch() as batch:
    for number in range(5):
        batch.log_text(f"batch {{number}}")
def shown(entries):
    return [[type(one).__name__, one.payload, str(one.severity), dict(one.labels or {{}})] for one in entries
            if "logging.googleapis.com/diagnostic" not in one.payload]
print(json.dumps({{
    "all": shown(logger.list_entries(page_size=2)),
    "newest": shown(logger.list_entries(order_by=logging.DESCENDING, max_results=1)),
    "errors": shown(client.list_entries(filter_='jsonPayload.deep.list="two" AND severity>=ERROR AND log_id("{log}")')),
}}))
logger.delete()
"""
    found = python(code)
    assert [one[1] for one in found["all"]] == [
        "first",
        {"step": 2, "deep": {"list": [1, "two", None, True]}},
        *(f"batch {number}" for number in range(5)),
    ]
    assert found["all"][0][:3] == ["TextEntry", "first", "INFO"]
    assert found["all"][0][3]["run"] == "1"
    assert found["newest"][0][1] == "batch 4"
    assert [one[2] for one in found["errors"]] == ["ERROR"]
    body = {"resourceNames": ["projects/local"], "filter": f'log_id("{log}")'}
    assert server.post("/v2/entries:list", body).get("entries", []) == []


def test_the_standard_librarys_logging_goes_there_too(python: Python, server: ServerProcess) -> None:
    word = uuid.uuid4().hex
    python(
        "import logging, google.cloud.logging\n"
        "client = google.cloud.logging.Client()\n"
        "client.setup_logging()\n"
        f"logging.warning('took {word}', extra={{'json_fields': {{'seconds': 3}}}})\n"
        "import logging as l\n"
        "for handler in l.getLogger().handlers: handler.flush()\n"
        "client.close() if hasattr(client, 'close') else None\n"
        "print('null')"
    )
    body = {"resourceNames": ["projects/local"], "filter": f"{word} AND severity=WARNING"}
    (entry,) = server.post("/v2/entries:list", body)["entries"]
    assert entry["jsonPayload"]["seconds"] == 3


def test_a_default_client_follows_what_programs_and_tasks_write(
    python: Python, server: ServerProcess
) -> None:
    name = f"t{uuid.uuid4().hex[:6]}"
    container = {"command": ["sh", "-c", "for n in 1 2 3; do echo line $n; done"]}
    server.post(f"/v2/{PARENT}/jobs?jobId={name}", {"template": {"template": {"containers": [container]}}})
    code = f"""
import json, threading
from google.cloud import logging, run_v2
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client
from google.cloud.logging_v2.types import TailLogEntriesRequest
found, following = [], threading.Event()
def follow():
    request = TailLogEntriesRequest(
        resource_names=["projects/local"], buffer_window={{"seconds": 0}},
        filter='log_id("{name}") OR resource.labels.job_name="{name}"')
    stream = LoggingServiceV2Client().tail_log_entries(iter([request]))
    for response in stream:
        found.extend(entry.text_payload for entry in response.entries)
        following.set()
        if "line 3" in found:
            stream.cancel()
            return
thread = threading.Thread(target=follow)
thread.start()
logger = logging.Client().logger("{name}")
while not following.wait(0.1):
    logger.log_text("written")
run_v2.JobsClient().run_job(name="{PARENT}/jobs/{name}").result(timeout=60)
thread.join(60)
print(json.dumps([text for text in found if text]))
"""
    found = python(code)
    assert found[-3:] == ["line 1", "line 2", "line 3"]
    assert set(found[:-3]) == {"written"}


def test_followers_are_told_when_the_server_stops(tmp_path: Path) -> None:
    grpc = pytest.importorskip("grpc")
    with ServerProcess(tmp_path / "state") as server:
        path = "/google.logging.v2.LoggingServiceV2/TailLogEntries"
        with grpc.insecure_channel(server.address.removeprefix("http://")) as channel:
            grpc.channel_ready_future(channel).result(timeout=30)
            stream = channel.stream_stream(path)(iter([b"\x0a\x0eprojects/local"]))
            stream.initial_metadata()
            server.stop()
            with pytest.raises(grpc.RpcError) as ended:
                list(stream)
            assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
            assert "stopping" in ended.value.details()


def test_entries_survive_a_kill(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "state") as server:
        entry = {"textPayload": "kept", "logName": "projects/p/logs/x", "resource": {"type": "global"}}
        server.post("/v2/entries:write", {"entries": [entry]})
        server.kill()
        server.restart()
        (found,) = server.post("/v2/entries:list", {"resourceNames": ["projects/p"]})["entries"]
        assert found["textPayload"] == "kept"


def test_jobs_services_and_workflows_are_found_by_their_resource(
    python: Python, server: ServerProcess
) -> None:
    job = {
        "template": {"template": {"containers": [{"command": ["sh"], "args": ["-c", "echo from a task"]}]}}
    }
    server.post(f"/v2/{PARENT}/jobs?jobId=logged", job)
    server.post(f"/v2/{server.post(f'/v2/{PARENT}/jobs/logged:run')['name']}:wait", {"timeout": "60s"})
    container = {"command": [sys.executable, "-c", SERVICE]}
    server.call(
        "PATCH", f"/v2/{PARENT}/services/logged?allowMissing=true", {"template": {"containers": [container]}}
    )
    with urllib.request.urlopen(f"{server.address}/run/local/asia-northeast1/logged/") as answer:
        assert answer.status == 204
    source = (
        "main:\n  steps:\n"
        "  - a: {call: sys.log, args: {json: {from: a workflow}, severity: WARNING}}\n"
        "  - b: {call: sys.log, args: {data: plain words}}\n"
    )
    operation = server.post(f"/v1/{PARENT}/workflows?workflowId=logged", {"sourceContents": source})
    server.post(f"/v1/{operation['name']}:wait", {"timeout": "60s"})
    execution = server.post(f"/v1/{PARENT}/workflows/logged/executions", {})["name"]
    server.post(f"/jubako/v1/{execution}:wait", {"timeout": "60s"})
    code = """
import json
from google.cloud import logging
client = logging.Client()
def find(filter):
    return [[one.payload, dict(one.resource.labels), one.log_name] for one in client.list_entries(filter_=filter)]
print(json.dumps([
    find('resource.type="cloud_run_job" resource.labels.job_name="logged"'),
    find('resource.type="cloud_run_revision" resource.labels.service_name="logged" severity=NOTICE'),
    find('resource.type="workflows.googleapis.com/Workflow" log_id("Workflows")'),
    find('resource.type="workflows.googleapis.com/Workflow" log_id("workflows.googleapis.com/executions_system")'),
]))
"""
    tasks, instances, logged, system = python(code)
    assert [one[0] for one in tasks] == ["from a task"]
    assert tasks[0][1] == {"project_id": "local", "location": "asia-northeast1", "job_name": "logged"}
    assert [one[0] for one in instances] == [{"from": "an instance"}]
    assert instances[0][1]["service_name"] == "logged"
    assert [one[0] for one in logged] == [{"from": "a workflow"}, "plain words"]
    assert logged[0][1] == {"project_id": "local", "location": "asia-northeast1", "workflow_id": "logged"}
    assert [one[0]["state"] for one in system] == ["ACTIVE", "SUCCEEDED"]


SERVICE = """
import http.server, json, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print(json.dumps({"severity": "NOTICE", "from": "an instance"}), flush=True)
        self.send_response(204); self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
