"""Deleting a workflow of many executions, and removing what ended long ago: in portions, and through crashes."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from jubako.boxes.workflows import cleaning
from jubako.boxes.workflows.cleaning import Cleaner
from jubako.boxes.workflows.resources import DeleteWorkflowRequest, Execution
from jubako.core.errors import NotFound
from jubako.identity.access import LOCAL
from jubako.store.port import Tx
from jubako.wire import operations
from jubako.wire.google_types import Operation

WORKFLOW = "projects/p/locations/l/workflows/w"
SLEEPS = "- a: {call: sys.sleep, args: {seconds: 100000}}\n- b: {return: 1}"
MANY = cleaning.PORTION * 2 + 7


@pytest.fixture
def cleaner(house: Any) -> Cleaner:
    """One that does not run yet."""
    return Cleaner(house.store, house.clock)


async def delete(house: Any) -> Operation:
    operation: Operation = await house.workflows.delete(DeleteWorkflowRequest(name=WORKFLOW), LOCAL)
    return operation


def states(tx: Tx) -> dict[str, int]:
    return dict(tx.all("SELECT state, COUNT(*) FROM workflow_executions GROUP BY state"))


async def ended(house: Any, name: str) -> Operation:
    with house.store.watch(operations.topic(name)) as watch:
        while not (found := await house.store.read(lambda tx: operations.get(tx, name, {}))).done:
            await asyncio.wait_for(watch.wait(), 10)
    operation: Operation = found
    return operation


async def test_many_executions_are_cancelled_in_portions_and_the_operation_ends_with_the_last(
    house: Any, cleaner: Cleaner
) -> None:
    await house.deploy(SLEEPS)
    await asyncio.gather(*(house.begin() for _ in range(MANY)))
    operation = await delete(house)
    assert not operation.done
    assert (await house.store.read(states))["CANCELLED"] == cleaning.PORTION
    with pytest.raises(NotFound):
        await house.begin()
    await house.restart()  # whoever deletes may die; the row goes on
    running = asyncio.create_task(cleaner.run())
    done = await ended(house, operation.name)
    running.cancel()
    assert done.error is None
    assert done.metadata is not None
    assert done.metadata["endTime"]
    assert await house.store.read(states) == {"CANCELLED": MANY}
    assert await house.store.read(lambda tx: tx.one("SELECT number FROM workflow_active")) == (0,)


async def test_a_workflow_of_few_executions_is_deleted_at_once(house: Any) -> None:
    await house.deploy(SLEEPS)
    execution = await house.begin()
    assert (await delete(house)).done
    assert (await house.get(execution)).state is Execution.State.CANCELLED


async def test_what_ended_long_ago_is_removed_and_what_runs_or_ended_lately_stays(house: Any) -> None:
    await house.deploy("- a: {call: sys.log, args: {text: x}}\n- b: {return: 1}")
    await house.deploy(SLEEPS, "sleeper")
    old = await house.until_final(await house.begin())
    await house.clock.advance(cleaning.RETENTION + timedelta(seconds=1))
    new = await house.until_final(await house.begin())
    waits = await house.begin(name="sleeper")
    assert not await house.store.write(cleaning.sweep_some)
    with pytest.raises(NotFound):
        await house.get(old)
    assert json.loads((await house.get(new)).result) == 1
    assert (await house.get(waits)).state is Execution.State.ACTIVE


async def test_a_long_journal_is_removed_in_portions(house: Any) -> None:
    await house.deploy("- a: {return: 1}")
    old = await house.until_final(await house.begin())
    key = old.name.rpartition("/")[2]
    rows = [(key, number, 0, "{}") for number in range(cleaning.OUTCOMES_PORTION + 5)]
    await house.store.write(
        lambda tx: tx.run_many(
            "INSERT INTO workflow_journal (execution, seq, time, outcome) VALUES (?, ?, ?, ?)", rows
        )
    )
    await house.clock.advance(cleaning.RETENTION + timedelta(seconds=1))
    assert await house.store.write(cleaning.sweep_some)
    assert await house.store.read(lambda tx: tx.one("SELECT COUNT(*) FROM workflow_journal")) == (5,)
    assert not await house.store.write(cleaning.sweep_some)
    with pytest.raises(NotFound):
        await house.get(old)
