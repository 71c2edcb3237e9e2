"""Call logging: what is told of calls, at which level, once."""

import json
from datetime import timedelta
from typing import Any

import pytest

from jubako.boxes.workflows.resources import (
    CreateExecutionRequest,
    Execution,
    UpdateWorkflowRequest,
    Workflow,
)
from jubako.identity.access import LOCAL
from jubako.wire.http import HttpResponse

PARENT = "projects/p/locations/l/workflows/w"
Level = Execution.CallLogLevel
SOURCE = """
main:
  steps:
    - upper: {call: text.to_upper, args: {source: a}, result: u}
    - inner: {call: sub, args: {n: 1}, result: s}
    - careful:
        try:
          call: http.get
          args: {url: "https://example.com/x", headers: {Authorization: "Bearer secret"}}
        except: {as: e, steps: [{mend: {assign: [{x: 1}]}}]}
    - nap: {call: sys.sleep, args: {seconds: 5}}
    - done: {return: "${s}"}
sub:
  params: [n]
  steps:
    - give: {return: "${n + 1}"}
"""


async def entries(house: Any) -> list[dict[str, Any]]:
    """Return the payloads of the engine's log, in order."""
    sql = "SELECT document FROM log_entries WHERE log_id = 'workflows.googleapis.com%2Fengine_call' ORDER BY time"
    rows = await house.store.read(lambda tx: tx.all(sql))
    return [json.loads(row[0])["jsonPayload"] for row in rows]


async def ran(house: Any, level: Level, *, crash: bool = False) -> list[dict[str, Any]]:
    house.cloud.answers.append(HttpResponse(status=503, headers={}, body=b"no"))
    house.cloud.is_silent = crash
    await house.deploy(SOURCE)
    given = Execution(call_log_level=level)
    begun = await house.executions.create(CreateExecutionRequest(parent=PARENT, execution=given), LOCAL)
    await house.until_requests(1)
    if crash:
        await house.stop()
        house.cloud.is_silent = False
        house.cloud.answers.clear()
        house.start()
    while (await house.get(begun)).state is Execution.State.ACTIVE:
        await house.clock.advance(timedelta(seconds=1))
    assert (await house.get(begun)).result == "2"
    return await entries(house)


def told(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return sorted((entry["step"], entry["state"]) for entry in found)


async def test_all_calls_are_told_with_arguments_and_answers(house: Any) -> None:
    found = await ran(house, Level.LOG_ALL_CALLS)
    assert told(found) == [
        ("careful", "BEGUN"),
        ("careful", "EXCEPTION_HANDLED"),
        ("careful", "EXCEPTION_RAISED"),
        ("inner", "BEGUN"),
        ("inner", "SUCCEEDED"),
        ("nap", "BEGUN"),
        ("nap", "SUCCEEDED"),
        ("upper", "BEGUN"),
        ("upper", "SUCCEEDED"),
    ]
    by = {(entry["step"], entry["state"]): entry for entry in found}
    assert by["inner", "BEGUN"]["begun"] == {"namedArgs": {"n": 1}}
    assert by["inner", "SUCCEEDED"]["succeeded"]["response"] == "2"
    assert by["inner", "SUCCEEDED"]["callee"] == "sub"
    assert by["upper", "BEGUN"]["begun"] == {"namedArgs": {"source": "a"}}
    assert by["upper", "SUCCEEDED"]["succeeded"]["response"] == '"A"'
    assert by["careful", "BEGUN"]["begun"]["namedArgs"]["headers"] == {"Authorization": "REDACTED"}
    assert "503" in by["careful", "EXCEPTION_RAISED"]["exceptionRaised"]["exception"]
    assert by["nap", "SUCCEEDED"]["succeeded"]["callStartTime"] < by["nap", "SUCCEEDED"]["activityTime"]


async def test_errors_alone_are_told_if_they_alone_are_wanted(house: Any) -> None:
    found = await ran(house, Level.LOG_ERRORS_ONLY)
    assert told(found) == [("careful", "EXCEPTION_HANDLED"), ("careful", "EXCEPTION_RAISED")]


@pytest.mark.parametrize("level", [Level.LOG_NONE, Level.CALL_LOG_LEVEL_UNSPECIFIED])
async def test_nothing_is_told_unless_it_is_wanted(house: Any, level: Level) -> None:
    assert await ran(house, level) == []


async def test_a_restart_tells_nothing_twice(house: Any) -> None:
    found = told(await ran(house, Level.LOG_ALL_CALLS, crash=True))
    assert len(found) == len(set(found)) == 8  # its answer never came; it was made again, and answered well
    assert ("careful", "SUCCEEDED") in found


async def test_the_workflows_level_holds_unless_the_execution_says_another(house: Any) -> None:
    await house.deploy("[{a: {call: sys.now}}]")
    given = Workflow(name=PARENT, call_log_level=Workflow.CallLogLevel.LOG_ALL_CALLS)
    await house.workflows.update(
        UpdateWorkflowRequest(workflow=given, update_mask=("call_log_level",)), LOCAL
    )
    begun = await house.begin()
    assert begun.call_log_level is Level.LOG_ALL_CALLS
    await house.until_final(begun)
    assert told(await entries(house)) == [("a", "BEGUN"), ("a", "SUCCEEDED")]


async def test_a_computed_call_that_waits_for_an_argument_or_fails_is_told_once(house: Any) -> None:
    source = """
    - soon: {call: text.substring, args: {source: "${uuid.generate()}", start: 0, end: 8}, result: a}
    - bad:
        try: {call: text.substring, args: {source: abc, start: 0, end: 8}}
        except: {as: e, steps: [{mend: {assign: [{x: 1}]}}]}
    - done: {return: "${len(a)}"}
    """
    await house.deploy(source)
    given = Execution(call_log_level=Level.LOG_ALL_CALLS)
    begun = await house.executions.create(CreateExecutionRequest(parent=PARENT, execution=given), LOCAL)
    assert (await house.until_final(begun)).result == "8"
    found = await entries(house)
    assert told(found) == [
        ("bad", "BEGUN"),
        ("bad", "EXCEPTION_HANDLED"),
        ("bad", "EXCEPTION_RAISED"),
        ("soon", "BEGUN"),
        ("soon", "SUCCEEDED"),
    ]
    by = {(entry["step"], entry["state"]): entry for entry in found}
    assert len(by["soon", "BEGUN"]["begun"]["namedArgs"]["source"]) == 36
    assert by["bad", "BEGUN"]["begun"] == {"namedArgs": {"source": "abc", "start": 0, "end": 8}}
