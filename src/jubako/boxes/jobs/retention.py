"""What is left of deleted executions: rows of tasks, and output.

1. Deleting an execution takes its row, and nobody can name its tasks from then on. The tasks go afterwards, some rows a
   transaction, because ten thousand rows for each of a thousand executions would stop all writers.
2. A crash in between leaves orphans, which ``sweep`` finds after the next start.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Protocol

from jubako.core.clock import Clock
from jubako.core.errors import JubakoError
from jubako.store.port import Store, Tx

SWEEP_EVERY = timedelta(days=1)
LEFTOVERS_EVERY = timedelta(seconds=1)
"""How often what runs left is removed: together, so that each run does not pay for a transaction of its own."""
ROWS_AT_ONCE = 1_000
"""About how many rows one transaction deletes; it deletes all of one execution."""


class Outputs(Protocol):
    """Where the output of attempts lies."""

    async def owners(self) -> list[str]:
        """Return the uids of the executions of which there is output."""
        ...

    async def remove(self, execution_uids: Iterable[str]) -> None:
        """Remove the output of executions that were deleted; never raises."""
        ...


async def forget(store: Store, outputs: Outputs, execution_uids: Iterable[str]) -> None:
    """Remove what is left of these executions, whose rows are deleted, as far as the disk lets it.

    Never raises: what was asked for is committed by now, and an error would have clients ask for it again. What stays
    is found by ``sweep``.
    """
    uids = list(execution_uids)
    with suppress(JubakoError):
        left: Sequence[str] = uids
        while left:
            left = await store.write(partial(_delete_tasks, left))
    await outputs.remove(uids)


class Leftovers:
    """Executions whose rows went beside a request, and whose rest is to go behind its reply.

    They are known to this process only; after a crash ``sweep`` finds them.
    """

    def __init__(self) -> None:
        self._uids: list[str] = []
        self._woken = asyncio.Event()

    def leave(self, execution_uids: Iterable[str]) -> None:
        """Have them removed soon."""
        self._uids += execution_uids
        if self._uids:
            self._woken.set()

    async def take(self) -> list[str]:
        """Return what was left since the last time, waiting for the first."""
        await self._woken.wait()
        self._woken.clear()
        uids, self._uids = self._uids, []
        return uids


async def keep_clean(store: Store, outputs: Outputs, clock: Clock, leftovers: Leftovers) -> None:
    """Sweep now and once a day, and remove leftovers as they come, until cancelled."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_keep_swept(store, outputs, clock))
        group.create_task(_keep_removing(store, outputs, clock, leftovers))


async def _keep_swept(store: Store, outputs: Outputs, clock: Clock) -> None:
    while True:
        await sweep(store, outputs)
        await clock.sleep_until(clock.now() + SWEEP_EVERY)


async def _keep_removing(store: Store, outputs: Outputs, clock: Clock, leftovers: Leftovers) -> None:
    while True:
        await forget(store, outputs, await leftovers.take())
        await clock.sleep_until(clock.now() + LEFTOVERS_EVERY)


async def sweep(store: Store, outputs: Outputs) -> list[str]:
    """Remove what is left of executions that do not exist, and return their uids; call it after a start."""
    # First what there is, then the executions: one is stored before it writes, so that what is missing by then
    # was deleted.
    found = {*await outputs.owners(), *await store.read(_with_tasks)}
    known = await store.read(_known)
    orphans = sorted(found - known)
    await forget(store, outputs, orphans)
    return orphans


def _delete_tasks(uids: Sequence[str], tx: Tx) -> Sequence[str]:
    """Delete the tasks of the first of these executions, and return those that are left for the next transaction."""
    rows = 0
    for done, uid in enumerate(uids, 1):
        rows += tx.run("DELETE FROM job_attempts WHERE execution_uid = ?", uid)
        rows += tx.run("DELETE FROM job_tasks WHERE execution_uid = ?", uid)
        if rows >= ROWS_AT_ONCE:
            return uids[done:]
    return ()


def _known(tx: Tx) -> set[str]:
    return {str(uid) for (uid,) in tx.all("SELECT uid FROM job_executions")}


def _with_tasks(tx: Tx) -> set[str]:
    """Return the uids in job_tasks by one seek each: a DISTINCT would read millions of rows."""
    found: set[str] = set()
    last = ""
    while (row := tx.one("SELECT MIN(execution_uid) FROM job_tasks WHERE execution_uid > ?", last)) and row[
        0
    ]:
        last = str(row[0])
        found.add(last)
    return found
