"""Watching an execution: what tasks tell about their progress, and output of a span of time."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jubako.cli.main import main
from jubako.testing.server import ApiError

WORK = """
import os, pathlib, sys, threading
from jubako_sdk import current_task, progress
task = current_task()
progress(task.index + 1, 10, "ocr")
print("x" * 100_000)
progress(task.index + 2, 10, "ocr")
print('{"progress": "nonsense"}', flush=True)
while not pathlib.Path(sys.argv[1]).exists():
    threading.Event().wait(0.02)
"""
TICK = "echo before; sleep 0.5; echo after"


@pytest.fixture
def jubako(jobs: Any, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def run(*words: str) -> str:
        code = main(["run", "jobs", *words], {"JUBAKO_SERVER": jobs.server.address})
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return captured.out

    return run


def test_what_running_tasks_tell_is_seen_while_they_run(
    jobs: Any, jubako: Any, until: Any, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    command = [sys.executable, "-c", WORK, str(go)]
    jobs.deploy("works", command, taskCount=3, parallelism=3)
    operation = jobs.run("works")
    name = operation["metadata"]["name"]

    def told() -> Any:
        return jobs.server.get(f"/jubako/v1/{name}/progress")["tasks"]

    until(lambda: [task["done"] for task in told()] == [2, 3, 4])
    assert told()[0] == {"taskIndex": 0, "taskAttempt": 0, "stage": "ocr", "done": 2, "total": 10}
    described = jubako("executions", "describe", name.rsplit("/", 1)[1])
    assert "  Progress: ocr 9 of 30\n    task 0: ocr 2 of 10\n" in described
    go.touch()
    assert jobs.ended(operation)["succeededCount"] == 3
    assert told() == []
    assert "Progress" not in jubako("executions", "describe", name.rsplit("/", 1)[1])


def test_output_is_filtered_by_time_task_and_attempt(jobs: Any, jubako: Any) -> None:
    jobs.deploy("ticks", ["sh", "-c", TICK], taskCount=2, parallelism=2)
    operation = jobs.run("ticks")
    name = jobs.ended(operation)["name"]
    logs = f"/jubako/v1/{name}/logs"
    entries = jobs.server.get(logs)["entries"]
    assert [entry["textPayload"] for entry in entries] == ["before", "before", "after", "after"]
    at = entries[2]["timestamp"]

    def texts(query: str) -> list[str]:
        page = jobs.server.get(f"{logs}?{query}")
        assert page["final"]
        return [entry["textPayload"] for entry in page["entries"]]

    assert texts(f"since={at}") == ["after", "after"]
    assert texts(f"until={at}") == ["before", "before"]
    assert texts(f"since={at}&task=1") == ["after"]
    assert texts(f"since={at}&attempt=1") == []
    assert texts("since=2000-01-01T00:00:00Z&until=2001-01-01T00:00:00Z") == []
    short = name.rsplit("/", 1)[1]
    for flags, count in (((), 4), (("--since", at), 2), (("--since", "1h", "--until", at, "--task", "0"), 1)):
        assert len(jubako("logs", "read", "--execution", short, *flags).splitlines()) == count
    with pytest.raises(ApiError) as refused:
        jobs.server.get(f"{logs}?since=yesterday")
    assert "since: 'yesterday' is not an RFC 3339 timestamp." in refused.value.message


LAST_WORD = """
import pathlib, signal, sys
from jubako_sdk import on_stop
on_stop(lambda: pathlib.Path(sys.argv[1] + ".saved").write_text("all"))
pathlib.Path(sys.argv[1]).touch()
while True: signal.pause()
"""


def test_a_task_that_is_cancelled_has_a_last_word(jobs: Any, until: Any, tmp_path: Path) -> None:
    file = tmp_path / "ready"
    jobs.deploy("saves", [sys.executable, "-c", LAST_WORD, str(file)])
    operation = jobs.run("saves")
    until(file.exists)
    jobs.cancel(operation)
    assert jobs.ended(operation)["cancelledCount"] == 1
    assert (tmp_path / "ready.saved").read_text() == "all"
    assert jobs.attempts(operation)[0]["result"]["termSignal"] == 15
