"""Whatever an execution waits for, it waits as rows: nothing of it is in memory, and it goes on after a restart."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from jubako.boxes.workflows.connectors import RUN_WORKFLOW
from jubako.boxes.workflows.resources import DeleteWorkflowRequest, Execution
from jubako.core.timestamps import to_micros
from jubako.identity.access import LOCAL
from jubako.store.port import Tx
from jubako.wire.http import HttpResponse

RUN = "googleapis.run.v2.projects.locations.jobs.run"
JOB = "projects/p/locations/l/jobs/j"
CHILD = "- nap: {call: sys.sleep, args: {seconds: 900}}\n- done: {return: 7}"
WAITS = {
    "sleep": "- a: {call: sys.sleep, args: {seconds: 3000}}\n- b: {return: ok}",
    "retry": (
        "- a: {try: {call: http.get, args: {url: 'https://example.com/503'}}, retry: {predicate: '${retry.always}', "
        "max_retries: 1, backoff: {initial_delay: 3000, max_delay: 3000, multiplier: 1}}}\n- b: {return: ok}"
    ),
    "callback": (
        "- a: {call: events.create_callback_endpoint, args: {http_callback_method: GET}, result: c}\n"
        "- b: {try: {call: events.await_callback, args: {callback: '${c}', timeout: 3000}}, "
        "except: {as: e, steps: [{f: {return: ok}}]}}"
    ),
    "operation": f"- a: {{call: {RUN}, args: {{name: {JOB}}}}}\n- b: {{return: ok}}",
    "child": f"- a: {{call: {RUN_WORKFLOW}, args: {{workflow_id: child}}}}\n- b: {{return: ok}}",
}


async def until_parked(house: Any) -> None:
    """Return when the engine has nothing to do for any execution, and holds none."""
    async with asyncio.timeout(10):
        while await house.store.read(needs_engine) or house.engine.in_memory:
            await house.clock.advance(timedelta(0))


def needs_engine(tx: Tx) -> bool:
    busy = tx.one("SELECT 1 FROM workflow_executions WHERE needs_engine = 1")
    return (
        busy is not None
        or tx.one("SELECT 1 FROM workflow_polls WHERE due <= ?", to_micros(tx.now)) is not None
    )


async def until_ended(house: Any, execution: Execution) -> Execution:
    async with asyncio.timeout(20):
        while (found := await house.get(execution)).state is Execution.State.ACTIVE:
            await house.clock.advance(timedelta(seconds=60))
    ended: Execution = found
    return ended


@pytest.mark.parametrize("restarts", [0, 2])
@pytest.mark.parametrize("what", WAITS)
async def test_a_wait_is_rows_and_nothing_in_memory(house: Any, what: str, restarts: int) -> None:
    await house.deploy(CHILD, "child")
    await house.deploy(WAITS[what])
    if what == "retry":
        house.cloud.answers = [HttpResponse(status=503, headers={}, body=b"")]
    execution = await house.begin()
    await until_parked(house)
    assert (await house.get(execution)).state is Execution.State.ACTIVE
    for _ in range(restarts):
        await house.restart()
        await until_parked(house)
    house.cloud.release.set()
    assert json.loads((await until_ended(house, execution)).result) == "ok"
    assert len([url for _, url in house.cloud.requests if url.endswith(":run")]) == (what == "operation")


async def test_an_operation_is_looked_at_as_the_policy_says_and_its_end_is_seen_at_once(house: Any) -> None:
    policy = "connector_params: {polling_policy: {initial_delay: 10, multiplier: 2, max_delay: 100}}"
    await house.deploy(f"- a: {{call: {RUN}, args: {{name: {JOB}, {policy}}}}}\n- b: {{return: ok}}")
    execution = await house.begin()
    await house.until_requests(2)
    await until_parked(house)
    for seconds, looks in ((9, 0), (2, 1), (18, 1), (2, 2), (40, 3), (80, 4), (100, 5)):
        await house.clock.advance(timedelta(seconds=seconds))
        await until_parked(house)
        assert len(house.cloud.requests) == 2 + looks, (seconds, looks)
    await house.release()  # no time passes
    assert json.loads((await house.until_final(execution)).result) == "ok"


async def test_a_wait_ends_with_a_time_out_and_the_operation_goes_on(house: Any) -> None:
    await house.deploy(
        f"- a: {{try: {{call: {RUN}, args: {{name: {JOB}, connector_params: {{timeout: 100}}}}}}, "
        "except: {as: e, steps: [{b: {return: '${e.tags[0]}'}}]}}"
    )
    execution = await house.begin()
    await house.until_requests(2)
    assert json.loads((await until_ended(house, execution)).result) == "TimeoutError"


async def test_nothing_is_left_of_the_waits_of_a_cancelled_execution(house: Any) -> None:
    await house.deploy(CHILD, "child")
    for number, what in enumerate(WAITS):
        await house.deploy(WAITS[what], f"w{number}")
        await house.begin(name=f"w{number}")
    await until_parked(house)
    for number in range(len(WAITS)):
        name = f"projects/p/locations/l/workflows/w{number}"
        await house.workflows.delete(DeleteWorkflowRequest(name=name), LOCAL)
    child = DeleteWorkflowRequest(name="projects/p/locations/l/workflows/child")
    await house.workflows.delete(child, LOCAL)

    tables = (
        "workflow_polls",
        "workflow_callback_waiters",
        "workflow_arrivals",
        "workflow_snapshots",
        "timers",
    )

    def left(tx: Tx) -> list[str]:
        return [table for table in tables if tx.one(f"SELECT 1 FROM {table}") is not None]

    async with asyncio.timeout(10):
        while await house.store.read(left) or await house.store.read(needs_engine):
            await house.clock.advance(timedelta(0))
