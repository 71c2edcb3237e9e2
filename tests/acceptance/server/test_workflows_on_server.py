"""Workflows on a real server: hostile sources and answers, callbacks over a kill, an account's tokens."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from jubako.testing.server import PARENT, ApiError, ServerProcess

PLACE = "/v1/projects/p/locations/asia-northeast1"
NEVER = threading.Event()


class Outside(BaseHTTPRequestHandler):
    """Answers as its path says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/never":
            NEVER.wait(60)
        elif self.path == "/gigabyte":
            self.send_response(200)
            self.send_header("Content-Length", str(2**30))
            self.end_headers()
            piece = b"x" * 2**20
            try:
                for _ in range(1024):
                    self.wfile.write(piece)
            except OSError:
                self.close_connection = True
        elif self.path == "/link-local":
            self.answer(302, b"", Location="http://169.254.169.254/computeMetadata/v1/")
        elif self.path == "/around":
            self.answer(302, b"", Location="/around")
        elif self.path == "/broken":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.close_connection = True
        else:
            self.answer(200, json.dumps({"authorization": self.headers.get("authorization")}).encode())

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def outside() -> Iterator[str]:
    NEVER.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Outside)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    NEVER.set()
    server.shutdown()
    thread.join()
    server.server_close()


def deploy(server: ServerProcess, name: str, source: str) -> None:
    server.post(f"{PLACE}/workflows?workflowId={name}", {"sourceContents": source})


def begin(server: ServerProcess, name: str, argument: object = None) -> str:
    body = {"argument": json.dumps(argument)}
    return "/v1/" + str(server.post(f"{PLACE}/workflows/{name}/executions", body)["name"])


def ended(server: ServerProcess, path: str) -> Any:
    """Return the execution when it has ended."""
    limit = time.monotonic() + 60
    while (execution := server.get(path))["state"] == "ACTIVE":
        assert time.monotonic() < limit, execution
        NEVER.wait(0.02)
    return execution


def tags(execution: Any) -> Any:
    assert execution["state"] == "FAILED", execution
    return json.loads(execution["error"]["payload"])["tags"]


