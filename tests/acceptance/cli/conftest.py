"""A small server that answers as Google's APIs do, over a real socket, for the command line to talk to."""

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from jubako.cli.main import main

PARENT = "projects/local/locations/asia-northeast1"
NOW = "2026-11-24T06:00:00Z"
LATER = "2026-11-24T06:00:12Z"
VERB = re.compile(r"(.*):(run|cancel)\Z")


@dataclass
class Call:
    """One request as it arrived."""

    verb: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]


class Refusal(Exception):
    """An answer in Google's error shape."""

    def __init__(self, code: int, status: str, message: str) -> None:
        super().__init__(message)
        self.reply = code, {"error": {"code": code, "status": status, "message": message}}


@dataclass
class FakeGoogle:
    """Documents by name; an execution is one step further each time it is read."""

    address: str = ""
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    failures: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    """Replies to give before any other, first in first out; code 0 breaks the connection."""
    log_pages: list[dict[str, Any]] = field(default_factory=list)
    failed_tasks: int = 0
    polls_until_done: int = 3
    workflow_end: dict[str, Any] = field(default_factory=lambda: {"state": "SUCCEEDED", "result": '{"n":1}'})

    def answer(self, call: Call) -> tuple[int, dict[str, Any]]:
        """Return status and body."""
        self.calls.append(call)
        if self.failures:
            return self.failures.pop(0)
        try:
            return 200, self._dispatch(call)
        except Refusal as refusal:
            return refusal.reply

    def sent(self, verb: str) -> list[Call]:
        """Return the calls of one verb."""
        return [call for call in self.calls if call.verb == verb]

    def _dispatch(self, call: Call) -> dict[str, Any]:
        name = call.path.removeprefix("/jubako").split("/", 2)[2]
        custom = VERB.match(name)
        if call.verb == "POST" and custom:
            return self._run(custom[1]) if custom[2] == "run" else self._cancel(custom[1])
        actions = {"GET": self._get, "POST": self._create, "PATCH": self._patch, "DELETE": self._delete}
        return actions[call.verb](name, call)

    def _get(self, name: str, call: Call) -> dict[str, Any]:
        if name.endswith("/logs"):
            return self.log_pages.pop(0)
        if name in self.documents:
            self._advance(name)
            return self.documents[name]
        collection = name.rsplit("/", 1)[1]
        if collection not in {"jobs", "services", "workflows", "executions", "tasks"}:
            raise Refusal(404, "NOT_FOUND", f"{name} does not exist.")
        pattern = re.compile(re.escape(name).replace(r"/\-/", "/[^/]+/").replace("/-/", "/[^/]+/") + "/[^/]+")
        items = [one for key, one in self.documents.items() if pattern.fullmatch(key)]
        start = int(call.query.get("pageToken", "0"))
        page: dict[str, Any] = {collection: items[start : start + 2]}
        if start + 2 < len(items):
            page["nextPageToken"] = str(start + 2)
        return page

    def _create(self, name: str, call: Call) -> dict[str, Any]:
        parent, collection = name.rsplit("/", 1)
        if collection == "executions":
            return self._execute_workflow(parent, call.body)
        (given,) = call.query.values()
        full = f"{parent}/{collection}/{given}"
        if full in self.documents:
            raise Refusal(409, "ALREADY_EXISTS", f"{full} exists.")
        return self._store(full, call.body)

    def _patch(self, name: str, call: Call) -> dict[str, Any]:
        if "updateMask" in call.query:
            return self._store(name, {**self.documents[name], **call.body})
        if call.body.get("etag") != self.documents[name]["etag"]:
            raise Refusal(409, "ABORTED", "The etag does not match.")
        return self._store(name, call.body)

    def _store(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        generation = int(self.documents.get(name, {}).get("generation", "0")) + 1
        written = {"name": name, "generation": str(generation), "etag": f'"{generation}"', "updateTime": NOW}
        self.documents[name] = {**body, **written, "creator": "user:local"}
        operation = f"{PARENT}/operations/op-{len(self.calls)}"
        self.documents[operation] = {"name": operation, "done": True, "response": self.documents[name]}
        return {"name": operation, "done": False}

    def _delete(self, name: str, call: Call) -> dict[str, Any]:
        if self.documents.pop(name, None) is None:
            raise Refusal(404, "NOT_FOUND", f"{name} does not exist.")
        return {"name": f"{PARENT}/operations/gone", "done": True, "response": {}}

    def _run(self, job: str) -> dict[str, Any]:
        if job not in self.documents:
            raise Refusal(404, "NOT_FOUND", f"{job} does not exist.")
        name = f"{job}/executions/{job.rsplit('/', 1)[1]}-abcde"
        overrides = self.calls[-1].body.get("overrides", {})
        count = overrides.get("taskCount", self.documents[job].get("template", {}).get("taskCount", 1))
        self.documents[name] = {"name": name, "job": job, "taskCount": count, "createTime": NOW, "polls": 0}
        return {"name": f"{PARENT}/operations/run", "metadata": self.documents[name], "done": False}

    def _cancel(self, name: str) -> dict[str, Any]:
        if "/workflows/" in name:
            self.documents[name]["state"] = "CANCELLED"
            return self.documents[name]
        self.documents[name] |= {
            "completionTime": LATER,
            "cancelledCount": self.documents[name]["taskCount"],
            "conditions": [
                {"type": "Completed", "state": "CONDITION_FAILED", "executionReason": "CANCELLED"},
            ],
        }
        return {"name": f"{PARENT}/operations/cancel", "done": True, "response": self.documents[name]}

    def _execute_workflow(self, workflow: str, body: dict[str, Any]) -> dict[str, Any]:
        name = f"{workflow}/executions/one"
        self.documents[name] = {"name": name, "state": "ACTIVE", "startTime": NOW, "polls": 0, **body}
        return self.documents[name]

    def _advance(self, name: str) -> None:
        document = self.documents[name]
        if "polls" not in document or document.get("completionTime"):
            return
        document["polls"] += 1
        if "/workflows/" in name:
            document |= self.workflow_end if document["polls"] >= self.polls_until_done else {}
            return
        document |= {"startTime": NOW, "runningCount": document["taskCount"]}
        if document["polls"] >= self.polls_until_done:
            self._complete(name, document)

    def _complete(self, name: str, document: dict[str, Any]) -> None:
        succeeded = document["taskCount"] - self.failed_tasks
        state = "CONDITION_FAILED" if self.failed_tasks else "CONDITION_SUCCEEDED"
        document |= {
            "runningCount": 0,
            "succeededCount": succeeded,
            "failedCount": self.failed_tasks,
            "completionTime": LATER,
            "conditions": [{"type": "Completed", "state": state}],
        }
        for index in range(document["taskCount"]):
            failed = index < self.failed_tasks
            task = f"{name}/tasks/{name.rsplit('/', 1)[1]}-task{index}"
            self.documents[task] = {
                "name": task,
                "index": index,
                "startTime": NOW,
                "completionTime": LATER,
                "lastAttemptResult": {"exitCode": 3} if failed else {},
                "conditions": [
                    {"type": "Completed", "state": "CONDITION_FAILED" if failed else "CONDITION_SUCCEEDED"}
                ],
            }


def _handler(google: FakeGoogle) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            parts = urlsplit(self.path)
            data = self.rfile.read(int(self.headers.get("content-length", "0")))
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            call = Call(self.command, unquote(parts.path), query, json.loads(data) if data else None, headers)
            status, body = google.answer(call)
            if status == 0:
                self.close_connection = True
                return
            reply = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - http.server's names

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    return Handler


@pytest.fixture
def google() -> Iterator[FakeGoogle]:
    fake = FakeGoogle()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake))
    server.daemon_threads = True
    fake.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield fake
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass
class Ran:
    """What one command line did."""

    code: int
    out: str
    err: str


class Jubako:
    """Runs command lines against the fake server."""

    def __init__(self, google: FakeGoogle, capsys: pytest.CaptureFixture[str]) -> None:
        self.google = google
        self.capsys = capsys

    def __call__(self, *words: str, **environ: str) -> Ran:
        code = main(list(words), {"JUBAKO_SERVER": self.google.address, **environ})
        captured = self.capsys.readouterr()
        return Ran(code, captured.out, captured.err)


@pytest.fixture
def jubako(google: FakeGoogle, capsys: pytest.CaptureFixture[str]) -> Jubako:
    return Jubako(google, capsys)
