"""Programs that do what no program should: each execution has its clear outcome, and the API answers meanwhile."""

import re
import shutil
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from jubako.testing.processes import innermost, is_alive
from jubako.testing.server import ServerProcess

MIB = 1 << 20
BOMB = """
import os
while True:
    try:
        if os.fork() == 0 and {is_escaping}:
            os.setsid()
    except BlockingIOError:
        pass
"""
HOG = "held = []\nwhile True: held.append(b'x' * (8 << 20))"
FLOOD = (
    "import os, sys\nline = b'x' * 99 + b'\\n'\nfor _ in range(int(sys.argv[1])): os.write(1, line * 10_486)"
)
DEAF = "trap '' TERM; echo $$ > {file}; while :; do sleep 0.05; done"
STOPS = "echo $$ > {file}; kill -STOP $$"
ESCAPES = "setsid sh -c 'echo $$ > {file}; while :; do sleep 0.05; done' & sleep 3600"


def python(program: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", program]


def completed(execution: Any) -> Any:
    return next(one for one in execution["conditions"] if one["type"] == "Completed")


@pytest.fixture(scope="module", params=["cgroup", "pid-namespace", "subreaper"])
def tree_kill(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def enforced(jobs: Any) -> str:
    """Return what executions say about what is enforced for their tasks."""
    jobs.deploy("says", ["true"])
    conditions = jobs.ended(jobs.run("says"))["conditions"]
    return str(next(one["message"] for one in conditions if one["type"] == "ResourcesAvailable"))


def test_it_says_by_what_trees_are_ended(enforced: str, tree_kill: str) -> None:
    if f"ended by {tree_kill};" not in enforced:
        assert "cannot be had here" in enforced


def needs(limit: str, enforced: str) -> None:
    """Skip what would take the machine along where ``limit`` is not enforced."""
    said = re.search(r"; limits of ([a-z ]+) are enforced", enforced)
    if said is None or limit not in said[1].split(" and "):
        pytest.skip(enforced)


def the_pid(file: Path, until: Any) -> int:
    """Return the pid, as seen from here, of the shell that wrote its own into a file that its command names."""
    own = int(until(lambda: file.exists() and file.read_text()))
    return next(
        int(path.name)
        for path in Path("/proc").glob("[0-9]*")
        if innermost(path) == own and str(file).encode() in (path / "cmdline").read_bytes()
    )


@pytest.mark.parametrize("script", [DEAF, STOPS, ESCAPES], ids=["ignores SIGTERM", "is stopped", "escapes"])
def test_a_time_out_ends_whatever_the_program_does_about_it(
    jobs: Any, until: Any, tmp_path: Path, script: str
) -> None:
    file, name = tmp_path / "pid", f"late-{abs(hash(script)) % 10**6}"
    jobs.deploy(name, ["sh", "-c", script.format(file=file)], timeout="1s")
    operation = jobs.run(name)
    pid = the_pid(file, until)
    jobs.answers_within()
    ended = jobs.ended(operation)
    assert not is_alive(pid)
    assert ended["failedCount"] == 1
    assert completed(ended)["message"].endswith("Task 0 failed first: It was ended at its time-out of 1s.")
    [attempt] = jobs.attempts(operation)
    assert attempt["reason"] == "TIMEOUT"


def test_cancelling_what_ignores_sigterm_is_final_only_when_the_tree_is_gone(
    jobs: Any, until: Any, tmp_path: Path
) -> None:
    file = tmp_path / "pid"
    jobs.deploy("deaf", ["sh", "-c", DEAF.format(file=file)], timeout="600s")
    operation = jobs.run("deaf")
    pid = the_pid(file, until)
    jobs.cancel(operation)
    now = jobs.execution(operation)
    assert (now["reconciling"], completed(now)["executionReason"]) == (True, "CANCELLING")
    assert is_alive(pid)
    jobs.answers_within()
    ended = jobs.ended(operation)
    assert not is_alive(pid)
    assert (ended["cancelledCount"], completed(ended)["executionReason"]) == (1, "CANCELLED")


def test_a_fork_bomb_is_held_and_goes_with_its_execution(jobs: Any, until: Any, enforced: str) -> None:
    needs("pids", enforced)
    jobs.deploy("bomb", python(BOMB.format(is_escaping=False)), timeout="600s")
    jobs.deploy("beside", ["true"], taskCount=5)
    operation = jobs.run("bomb")
    until(lambda: jobs.execution(operation).get("runningCount") == 1)
    assert jobs.ended(jobs.run("beside"))["succeededCount"] == 5
    jobs.answers_within(5.0)
    jobs.cancel(operation)
    assert jobs.ended(operation)["cancelledCount"] == 1
    jobs.answers_within()


def test_a_fork_bomb_whose_every_process_leaves_its_session_goes_with_its_execution(
    jobs: Any, until: Any, enforced: str
) -> None:
    needs("pids", enforced)
    # Such a bomb takes most of the processors as well, so it gets little of them here.
    little = {"resources": {"limits": {"cpu": "500m"}}}
    jobs.deploy("escaping", python(BOMB.format(is_escaping=True)), container=little, timeout="600s")
    operation = jobs.run("escaping")
    until(lambda: jobs.execution(operation).get("runningCount") == 1)
    for _ in range(5):
        jobs.answers_within(5.0)
    jobs.cancel(operation)
    assert jobs.ended(operation)["cancelledCount"] == 1
    jobs.answers_within()


def test_a_memory_hog_is_told_apart_from_a_crash_and_harms_nobody(jobs: Any, enforced: str) -> None:
    needs("memory", enforced)
    limits = {"resources": {"limits": {"memory": "64Mi"}}}
    jobs.deploy("hog", python(HOG), container=limits, maxRetries=1)
    jobs.deploy("crash", ["sh", "-c", "kill -9 $$"])
    hog, crash = jobs.run("hog"), jobs.run("crash")
    ended = jobs.ended(hog)
    assert (ended["failedCount"], ended["retriedCount"]) == (1, 1)
    assert completed(ended)["message"].endswith("It was ended because it used too much memory.")
    assert [attempt["reason"] for attempt in jobs.attempts(hog)] == ["OUT_OF_MEMORY", "OUT_OF_MEMORY"]
    assert completed(jobs.ended(crash))["message"].endswith("It was ended by signal 9.")
    jobs.answers_within()


def test_who_closes_its_output_ends_as_it_ends_and_has_said_nothing(jobs: Any) -> None:
    jobs.deploy("closes", ["sh", "-c", "exec >&- 2>&-; exit 4"])
    operation = jobs.run("closes")
    assert completed(jobs.ended(operation))["message"].endswith("It exited with code 4.")
    assert jobs.attempts(operation)[0]["output"] == "EMPTY"
    jobs.answers_within()


@pytest.mark.parametrize("mebibytes", [50, pytest.param(1_024, marks=pytest.mark.nightly)])
def test_a_flood_of_output_is_kept_whole_and_read_by_pages_while_others_run(
    jobs: Any, mebibytes: int
) -> None:
    name = f"flood-{mebibytes}"
    jobs.deploy(name, [*python(FLOOD), str(mebibytes)], timeout="600s")
    jobs.deploy(f"{name}-beside", ["echo", "short"], taskCount=5)
    operation = jobs.run(name)
    assert jobs.ended(jobs.run(f"{name}-beside"))["succeededCount"] == 5
    jobs.answers_within()
    assert jobs.ended(operation)["succeededCount"] == 1
    lines = mebibytes * 10_486
    assert size(jobs, operation) == lines * 100
    logs = f"/jubako/v1/{operation['metadata']['name']}/logs?pageSize=10"
    page = jobs.server.get(logs)
    following = jobs.server.get(f"{logs}&pageToken={page['nextPageToken']}")
    offsets = [entry["insertId"] for entry in (*page["entries"], *following["entries"])]
    assert offsets == [f"0-0-stdout-{number * 100}" for number in range(20)]
    jobs.answers_within()


def test_no_output_and_lost_output_are_told_apart_after_a_power_cut(tmp_path: Path, make_jobs: Any) -> None:
    with ServerProcess(tmp_path / "state") as server:
        jobs = make_jobs(server)
        jobs.deploy("speaks", ["sh", "-c", "[ $CLOUD_RUN_TASK_INDEX = 1 ] || echo word"], taskCount=3)
        operation = jobs.run("speaks")
        jobs.ended(operation)
    # What was not synced: files that are there with nothing in them, and directories that never came to the disk.
    output = next((tmp_path / "state" / "attempts" / "jobs").iterdir())
    (output / "0-0" / "stdout").write_bytes(b"")
    shutil.rmtree(output / "2-0")
    shutil.rmtree(output / "1-0", ignore_errors=True)
    with ServerProcess(tmp_path / "state") as server:
        jobs = make_jobs(server)
        said = [jobs.attempts(operation, index)[0]["output"] for index in range(3)]
        assert said == ["LOST", "EMPTY", "LOST"]
        found = server.get(f"/jubako/v1/{operation['metadata']['name']}/logs")
        assert [one["taskIndex"] for one in found["lost"]] == [0, 2]


def size(jobs: Any, operation: Any) -> int:
    """Return how many bytes the task wrote, as the API says it."""
    name = operation["metadata"]["name"]
    url = f"{jobs.server.address}/jubako/v1/{name}/tasks/0/logs?alt=media&limit=1"
    with urllib.request.urlopen(url, timeout=60) as answer:
        return int(answer.headers["x-jubako-log-size"])
