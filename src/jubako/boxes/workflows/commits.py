"""Makes the turns of all executions durable: those that come while some are being written share the next transaction.

A turn alone takes a savepoint, three statements and a hand-over to the writer's thread; of many together the states are
looked up at once and the journals appended with few statements.
"""

import asyncio
from collections.abc import Sequence
from functools import partial

from jubako.boxes.workflows import execution_rows
from jubako.boxes.workflows.inbox import Stopped
from jubako.boxes.workflows.turns import Commit
from jubako.core.faults import Faults
from jubako.core.timestamps import to_micros
from jubako.store.port import Store, Tx
from jubako.telemetry import log_rows

GROUP_MAX = 256
"""Turns of one transaction: others want to write too."""
UNDER_WAY_MAX = 2
"""Transactions at once: while the disk has one, the next one is got ready."""

_Waiting = tuple[Commit, "asyncio.Future[bool]"]


class Commits:
    """Takes turns, one at a time of each execution."""

    def __init__(self, store: Store, faults: Faults) -> None:
        self._store = store
        self._faults = faults
        self._waiting: list[_Waiting] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, commit: Commit) -> "asyncio.Future[bool]":
        """Return what will say, once the turn is durable, whether the execution is out of the engine's hands.

        It raises Stopped if the execution was cancelled meanwhile; nothing of the turn was kept then.
        """
        durable: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((commit, durable))
        if len(self._tasks) < UNDER_WAY_MAX:
            self._begin()
        return durable

    async def close(self) -> None:
        """Wait for nothing any more; what is being written may be kept or not."""
        self._waiting.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self) -> None:
        group, self._waiting = self._waiting[:GROUP_MAX], self._waiting[GROUP_MAX:]
        task = asyncio.get_running_loop().create_task(self._write(group))
        self._tasks.add(task)
        task.add_done_callback(self._written)

    def _written(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._waiting:
            self._begin()

    async def _write(self, group: Sequence[_Waiting]) -> None:
        try:
            found = await self._store.write(
                partial(write, commits=[commit for commit, _ in group], faults=self._faults)
            )
        except Exception as error:  # noqa: BLE001 - it is handed to whom it belongs to
            await self._fail(group, error)
            return
        for (_, durable), has_left in zip(group, found, strict=True):
            if durable.done():  # its runner was cancelled
                continue
            if has_left is None:
                durable.set_exception(Stopped())
            else:
                durable.set_result(has_left)

    async def _fail(self, group: Sequence[_Waiting], error: Exception) -> None:
        """Let one that fails fail alone."""
        if len(group) > 1:
            for one in group:
                await self._write([one])
        elif not group[0][1].done():
            group[0][1].set_exception(error)


def write(tx: Tx, commits: Sequence[Commit], faults: Faults) -> list[bool | None]:
    """Record turns of different executions; return of each what ``Commit.write`` does, None if it was cancelled."""
    active = execution_rows.active_among(tx, [commit.context.id for commit in commits])
    kept = [commit for commit in commits if commit.context.id in active]
    now = to_micros(tx.now)
    execution_rows.journal(tx, [row for commit in kept for row in commit.journal_rows(now)])
    log_rows.insert(tx, [row for commit in kept for row in commit.log_rows(tx.now)])
    return [commit.write(tx, faults) if commit.context.id in active else None for commit in commits]
