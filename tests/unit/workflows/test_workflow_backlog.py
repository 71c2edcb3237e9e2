"""Executions beyond the limit wait for their turn, in order."""

from datetime import timedelta
from typing import Any

import pytest

from jubako.boxes.workflows.backlog import Backlog
from jubako.boxes.workflows.execution_handlers import Executions
from jubako.boxes.workflows.resources import CancelExecutionRequest, DeleteWorkflowRequest, Execution
from jubako.core.errors import ResourceExhausted
from jubako.identity.access import LOCAL

State = Execution.State
SOURCE = "- nap: {call: sys.sleep, args: {seconds: 100}}"


@pytest.fixture
async def narrow(house: Any) -> Any:
    """Two at once, two in the backlog."""
    house.executions = Executions(house.store, house.ids, Backlog(active_max=2, queued_max=2))
    await house.deploy(SOURCE)
    return house


async def states(house: Any, *executions: Execution) -> list[Execution.State]:
    return [(await house.get(execution)).state for execution in executions]


async def test_the_third_waits_and_the_fifth_is_refused(narrow: Any) -> None:
    begun = [await narrow.begin() for _ in range(4)]
    assert [execution.state for execution in begun] == [
        State.ACTIVE,
        State.ACTIVE,
        State.QUEUED,
        State.QUEUED,
    ]
    with pytest.raises(ResourceExhausted):
        await narrow.begin()


async def test_the_longest_queued_begins_when_one_ends(narrow: Any) -> None:
    begun = []
    for _ in range(4):
        begun.append(await narrow.begin())
        await narrow.clock.advance(timedelta(milliseconds=1))
    await narrow.executions.cancel(CancelExecutionRequest(name=begun[0].name), LOCAL)
    assert await states(narrow, *begun) == [State.CANCELLED, State.ACTIVE, State.ACTIVE, State.QUEUED]
    while State.ACTIVE in await states(narrow, *begun) or State.QUEUED in await states(narrow, *begun):
        await narrow.clock.advance(timedelta(seconds=50))
    assert await states(narrow, *begun[1:]) == [State.SUCCEEDED] * 3
    assert (await narrow.begin()).state is State.ACTIVE


async def test_a_queued_one_is_cancelled_without_having_begun(narrow: Any) -> None:
    _, _, third = [await narrow.begin() for _ in range(3)]
    await narrow.executions.cancel(CancelExecutionRequest(name=third.name), LOCAL)
    assert (await narrow.begin()).state is State.QUEUED


async def test_deleting_the_workflow_cancels_the_backlog_too(narrow: Any) -> None:
    begun = [await narrow.begin() for _ in range(4)]
    await narrow.workflows.delete(DeleteWorkflowRequest(name="projects/p/locations/l/workflows/w"), LOCAL)
    assert set(await states(narrow, *begun)) == {State.CANCELLED}
    await narrow.deploy(SOURCE)
    assert [(await narrow.begin()).state for _ in range(3)] == [State.ACTIVE, State.ACTIVE, State.QUEUED]
