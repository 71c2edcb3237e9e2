"""``jubako run jobs logs`` over a real socket."""

import json
from typing import Any

import pytest

EXECUTION = "projects/local/locations/asia-northeast1/jobs/hello/executions/hello-abcde"
TIME = "2026-11-24T06:00:00.5Z"


def entry(task: int, text: str, **more: Any) -> dict[str, Any]:
    return {
        "timestamp": TIME,
        "severity": "DEFAULT",
        "textPayload": text,
        "taskIndex": task,
        "taskAttempt": 0,
    } | more


def page(*entries: dict[str, Any], token: str = "t", **more: Any) -> dict[str, Any]:
    return {
        "entries": list(entries),
        "nextPageToken": token,
        "caughtUp": True,
        "final": True,
        "lost": [],
    } | more


@pytest.fixture
def executed(google: Any, jubako: Any) -> Any:
    jubako("run", "jobs", "deploy", "hello", "--command", "true")
    google.documents["projects/local/locations/asia-northeast1/jobs/hello"]["latestCreatedExecution"] = {
        "name": "hello-abcde"
    }
    google.calls.clear()
    return google


def test_read_prints_every_page_of_the_jobs_last_execution(executed: Any, jubako: Any) -> None:
    executed.log_pages = [page(entry(0, "one"), caughtUp=False), page(entry(1, "two", taskAttempt=2))]
    ran = jubako("run", "jobs", "logs", "read", "hello")
    assert [line.split(" ", 2)[2] for line in ran.out.splitlines()] == ["[0] one", "[1.2] two"]
    assert executed.calls[-1].path == f"/jubako/v1/{EXECUTION}/logs"
    assert executed.calls[-1].query == {"pageToken": "t"}


def test_read_prints_the_newest_entries_of_a_limit_in_the_order_of_time(executed: Any, jubako: Any) -> None:
    executed.log_pages = [page(entry(0, "one"), entry(0, "two"), caughtUp=False), page(entry(0, "three"))]
    ran = jubako("run", "jobs", "logs", "read", "hello", "--limit", "2")
    assert [line.split(" ", 2)[2] for line in ran.out.splitlines()] == ["[0] two", "[0] three"]


def test_read_narrows_down_by_task_attempt_severity_and_stream(executed: Any, jubako: Any) -> None:
    executed.log_pages = [page()]
    flags = ("--task", "3", "--attempt", "0", "--severity", "warning", "--stream", "stderr")
    assert jubako("run", "jobs", "logs", "read", "--execution", "hello-abcde", *flags).code == 0
    assert executed.calls[-1].query == {
        "task": "3",
        "attempt": "0",
        "severity": "WARNING",
        "stream": "stderr",
    }


def test_structured_entries_show_message_fields_and_severity(executed: Any, jubako: Any) -> None:
    structured = {"jsonPayload": {"message": "slow", "seconds": 3}, "severity": "WARNING", "timestamp": TIME}
    executed.log_pages = [page(structured)] * 2
    assert jubako("run", "jobs", "logs", "read", "hello").out.endswith("[0] WARNING slow seconds=3\n")
    as_json = jubako("run", "jobs", "logs", "read", "hello", "--format", "json").out
    assert json.loads(as_json) == [structured]


def test_output_cannot_drive_the_terminal(executed: Any, jubako: Any) -> None:
    executed.log_pages = [page(entry(0, "\x1b[2Jgone"))]
    assert "\x1b" not in jubako("run", "jobs", "logs", "read", "hello").out


def test_tail_goes_on_until_the_execution_is_over(executed: Any, jubako: Any) -> None:
    executed.log_pages = [
        page(entry(0, "one"), final=False),
        page(token="", final=False),
        page(entry(0, "two")),
    ]
    ran = jubako("run", "jobs", "logs", "tail", "hello")
    assert [line.split()[-1] for line in ran.out.splitlines()] == ["one", "two"]
    assert executed.log_pages == []
    assert executed.calls[-1].query == {"pageToken": "t"}


def test_output_that_is_gone_is_told(executed: Any, jubako: Any) -> None:
    executed.log_pages = [page(lost=[{"taskIndex": 4, "taskAttempt": 1}])]
    assert "task 4, attempt 1, is gone" in jubako("run", "jobs", "logs", "read", "hello").err


def test_a_job_that_was_never_executed_has_no_logs(google: Any, jubako: Any) -> None:
    jubako("run", "jobs", "deploy", "hello", "--command", "true")
    ran = jubako("run", "jobs", "logs", "read", "hello")
    assert ran.code == 1
    assert "not been executed" in ran.err
    assert jubako("run", "jobs", "logs", "read").code == 2
