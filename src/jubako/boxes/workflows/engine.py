"""The engine of the Workflows box: one runner for each execution that has something to do.

1. The store says by a topic which execution has news; nothing is searched for, so it costs the same with one execution
   waiting as with a hundred thousand.
2. Executions are taken up in order, and only so many at a time: what is not yet begun is a name in a queue, the first
   of them with what the store told of them.
3. An execution whose runner fails by a bug of ours is tried again a few times, then it is FAILED with a SystemError;
   the others never notice.
"""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from functools import partial

from jubako.boxes.workflows import callback_rows, execution_rows, poll_rows, sleeping
from jubako.boxes.workflows.commits import Commits
from jubako.boxes.workflows.loaded import Loaded
from jubako.boxes.workflows.parts import Parts
from jubako.boxes.workflows.poller import Poller
from jubako.boxes.workflows.resources import Execution
from jubako.boxes.workflows.runner import Runner
from jubako.boxes.workflows.states import Event, State, after
from jubako.boxes.workflows.turns import STOP_TOPIC
from jubako.core.errors import ResourceExhausted
from jubako.store.outbox import Deliver
from jubako.store.port import Tx
from jubako.store.timers import Handler as TimerHandler
from jubako.wire import idempotency

BUSY_MAX = 64
"""Executions that are loaded or computed at the same time; those that await replies do not count."""
TOLD_MAX = 4 * BUSY_MAX
"""Executions of the queue that are kept with what the store told of them; of others only the name is, lest a long queue
fill the memory with their arguments."""
FAILURES_MAX = 3
PAUSE = timedelta(seconds=1)


class WorkflowsEngine:
    """Drives executions."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._commits = Commits(parts.store, parts.faults)
        self.poller = Poller(
            parts.store, parts.clock, parts.performer.calls, parts.events, parts.faults
        )  # a loop beside ``run``
        self._queue: dict[str, Loaded | None] = {}
        """What is to begin, with what the store told of it, if nothing has happened since."""
        self._busy: set[str] = set()
        self._runners: dict[str, Runner] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._failures: dict[str, int] = {}

    def is_at_rest(self) -> bool:
        """Return whether all executions wait for time, callbacks, operations or nothing at all."""
        return not self._queue and all(runner.is_at_rest for runner in self._runners.values())

    @property
    def in_memory(self) -> int:
        """How many executions are in memory."""
        return len(self._runners)

    def timer_handlers(self) -> Mapping[str, TimerHandler]:
        """Return what the timer service must call."""
        return {sleeping.TIMER: sleeping.wake, callback_rows.TIMER: callback_rows.time_out}

    def deliveries(self) -> Mapping[str, Deliver]:
        """Return what the outbox must call."""
        return {STOP_TOPIC: self._parts.performer.stop}

    async def run(self) -> None:
        """Keep a runner for every execution that needs one, until cancelled."""
        try:
            with self._parts.store.gather(execution_rows.READY) as ready:
                self._look_at(dict.fromkeys(await self._parts.store.read(execution_rows.waiting)))
                while True:
                    self._look_at(await ready.take())
        finally:
            self._queue.clear()
            tasks = list(self._tasks.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._commits.close()

    def _look_at(self, executions: Mapping[str, object]) -> None:
        for execution, news in executions.items():
            runner = self._runners.get(execution)
            if runner is not None:
                runner.nudge()
            else:
                has_room = len(self._queue) < TOLD_MAX
                self._queue[execution] = news if has_room and isinstance(news, Loaded) else None
        self._begin()

    def _begin(self) -> None:
        """Begin with what is in the queue as far as there is room."""
        while self._queue and len(self._busy) < BUSY_MAX:
            execution = next(iter(self._queue))
            told = self._queue.pop(execution)
            self._busy.add(execution)
            runner = self._runners[execution] = Runner(
                execution, self._parts, self._commits, partial(self._at_rest, execution), told
            )
            task = asyncio.get_running_loop().create_task(runner.run(), name=execution)
            task.add_done_callback(partial(self._ran, execution, runner))
            self._tasks[execution] = task

    def _at_rest(self, execution: str) -> None:
        if execution in self._busy:
            self._busy.discard(execution)
            self._begin()

    def _ran(self, execution: str, runner: Runner, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self._at_rest(execution)
            failing = asyncio.get_running_loop().create_task(self._failed(execution, error), name=execution)
            failing.add_done_callback(lambda done: self._left(execution, is_wanted=not done.cancelled()))
            self._tasks[execution] = failing
        else:
            self._failures.pop(execution, None)
            # News may have come while the runner was leaving.
            self._left(execution, is_wanted=runner.take_nudge() and not task.cancelled())

    def _left(self, execution: str, *, is_wanted: bool) -> None:
        del self._runners[execution], self._tasks[execution]
        self._busy.discard(execution)
        if is_wanted:
            self._queue[execution] = None
        self._begin()

    async def _failed(self, execution: str, error: Exception) -> None:
        is_full = isinstance(error, ResourceExhausted)  # a full disk is nobody's fault, and may pass
        failures = self._failures[execution] = self._failures.get(execution, 0) + (not is_full)
        self._parts.events.emit(
            "workflow_execution.runner_failed",
            "ERROR",
            execution=execution,
            error=repr(error),
            times=failures,
        )
        if failures < FAILURES_MAX:
            await self._parts.clock.sleep_until(self._parts.clock.now() + PAUSE)
            return
        with suppress(ResourceExhausted):
            await self._parts.store.write(partial(_give_up, execution=execution))
            del self._failures[execution]


def _give_up(tx: Tx, execution: str) -> None:
    """End an execution that this program cannot drive."""
    found = execution_rows.by_id(tx, execution)
    state = State(found.state.name)
    if state is State.ACTIVE:
        found.state = Execution.State[after(state, Event.RAISE, found.name)]
        payload = {"message": "SystemError: the execution cannot be continued", "tags": ["SystemError"]}
        found.error = Execution.Error(payload=json.dumps(payload), context=payload["message"])  # type: ignore[arg-type]
        execution_rows.finish(
            tx, execution_rows.ended(found, tx.now), State.FAILED, was=state, needs_engine=False
        )
    callback_rows.drop_all(tx, execution)
    poll_rows.drop_all(tx, execution)
    idempotency.release(tx, execution)
    execution_rows.close(tx, execution)
