"""The whole server killed while work is under way: nothing lost, nothing doubled, nothing started anew."""

import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jubako.testing.server import PARENT, ApiError, ServerProcess

TWO_BRANCHES = """
main:
  params: [input]
  steps:
    - init: {assign: [{left: null}, {right: null}]}
    - both:
        parallel:
          shared: [left, right]
          branches:
            - left_branch: {steps: [{run_left: {call: googleapis.run.v2.projects.locations.jobs.run,
                            args: {name: "${input.left}"}, result: left}}]}
            - right_branch: {steps: [{run_right: {call: googleapis.run.v2.projects.locations.jobs.run,
                             args: {name: "${input.right}"}, result: right}}]}
    - merged: {return: ["${left.succeededCount}", "${right.succeededCount}"]}
"""

# Each attempt appends one line, then waits until the test lets it go: no time-outs decide the outcome.
TASK = """
import os, pathlib, sys, threading
folder = pathlib.Path(sys.argv[1])
name = f"{os.environ['CLOUD_RUN_JOB']}-{os.environ['CLOUD_RUN_TASK_INDEX']}"
with (folder / "starts").open("a") as starts:
    starts.write(f"{name} {os.environ['CLOUD_RUN_TASK_ATTEMPT']} {os.getpid()}\\n")
while not (folder / "go").exists():
    threading.Event().wait(0.02)
(folder / name).write_text("done")
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path / "state").start()
    yield server
    server.stop()


def until(condition: Callable[[], Any], patience_s: float = 60.0) -> Any:
    """Return the first true value of ``condition``."""
    pause, deadline = threading.Event(), time.monotonic() + patience_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "the condition did not come true"
        pause.wait(0.02)
    return value


def deploy(server: ServerProcess, folder: Path, *names: str, tasks: int = 2) -> None:
    for name in names:
        container = {"command": [sys.executable], "args": ["-c", TASK, str(folder)]}
        template = {"taskCount": tasks, "parallelism": tasks, "template": {"containers": [container]}}
        server.post(f"/v2/{PARENT}/jobs?jobId={name}", {"template": template})


def begin_workflow(server: ServerProcess) -> str:
    server.post(f"/v1/{PARENT}/workflows?workflowId=both", {"sourceContents": TWO_BRANCHES})
    argument = {side: f"{PARENT}/jobs/{side}" for side in ("left", "right")}
    begun = server.post(f"/v1/{PARENT}/workflows/both/executions", {"argument": json.dumps(argument)})
    return str(begun["name"])


def starts(folder: Path) -> list[tuple[str, int, int]]:
    file = folder / "starts"
    lines = file.read_text().splitlines() if file.exists() else []
    return [(name, int(attempt), int(pid)) for name, attempt, pid in map(str.split, lines)]


def final(server: ServerProcess, execution: str) -> Any:
    def ended() -> Any:
        found = server.get(f"/v1/{execution}")
        return found if found["state"] != "ACTIVE" else None

    return until(ended)


def assert_taken_up(server: ServerProcess, folder: Path, execution: str) -> None:
    """The four tasks that a former server started go on, and none was started anew."""
    (folder / "go").touch()
    assert final(server, execution)["state"] == "SUCCEEDED"
    assert len(starts(folder)) == 4


def is_cancelled(server: ServerProcess, execution: str) -> bool:
    return bool(server.get(f"/v2/{execution}").get("cancelledCount") == 2)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, ProcessLookupError):
        return False


@pytest.mark.slow
def test_three_kills_of_the_server_start_no_task_anew(server: ServerProcess, tmp_path: Path) -> None:
    deploy(server, tmp_path, "left", "right")
    execution = begin_workflow(server)
    until(lambda: len(starts(tmp_path)) == 4)
    for _ in range(3):
        server.kill()
        server.restart()
        assert server.get(f"/v1/{execution}")["state"] == "ACTIVE"
    (tmp_path / "go").touch()
    found = final(server, execution)
    assert (found["state"], json.loads(found["result"])) == ("SUCCEEDED", [2, 2])
    assert sorted((name, attempt) for name, attempt, _ in starts(tmp_path)) == [
        ("left-0", 0), ("left-1", 0), ("right-0", 0), ("right-1", 0),
    ]  # fmt: skip
    for side in ("left", "right"):
        assert len(server.get(f"/v2/{PARENT}/jobs/{side}/executions")["executions"]) == 1


@pytest.mark.slow
def test_tasks_that_end_while_no_server_runs_are_not_run_again(server: ServerProcess, tmp_path: Path) -> None:
    deploy(server, tmp_path, "left", "right")
    execution = begin_workflow(server)
    until(lambda: len(starts(tmp_path)) == 4)
    server.kill()
    (tmp_path / "go").touch()
    until(lambda: not any(is_alive(pid) for _, _, pid in starts(tmp_path)))
    server.restart()
    assert final(server, execution)["state"] == "SUCCEEDED"
    assert len(starts(tmp_path)) == 4


@pytest.mark.slow
def test_a_killed_supervisor_loses_its_tasks_and_they_are_repeated_without_charge(
    server: ServerProcess, tmp_path: Path
) -> None:
    deploy(server, tmp_path, "left", "right")
    execution = begin_workflow(server)
    first = until(lambda: started if len(started := starts(tmp_path)) == 4 else None)
    os.kill(server.supervisor_pid(), signal.SIGKILL)
    until(lambda: len(starts(tmp_path)) == 8)
    assert not any(is_alive(pid) for _, _, pid in first)
    (tmp_path / "go").touch()
    assert final(server, execution)["state"] == "SUCCEEDED"
    assert sorted((name, attempt) for name, attempt, _ in starts(tmp_path)[4:]) == [
        ("left-0", 1), ("left-1", 1), ("right-0", 1), ("right-1", 1),
    ]  # fmt: skip


@pytest.mark.slow
def test_a_stopped_server_ends_its_tasks_and_the_next_one_runs_them_again(
    server: ServerProcess, tmp_path: Path
) -> None:
    deploy(server, tmp_path, "left", "right")
    execution = begin_workflow(server)
    first = until(lambda: started if len(started := starts(tmp_path)) == 4 else None)
    assert server.stop() == 0
    assert not any(is_alive(pid) for _, _, pid in first)
    (tmp_path / "go").touch()
    server.restart()
    assert final(server, execution)["state"] == "SUCCEEDED"
    assert len(starts(tmp_path)) == 8


@pytest.mark.slow
def test_a_server_that_leaves_its_tasks_is_stopped_without_them_and_the_next_one_takes_them_up(
    tmp_path: Path,
) -> None:
    server = ServerProcess(tmp_path / "state", flags=["--leave-tasks"]).start()
    try:
        deploy(server, tmp_path, "left", "right")
        execution = begin_workflow(server)
        first = until(lambda: started if len(started := starts(tmp_path)) == 4 else None)
        assert server.stop() == 0
        assert all(is_alive(pid) for _, _, pid in first)
        server.restart()
        assert_taken_up(server, tmp_path, execution)
    finally:
        server.stop()


@pytest.mark.slow
def test_tasks_are_taken_up_after_the_directories_of_the_session_that_began_them_are_gone(
    tmp_path: Path,
) -> None:
    session = Path(tempfile.mkdtemp(prefix="jubako-"))  # short, as those of sessions are
    server = ServerProcess(session / "state", environment={"XDG_RUNTIME_DIR": str(session / "run")})
    (session / "run").mkdir()
    try:
        server.start()
        deploy(server, tmp_path, "left", "right")
        execution = begin_workflow(server)
        until(lambda: len(starts(tmp_path)) == 4)
        server.kill()
        shutil.rmtree(session / "run")
        server.restart()
        assert_taken_up(server, tmp_path, execution)
    finally:
        server.stop()
        shutil.rmtree(session)


@pytest.mark.slow
def test_cancelling_a_workflow_ends_every_process_it_started(server: ServerProcess, tmp_path: Path) -> None:
    deploy(server, tmp_path, "left", "right")
    execution = begin_workflow(server)
    first = until(lambda: started if len(started := starts(tmp_path)) == 4 else None)
    assert server.post(f"/v1/{execution}:cancel")["state"] == "CANCELLED"
    until(lambda: not any(is_alive(pid) for _, _, pid in first), 15.0)
    for side in ("left", "right"):
        (found,) = server.get(f"/v2/{PARENT}/jobs/{side}/executions")["executions"]
        until(partial(is_cancelled, server, found["name"]))
    with pytest.raises(ApiError, match="CANCELLED"):
        server.post(f"/v1/{execution}:cancel")


@pytest.mark.slow
def test_a_run_whose_reply_was_lost_is_found_by_its_key_after_the_crash(
    server: ServerProcess, tmp_path: Path
) -> None:
    deploy(server, tmp_path, "left")
    (tmp_path / "go").touch()
    path = f"/v2/{PARENT}/jobs/left:run"
    first = server.post(path, Idempotency_Key="once")
    server.kill()
    server.restart()
    assert server.post(path, Idempotency_Key="once")["name"] == first["name"]
    with pytest.raises(ApiError, match="ABORTED"):
        server.post(path, {"overrides": {"taskCount": 1}}, Idempotency_Key="once")
    assert len(server.get(f"/v2/{PARENT}/jobs/left/executions")["executions"]) == 1
