"""The command line and the real server, as two processes."""

import json
import os
import selectors
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jubako.cli.main import main

READY_S = 30.0
COUNT = "import os; print('task', os.environ['CLOUD_RUN_TASK_INDEX'], os.environ.get('WORD', ''))"
FAIL = "import sys; print('broken', file=sys.stderr); sys.exit(3)"
ANSWER = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.path.encode())
    def log_message(self, *args):
        pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
WORKFLOW = """
main:
  params: [input]
  steps:
  - count:
      call: googleapis.run.v2.projects.locations.jobs.run
      args:
        name: projects/local/locations/asia-northeast1/jobs/tally
      result: execution
  - done:
      return:
        hello: ${input.name}
        succeeded: ${execution.succeededCount}
"""


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cli") / "state"
    words = [sys.executable, "-m", "jubako", "up", "--state", str(folder), "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        with selectors.DefaultSelector() as waiting:
            waiting.register(server.stdout, selectors.EVENT_READ)
            assert waiting.select(READY_S), "no ready line"
        assert b"ready at http://127.0.0.1:" in server.stdout.readline()
        try:
            yield folder
        finally:
            server.send_signal(signal.SIGTERM)
            assert server.wait(READY_S) == 0


class Ran:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def jubako(state: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*words: str) -> Ran:
        code = main(list(words), {"JUBAKO_STATE": str(state)})
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


def python(code: str) -> tuple[str, ...]:
    return ("--command", sys.executable, "--args", f"^|^-c|{code}")


def test_a_job_is_deployed_executed_described_read_changed_and_deleted(jubako: Any) -> None:
    deployed = jubako(
        "run", "jobs", "deploy", "count", *python(COUNT), "--tasks", "3", "--execute-now", "--wait"
    )
    assert deployed.code == 0, deployed.err
    name = jubako(
        "run", "jobs", "executions", "list", "--job", "count", "--format=value(metadata.name)"
    ).out.strip()
    lines = jubako("run", "jobs", "logs", "read", "count").out.splitlines()
    assert sorted(line.split("] ")[1].strip() for line in lines) == ["task 0", "task 1", "task 2"]
    tasks = jubako("run", "jobs", "executions", "tasks", "list", "--execution", name, "--filter", "index>=1")
    assert [line.split()[:2] for line in tasks.out.splitlines()[1:]] == [
        ["1", "Succeeded"],
        ["2", "Succeeded"],
    ]
    assert jubako("run", "jobs", "deploy", "count", "--set-env-vars", "WORD=x").code == 0
    job = json.loads(jubako("run", "jobs", "describe", "count", "--format", "json").out)
    assert job["template"]["taskCount"] == 3
    again = jubako(
        "run", "jobs", "execute", "count", "--tasks", "1", "--update-env-vars", "WORD=hello", "--wait"
    )
    assert again.code == 0, again.err
    assert "task 0 hello" in jubako("run", "jobs", "logs", "tail", "count").out
    assert jubako("run", "jobs", "executions", "delete", name).code == 0
    assert jubako("run", "jobs", "delete", "count").code == 0
    assert "NOT_FOUND" in jubako("run", "jobs", "describe", "count").err


def test_update_changes_only_what_exists(jubako: Any) -> None:
    assert "NOT_FOUND" in jubako("run", "jobs", "update", "nobody", "--tasks", "2").err
    assert jubako("run", "jobs", "deploy", "there", "--command", "true").code == 0
    assert jubako("run", "jobs", "update", "there", "--tasks", "2").code == 0
    assert jubako("run", "jobs", "describe", "there", "--format=value(template.taskCount)").out == "2\n"
    assert "NOT_FOUND" in jubako("run", "services", "update", "nobody", "--timeout", "60").err


def test_a_failed_execution_says_how_its_tasks_ended(jubako: Any) -> None:
    jubako("run", "jobs", "deploy", "fail", *python(FAIL), "--tasks", "2", "--max-retries", "0")
    ran = jubako("run", "jobs", "execute", "fail", "--wait")
    assert ran.code == 1
    assert "task 1: exit 3" in ran.err
    name = ran.err.split("[")[1].split("]")[0] if "[" in ran.err else ""
    described = jubako("run", "jobs", "executions", "tasks", "describe", f"{name}-task1").out
    assert "State: Failed" in described
    assert described.splitlines()[-1].split()[:2] == ["0", "exited"]
    told = jubako("run", "jobs", "logs", "read", "fail", "--stream", "stderr", "--task", "1").out
    assert told.endswith("broken\n")


def test_a_running_execution_is_cancelled_and_its_processes_are_gone(jubako: Any) -> None:
    sleeper = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
    jubako("run", "jobs", "deploy", "sleep", *python(sleeper))
    started = jubako("run", "jobs", "execute", "sleep", "--format=value(metadata.name)")
    name = started.out.strip()
    deadline, told = time.monotonic() + READY_S, ""
    while not told:
        assert time.monotonic() < deadline, "the task said nothing"
        told = jubako("run", "jobs", "logs", "read", "--execution", name).out
    pid = told.split()[-1]
    assert Path(f"/proc/{pid}").exists()
    cancelled = jubako("run", "jobs", "executions", "cancel", name)
    assert cancelled.code == 0, cancelled.err
    assert "cancelled" in cancelled.err
    assert not Path(f"/proc/{pid}").exists()


def test_a_workflow_runs_a_job_and_its_result_is_printed(jubako: Any, tmp_path: Path) -> None:
    jubako("run", "jobs", "deploy", "tally", *python(COUNT), "--tasks", "2")
    source = tmp_path / "hello.yaml"
    source.write_text(WORKFLOW)
    deployed = jubako("workflows", "deploy", "hello", "--source", str(source))
    assert deployed.code == 0, deployed.err
    ran = jubako("workflows", "run", "hello", "--data", '{"name": "you"}')
    assert ran.code == 0, ran.err
    assert json.loads(ran.out) == {"hello": "you", "succeeded": 2}
    failed = jubako("workflows", "run", "hello", "--data", "{}")
    assert failed.code == 1
    assert "KeyError" in failed.err
    listed = jubako("workflows", "executions", "list", "hello", "--format=value(state)").out.split()
    assert sorted(listed) == ["FAILED", "SUCCEEDED"]
    assert jubako("workflows", "delete", "hello").code == 0


def test_a_workflow_with_errors_is_refused_with_line_and_column(jubako: Any, tmp_path: Path) -> None:
    source = tmp_path / "bad.yaml"
    source.write_text("main:\n  steps:\n  - a:\n      return: ${1 +}\n")
    ran = jubako("workflows", "deploy", "bad", "--source", str(source))
    assert ran.code == 1
    assert ran.err.startswith(
        f"ERROR: {source} cannot be deployed.\n{source}:4:20: in step a: bad expression: "
    )


def test_a_service_is_deployed_answers_at_the_address_told_and_is_deleted(jubako: Any, state: Path) -> None:
    deployed = jubako("run", "deploy", "api", *python(ANSWER))
    assert deployed.code == 0, deployed.err
    address = deployed.err.split("Service URL: ")[1].strip()
    with urllib.request.urlopen(address + "some/where", timeout=30) as reply:
        assert reply.read() == b"/some/where"
    assert address in jubako("run", "services", "describe", "api").out
    assert jubako("run", "services", "list", "--format=value(metadata.name)").out == "api\n"
    assert jubako("run", "services", "delete", "api").code == 0
    assert json.loads((state / "server.json").read_text())["address"] in address


def test_a_second_server_on_the_same_state_is_refused_in_one_line(state: Path) -> None:
    words = [sys.executable, "-m", "jubako", "up", "--state", str(state)]
    second = subprocess.run(words, capture_output=True, text=True, timeout=READY_S, check=False)
    assert second.returncode == 1
    assert second.stderr.startswith("ERROR: Another server runs on")
    assert os.linesep not in second.stderr.strip()


def test_only_the_failed_task_of_an_execution_runs_again(jubako: Any, tmp_path: Path) -> None:
    fail_once = (
        f"import os, sys; mark = '{tmp_path}/' + os.environ['CLOUD_RUN_TASK_INDEX']; again = os.path.exists(mark); "
        "open(mark, 'a').write('x'); sys.exit(0 if again or mark.endswith(('0', '2')) else 3)"
    )
    jubako("run", "jobs", "deploy", "partly", *python(fail_once), "--tasks", "3", "--max-retries", "0")
    first = jubako("run", "jobs", "execute", "partly", "--wait")
    assert first.code == 1
    name = first.err.split("[")[1].split("]")[0]
    again = jubako("run", "jobs", "executions", "rerun", name, "--failed", "--wait")
    assert again.code == 0, again.err
    assert "2 of 3 tasks are carried over" in again.err
    assert [(tmp_path / str(index)).read_text() for index in range(3)] == ["x", "xx", "x"]
    new = again.err.split("[")[1].split("]")[0]
    assert (
        f"Rerun of: {name} (2 tasks carried over)" in jubako("run", "jobs", "executions", "describe", new).out
    )
    tasks = jubako("run", "jobs", "executions", "tasks", "list", "--execution", new).out.splitlines()[1:]
    assert ["carried over" in line for line in tasks] == [True, False, True]
    nothing_left = jubako("run", "jobs", "executions", "rerun", new)
    assert nothing_left.code == 1
    assert "no task that did not succeed" in nothing_left.err
    assert jubako("run", "jobs", "executions", "rerun", name, "--tasks", "7-3").code == 1
    assert jubako("run", "jobs", "executions", "rerun", name, "--tasks", "1", "--failed").code == 2


def test_a_task_gets_a_secret_that_no_command_shows(jubako: Any, tmp_path: Path) -> None:
    value = tmp_path / "value"
    value.write_text("hush-4711")
    assert jubako("secrets", "create", "token", "--data-file", str(value)).code == 0
    assert "versions/1" in jubako("secrets", "versions", "list", "token", "--format=value(name)").out
    length = "import os; print(len(os.environ['TOKEN']))"
    deploy = ("run", "jobs", "deploy", "hushed", *python(length), "--set-secrets")
    assert jubako(*deploy, "TOKEN=token:latest", "--execute-now", "--wait").code == 0
    assert jubako("run", "jobs", "logs", "read", "hushed").out.split()[-1] == "9"
    shown = jubako("run", "jobs", "describe", "hushed")
    assert "TOKEN=" in shown.out
    assert "hush" not in shown.out.replace("hushed", "")
    assert jubako("run", "jobs", "deploy", "hushed", "--update-secrets", "TOKEN=token").code == 2
    assert jubako("run", "jobs", "deploy", "hushed", "--update-secrets", "TOKEN=nothing:1").code == 0
    refused = jubako("run", "jobs", "execute", "hushed")
    assert refused.code == 1
    assert "projects/local/secrets/nothing/versions/1" in refused.err
    assert len(refused.err.strip().splitlines()) == 1
    assert jubako("secrets", "delete", "token").code == 0


BAD_JOBS = (
    (("--command", "true", "--tasks", "0"), 2, "--tasks"),
    (("--command", "true", "--tasks", "10001"), 1, "10000"),
    (("--command", "true", "--tasks", "2", "--parallelism", "3"), 1, "parallelism"),
    (("--command", "true", "--set-env-vars", "=x"), 2, "--set-env-vars"),
    (("--command", "true", "--args", "x" * 1_000_001), 1, "args"),
    (("--command", "true", "--workdir", "here"), 1, "working_dir"),
)


@pytest.mark.parametrize(("flags", "code", "named"), BAD_JOBS, ids=range(len(BAD_JOBS)))
def test_a_bad_job_leaves_nothing_and_one_helpful_line(
    jubako: Any, flags: tuple[str, ...], code: int, named: str
) -> None:
    ran = jubako("run", "jobs", "deploy", "badly", *flags)
    assert ran.code == code
    assert ran.err.startswith("ERROR: ")
    assert named in ran.err
    assert len(ran.err) < 1_000
    assert "NOT_FOUND" in jubako("run", "jobs", "describe", "badly").err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--command", "/no/such/program"), "/no/such/program"),
        (("--command", "true", "--workdir", "/no/such/directory"), "/no/such/directory"),
    ],
)
def test_what_cannot_be_started_fails_with_its_name(jubako: Any, flags: tuple[str, ...], said: str) -> None:
    assert jubako("run", "jobs", "deploy", f"absent{len(flags)}", *flags, "--max-retries", "0").code == 0
    ran = jubako("run", "jobs", "execute", f"absent{len(flags)}", "--wait")
    assert ran.code == 1
    assert said in ran.err


def test_a_name_that_is_no_label_and_a_delete_while_it_runs_are_refused(jubako: Any) -> None:
    named = jubako("run", "jobs", "deploy", "Not_A_Label", "--command", "true")
    assert named.code == 1
    assert "jobId" in named.err
    jubako("run", "jobs", "deploy", "busy", "--command", "sleep", "--args", "600")
    name = jubako("run", "jobs", "execute", "busy", "--format=value(metadata.name)").out.strip()
    refused = jubako("run", "jobs", "delete", "busy", "--quiet")
    assert refused.code == 1
    assert "1 executions under way" in refused.err
    assert jubako("run", "jobs", "executions", "cancel", name).code == 0
