"""Turns of many executions are made durable together, and each fares as if it were alone."""

import asyncio
import sqlite3
from typing import Any

import pytest

from jubako.boxes.workflows.commits import GROUP_MAX, Commits
from jubako.boxes.workflows.inbox import Stopped
from jubako.boxes.workflows.performer import Context
from jubako.boxes.workflows.resources import CancelExecutionRequest, Execution
from jubako.boxes.workflows.turns import Commit, Turn
from jubako.core.faults import NoFaults
from jubako.identity.access import LOCAL
from jubako.store.port import Tx


def turn_of(execution: Execution, seq: int = 1) -> Commit:
    """Return the commit of one outcome, the ``seq``-th."""
    own = execution.name.rpartition("/")[2]
    context = Context(execution.name, own, "", {})
    return Commit(context, Turn(fed=['{"name":"a","value":1}']), None, seq, None, None, leaves=False)


def journalled(tx: Tx) -> list[str]:
    return [row[0] for row in tx.all("SELECT execution FROM workflow_journal ORDER BY execution")]


@pytest.fixture
async def waiting(house: Any) -> list[Execution]:
    """Executions that wait for time, one more than fit into a group and the one that goes ahead."""
    await house.deploy("- nap: {call: sys.sleep, args: {seconds: 1000}}")
    return [await house.begin() for _ in range(GROUP_MAX + 2)]


async def test_turns_that_come_meanwhile_share_transactions(house: Any, waiting: list[Execution]) -> None:
    commits = Commits(house.store, NoFaults())
    async with asyncio.timeout(20):
        assert not any(await asyncio.gather(*(commits.put(turn_of(one)) for one in waiting)))
    assert len(await house.store.read(journalled)) == len(waiting)


async def test_one_that_fails_or_was_cancelled_takes_no_other_along(
    house: Any, waiting: list[Execution]
) -> None:
    commits = Commits(house.store, NoFaults())
    await commits.put(turn_of(waiting[0]))
    await house.executions.cancel(CancelExecutionRequest(name=waiting[1].name), LOCAL)
    async with asyncio.timeout(20):
        found = await asyncio.gather(
            *(commits.put(turn_of(one)) for one in waiting[2:4]),
            commits.put(turn_of(waiting[0])),  # what is journalled already
            commits.put(turn_of(waiting[1])),
            commits.put(turn_of(waiting[4])),
            return_exceptions=True,
        )
    assert [found[0], found[1], found[4]] == [False] * 3
    assert isinstance(found[2], sqlite3.IntegrityError)
    assert isinstance(found[3], Stopped)
    kept = sorted(waiting[number].name.rpartition("/")[2] for number in (0, 2, 3, 4))
    assert await house.store.read(journalled) == kept


async def test_a_runner_that_is_gone_is_told_nothing(house: Any, waiting: list[Execution]) -> None:
    commits = Commits(house.store, NoFaults())
    gone = commits.put(turn_of(waiting[0]))
    gone.cancel()
    async with asyncio.timeout(20):
        assert await commits.put(turn_of(waiting[1])) is False
    assert len(await house.store.read(journalled)) == 2
    await commits.close()
