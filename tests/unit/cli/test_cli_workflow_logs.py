"""Entries of workflows as lines."""

import io
from typing import Any

from jubako.cli.terminal import Terminal
from jubako.cli.workflow_logs import line, place

OUT = Terminal(io.StringIO(), {})


def told(**entry: object) -> str:
    return line({"timestamp": "2026-01-01T00:00:00Z", **entry}, OUT).split(" ", 2)[2].strip()


def test_calls_executions_and_own_logs_are_one_line_each() -> None:
    call = {"@type": "x", "state": "BEGUN", "step": "get", "callee": "http.get"}
    assert told(severity="INFO", jsonPayload={**call, "begun": {"namedArgs": {"url": "u"}}}).endswith(
        'get: http.get begun {"url": "u"}'
    )
    raised = {
        **call,
        "state": "EXCEPTION_RAISED",
        "exceptionRaised": {"callStartTime": "t", "exception": "no"},
    }
    assert told(severity="ERROR", jsonPayload=raised).endswith('exception raised {"exception": "no"}')
    ended = {"@type": "x", "state": "SUCCEEDED", "success": {"result": "1"}}
    assert told(severity="INFO", jsonPayload=ended).endswith('execution succeeded {"result": "1"}')
    assert told(severity="WARNING", textPayload="my own").endswith("my own")


def test_in_one_instant_the_execution_begins_first_and_ends_last() -> None:
    system = {"@type": "type.googleapis.com/google.cloud.workflows.type.ExecutionsSystemLog"}
    early, late = "2026-01-01T00:00:00.2Z", "2026-01-01T00:00:00.225Z"
    entries: list[dict[str, Any]] = [
        {"timestamp": late, "jsonPayload": {**system, "failure": {}}},
        {"timestamp": late, "textPayload": "mine"},
        {"timestamp": late, "jsonPayload": {"@type": "EngineCallLog", "begun": {}}},
        {"timestamp": late, "jsonPayload": {**system, "start": {}}},
        {"timestamp": early, "textPayload": "before"},
    ]
    assert sorted(entries, key=place) == [entries[4], entries[3], entries[1], entries[2], entries[0]]
