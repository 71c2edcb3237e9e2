"""An over-eager job: of what asks for memory only as much runs at once as fits, and all of it runs in the end."""

from pathlib import Path
from typing import Any

import pytest

from jubako.runtime.supervisor import memory
from jubako.testing.server import PARENT, ApiError

TASKS = 50
SCRIPT = 'echo "+" >> {log}; until [ -e {go} ]; do sleep 0.02; done; echo "-" >> {log}'


def asking(share: float) -> dict[str, Any]:
    """Return a container that asks for this part of what this machine has for tasks."""
    return {"resources": {"limits": {"memory": f"{int(memory.for_attempts() * share) >> 20}Mi"}}}


def most_at_once(log: Path) -> int:
    live = most = 0
    for line in log.read_text().splitlines():
        live += 1 if line == "+" else -1
        most = max(most, live)
    return most


def available(execution: Any) -> str:
    return str(next(one["message"] for one in execution["conditions"] if one["type"] == "ResourcesAvailable"))


def test_tasks_that_ask_for_memory_wait_until_there_is_room_and_others_do_not(
    jobs: Any, until: Any, tmp_path: Path
) -> None:
    log, go = tmp_path / "log", tmp_path / "go"
    command = ["sh", "-c", SCRIPT.format(log=log, go=go)]
    for name in ("eager", "too"):  # memory is one for all executions
        jobs.deploy(name, command, container=asking(0.3), taskCount=TASKS, parallelism=TASKS)
    jobs.deploy("modest", ["true"], taskCount=10)
    operations = [jobs.run("eager"), jobs.run("too")]
    until(lambda: sum(jobs.execution(one).get("runningCount", 0) for one in operations) == 3)
    assert jobs.ended(jobs.run("modest"))["succeededCount"] == 10
    assert sum(jobs.execution(one)["runningCount"] for one in operations if "runningCount" in one) <= 3
    assert "3 fit at once" in available(jobs.execution(operations[0]))
    go.touch()
    for operation in operations:
        assert jobs.ended(operation)["succeededCount"] == TASKS
    assert most_at_once(log) == 3


def test_cancelling_what_waits_for_memory_needs_no_room(jobs: Any, until: Any, tmp_path: Path) -> None:
    command = ["sh", "-c", SCRIPT.format(log=tmp_path / "log", go=tmp_path / "go")]
    for name in ("holds", "waits"):
        jobs.deploy(name, command, container=asking(0.8))
    holds = jobs.run("holds")
    until(lambda: jobs.execution(holds).get("runningCount") == 1)
    waits = jobs.run("waits")
    jobs.cancel(waits)
    assert jobs.ended(waits)["cancelledCount"] == 1
    (tmp_path / "go").touch()
    assert jobs.ended(holds)["succeededCount"] == 1


def test_a_task_that_asks_for_more_than_the_machine_has_is_refused_by_field(jobs: Any) -> None:
    jobs.deploy("huge", ["true"], container=asking(1.1))
    with pytest.raises(ApiError) as refused:
        jobs.run("huge")
    assert (refused.value.http_status, refused.value.status) == (400, "FAILED_PRECONDITION")
    assert "containers[0].resources.limits['memory']: asks for" in refused.value.message
    assert "executions" not in jobs.server.get(f"/v2/{PARENT}/jobs/huge/executions")


def test_unset_parallelism_is_as_many_as_fit_by_cpu_and_memory(jobs: Any, tmp_path: Path) -> None:
    log, go = tmp_path / "log", tmp_path / "go"
    go.touch()
    slow = ["sh", "-c", f"sleep 0.05; {SCRIPT.format(log=log, go=go)}"]
    jobs.deploy("alone", slow, container=asking(0.6), taskCount=5)
    assert jobs.ended(jobs.run("alone"))["succeededCount"] == 5
    assert most_at_once(log) == 1
