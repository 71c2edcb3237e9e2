"""Takes the next step of the errands that are due; a step is short, and what waits meanwhile is a row.

1. A step may be taken twice (a crash before its result is stored): asking again is harmless, and the call has its key.
2. The end of an operation is told by a topic of the store, which is only a hint; after a start everything that waits
   for one is looked at once.
"""

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial

from jubako.boxes.workflows import execution_rows, poll_rows
from jubako.boxes.workflows.connector_calls import ConnectorCalls
from jubako.boxes.workflows.errands import Errand
from jubako.boxes.workflows.poll_rows import Due
from jubako.boxes.workflows.seat import Outcome, encode_outcome
from jubako.core.clock import Clock
from jubako.core.events import Events
from jubako.core.faults import Faults
from jubako.store.port import Store, Tx
from jubako.wire import operations

AT_ONCE_MAX = 32
PUT_OFF = timedelta(seconds=30)


class Poller:
    """See the module."""

    def __init__(
        self, store: Store, clock: Clock, calls: ConnectorCalls, events: Events, faults: Faults
    ) -> None:
        self._store = store
        self._clock = clock
        self._calls = calls
        self._events = events
        self._faults = faults
        self._under_way: set[tuple[str, str]] = set()

    def is_at_rest(self) -> bool:
        """Return whether no step is being taken."""
        return not self._under_way

    async def run(self) -> None:
        """Take steps as they fall due, until cancelled.

        Raises:
            Exception: The store refused a write; what was due still is.

        """
        self._under_way.clear()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen())
                group.create_task(self._step_all(group))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from failed

    async def _listen(self) -> None:
        with self._store.gather(operations.TOPICS) as ended:
            await self._store.write(poll_rows.hasten_all)
            while True:
                topics = [operations.topic(name) for name in await ended.take()]
                await self._store.write(partial(poll_rows.hasten, topics=topics))

    async def _step_all(self, group: asyncio.TaskGroup) -> None:
        with self._store.watch(poll_rows.TOPIC) as watch:
            while True:
                # One read, so that nothing falls due between two.
                all_due, following = await self._store.read(
                    partial(poll_rows.due_and_next, limit=AT_ONCE_MAX)
                )
                for due in all_due:
                    key = (due.execution, due.path)
                    if key not in self._under_way and len(self._under_way) < AT_ONCE_MAX:
                        self._under_way.add(key)
                        group.create_task(self._step(due))
                await watch.wait_until(self._clock, following)

    async def _step(self, due: Due) -> None:
        (found,) = await asyncio.gather(self._calls.step(due.path, due.errand), return_exceptions=True)
        if isinstance(found, BaseException):  # a bug of ours must not lose the others
            self._events.emit(
                "workflow_poll.failed", "ERROR", execution=due.execution, step=due.path, error=repr(found)
            )
            found = replace(due.errand, due=self._clock.now() + PUT_OFF)
        self._faults.point("workflows.poll.before_commit")
        await self._store.write(partial(_settle, looked=due, found=found))
        # The wake-up of that write has the loop look for more; it does so after this.
        self._under_way.discard((due.execution, due.path))


def _settle(tx: Tx, looked: Due, found: Outcome | Errand) -> None:
    if isinstance(found, Errand):
        poll_rows.wait_on(tx, looked, found)
    elif poll_rows.end(tx, looked):
        execution_rows.arrive(tx, looked.execution, looked.path, encode_outcome(found))