def memory_kib(server: ServerProcess) -> int:
    status = Path(f"/proc/{server.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])


ALIASES = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
SOURCES = {
    "alias-bomb": ALIASES + "main: {steps: [{x: {return: 1}}]}",
    "brackets": "- a: {return: " + "[" * 10_000 + "]" * 10_000 + "}",
    "brackets-in-expression": "- a: {return: '${" + "(" * 150 + "1" + ")" * 150 + "}'}",
    "long-source": "- a: {return: 1}\n#" + "x" * (128 * 1024 + 1 - 18),
    "long-expression": "- a: {return: '${" + "1" + "+1" * 198 + " }'}",
    "no-step": "- a: {next: nowhere}",
    "not-yaml": "\t- a: {",
    "big-number": "- a: {return: 123456789012345678901234567890}",
    "not-a-number": "- a: {return: .nan}",
    "alias-of-itself": "a: &a [*a]\nmain: {steps: [{x: {return: 1}}]}",
    "half-a-pair": "- a: {return: '\ud800'}",
    "unknown-connector": "- a: {call: googleapis.compute.v1.instances.insert, args: {project: p}}",
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_hostile_source_is_refused_by_name_and_soon(server: ServerProcess, name: str) -> None:
    begun = time.monotonic()
    with pytest.raises(ApiError) as refused:
        deploy(server, name, SOURCES[name])
    assert refused.value.http_status == 400
    assert len(str(refused.value)) < 10_000
    assert time.monotonic() - begun < 5


def test_a_source_and_an_expression_as_long_as_allowed_are_taken(server: ServerProcess) -> None:
    source, expression = SOURCES["long-source"], SOURCES["long-expression"]
    assert len(source.encode()) == 128 * 1024 + 1
    deploy(server, "longest-source", source[:-1])
    assert len(expression.removeprefix("- a: {return: '").removesuffix("'}")) == 401
    deploy(server, "longest-expression", expression.replace(" }'", "}'"))


@pytest.mark.parametrize(
    "body", [b'{"sourceContents": "- a: {return: \xff}"}', b"\xff\xfe", b'{"sourceContents": "\xed\xa0\x80"}']
)
def test_a_request_that_is_not_utf_8_is_refused_by_name(server: ServerProcess, body: bytes) -> None:
    request = urllib.request.Request(
        f"{server.address}{PLACE}/workflows?workflowId=bytes",
        data=body,
        headers={"content-type": "application/json"},
        method="POST",
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    with refused.value as answer:
        assert answer.code == 400
        assert json.loads(answer.read())["error"]["status"] == "INVALID_ARGUMENT"


DOUBLING = """
main:
  steps:
    - init: {assign: [{s: "0123456789"}]}
    - double: {assign: [{s: "${s + s}"}], next: double}
"""
RECURSION = "main: {steps: [{a: {call: again}}]}\nagain: {steps: [{b: {call: again}}]}"
INSIDE_ITSELF = """
- init: {assign: [{m: {}}]}
- put: {assign: [{m.m: "${m}"}], next: put}
"""
RUNS = {
    "doubling": (DOUBLING, "ResourceLimitError"),
    "recursion": (RECURSION, "RecursionError"),
    "inside-itself": (INSIDE_ITSELF, "ResourceLimitError"),
    "regex": (
        '- a: {return: \'${text.match_regex("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!", "(a+)+(")}\'}',
        "ValueError",
    ),
    "endless": ("- a: {next: a}", "ResourceLimitError"),
    "never": ("- a: {call: http.get, args: {url: URL/never, timeout: 0.5}}", "TimeoutError"),
    "gigabyte": ("- a: {call: http.get, args: {url: URL/gigabyte}}", "ResourceLimitError"),
    "link-local": ("- a: {call: http.get, args: {url: URL/link-local}}", "ConnectionFailedError"),
    "metadata": ("- a: {call: http.get, args: {url: 'http://169.254.169.254/'}}", "ConnectionFailedError"),
    "broken": ("- a: {call: http.get, args: {url: URL/broken}}", "ConnectionError"),
    "closed": ("- a: {call: http.get, args: {url: 'http://127.0.0.1:1/'}}", "ConnectionFailedError"),
    "scheme": ("- a: {call: http.get, args: {url: 'file:///etc/passwd'}}", "ValueError"),
    "overflow": ("- a: {return: '${9223372036854775807 + 1}'}", "ValueError"),
    "utf8": ("""- a: {return: '${text.decode(base64.decode("/w=="))}'}""", "ValueError"),
}


def test_hostile_executions_end_by_name_while_others_go_on(server: ServerProcess, outside: str) -> None:
    deploy(server, "calm", "- nap: {call: sys.sleep, args: {seconds: 0.3}}\n- done: {return: calm}")
    for name, (source, _) in RUNS.items():
        deploy(server, name, source.replace("URL", outside))
    before = memory_kib(server)
    begun = {name: begin(server, name) for name in RUNS}
    asked = time.monotonic()
    calm = begin(server, "calm")
    slowest = 0.0
    while server.get(calm)["state"] == "ACTIVE":
        looked = time.monotonic()
        server.get("/healthz")
        slowest = max(slowest, time.monotonic() - looked)
    assert time.monotonic() - asked < 5
    assert json.loads(ended(server, calm)["result"]) == "calm"
    for name, path in begun.items():
        assert RUNS[name][1] in tags(ended(server, path)), name
    assert slowest < 3
    assert memory_kib(server) - before < 200 * 1024


def test_redirects_without_end_end(server: ServerProcess, outside: str) -> None:
    source = "- a: {call: http.get, args: {url: URL/around}, result: r}\n- b: {return: '${r.code}'}"
    deploy(server, "around", source.replace("URL", outside))
    assert json.loads(ended(server, begin(server, "around"))["result"]) == 302


def test_auth_attaches_a_token_that_this_server_knows(server: ServerProcess, outside: str) -> None:
    call = "{call: http.get, args: {url: URL/x, auth: {type: OAuth2}}, result: r}"
    deploy(
        server, "auth", f"- a: {call}\n- b: {{return: '${{r.body.authorization}}'}}".replace("URL", outside)
    )
    token = json.loads(ended(server, begin(server, "auth"))["result"])
    seen = server.call("GET", f"{PLACE}/workflows/auth", headers={"Authorization": token})
    assert seen["name"].endswith("/auth")
    with pytest.raises(ApiError) as refused:
        server.call("GET", f"{PLACE}/workflows/auth", headers={"Authorization": token + "x"})
    assert refused.value.http_status == 401


CALLBACK = """
- make: {call: events.create_callback_endpoint, args: {http_callback_method: POST}, result: endpoint}
- nap: {call: sys.sleep, args: {seconds: 0.5}}
- wait: {call: events.await_callback, args: {callback: "${endpoint}", timeout: 31536000}, result: got}
- done: {return: "${got.http_request.body}"}
"""


def called(url: str, body: object, method: str = "POST") -> int:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_a_callback_that_was_taken_outlives_a_kill(own_server: ServerProcess) -> None:
    deploy(own_server, "callback", CALLBACK)
    execution = begin(own_server, "callback")
    listed: Any = {}
    while not listed.get("callbacks"):
        listed = own_server.get(f"{execution}/callbacks")
    (endpoint,) = listed["callbacks"]
    url = f"{own_server.address}/v1/{endpoint['name']}"
    assert called(url, {"n": 1}) == 200
    assert called(url, {"n": 2}) == 429
    own_server.kill()
    own_server.start()
    assert json.loads(ended(own_server, execution)["result"]) == {"n": 1}
    assert called(f"{own_server.address}/v1/{endpoint['name']}", {"n": 3}) == 404


def test_a_wait_of_a_year_outlives_kills_and_costs_nothing(own_server: ServerProcess) -> None:
    deploy(own_server, "year", "- nap: {call: sys.sleep, args: {seconds: 31536000}}\n- done: {return: late}")
    execution = begin(own_server, "year")
    for _ in range(2):
        while (told := own_server.get(execution))["status"].get("currentSteps") != [
            {"routine": "main", "step": "nap"}
        ]:
            assert told["state"] == "ACTIVE"
        own_server.kill()
        own_server.start()
    assert own_server.get(execution)["state"] == "ACTIVE"
    assert own_server.post(f"{execution}:cancel", {})["state"] == "CANCELLED"


def test_executions_are_filtered_over_http(server: ServerProcess) -> None:
    deploy(server, "listed", "- a: {return: 1}")
    for _ in range(3):
        ended(server, begin(server, "listed"))
    found = server.get(
        f"{PLACE}/workflows/listed/executions?filter=state%3DSUCCEEDED&orderBy=startTime&pageSize=2"
    )
    assert len(found["executions"]) == 2
    assert found["nextPageToken"]
    assert server.get(f"{PLACE}/workflows/listed/executions?filter=state%3DFAILED") == {}


def test_run_v1_jobs_are_run_and_waited_for(server: ServerProcess) -> None:
    template = {"containers": [{"command": ["/bin/sh", "-c", "true"]}], "maxRetries": 0}
    server.post(f"{PLACE.replace('/v1/', '/v2/')}/jobs?jobId=quick", {"template": {"template": template}})
    call = "{call: googleapis.run.v1.namespaces.jobs.run, args: ARGS, result: r}"
    params = "connector_params: {polling_policy: {initial_delay: 0.1}}"
    args = f"{{name: namespaces/p/jobs/quick, location: asia-northeast1, {params}}}"
    deploy(
        server, "kube", f"- a: {call}\n- b: {{return: '${{r.status.succeededCount}}'}}".replace("ARGS", args)
    )
    assert json.loads(ended(server, begin(server, "kube"))["result"]) == 1


LOGGING = """
- write: {call: googleapis.logging.v2.entries.write, args: {body: {logName: projects/p/logs/mine,
    resource: {type: global}, entries: [{textPayload: written by a step}]}}}
- read: {call: googleapis.logging.v2.entries.list, args: {body: {resourceNames: [projects/p],
    filter: 'logName = "projects/p/logs/mine"'}}, result: found}
- done: {return: "${found.entries[0].textPayload}"}
"""


def test_a_step_writes_log_entries_and_reads_them(server: ServerProcess) -> None:
    deploy(server, "logging", LOGGING)
    assert json.loads(ended(server, begin(server, "logging"))["result"]) == "written by a step"


def test_a_regular_expression_that_would_run_for_ages_elsewhere_ends_at_once(server: ServerProcess) -> None:
    deploy(server, "backtracking", "- a: {return: '${text.match_regex(\"" + "a" * 60 + '!", "^(a+)+$")}\'}')
    begun = time.monotonic()
    assert json.loads(ended(server, begin(server, "backtracking"))["result"]) is False
    assert time.monotonic() - begun < 5


DEAR = """\
- zero: {assign: [{e: []}]}
- one: {assign: [{e: [%(refs)s]}]}
- two: {assign: [{e: [%(refs)s]}]}
- three: {assign: [{e: [%(refs)s]}]}
- copy: {assign: [%(copies)s]}
- again: {next: copy}
"""


def test_one_that_only_computes_does_not_hold_up_the_others(own_server: ServerProcess) -> None:
    dear = DEAR % {"refs": ", ".join(['"${e}"'] * 16), "copies": ", ".join(["{x: '${e}'}"] * 15)}
    workflows = f"/v1/{PARENT}/workflows"
    own_server.post(f"{workflows}?workflowId=dear", {"sourceContents": dear})
    own_server.post(f"{workflows}?workflowId=quick", {"sourceContents": "- a: {return: 1}"})
    begun = own_server.post(f"{workflows}/dear/executions", {})
    for _ in range(3):
        begin = time.monotonic()
        assert own_server.post(f"/jubako{workflows}/quick:run", {})["state"] == "SUCCEEDED"
        assert time.monotonic() - begin < 10
    assert own_server.get(f"/v1/{begun['name']}")["state"] == "ACTIVE"
    own_server.post(f"/v1/{begun['name']}:cancel", {})
