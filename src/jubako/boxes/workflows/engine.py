"""The engine of the Workflows box: one runner for each execution that has something to do.

An execution whose runner fails by a bug of ours is tried again a few times, then it is FAILED with a SystemError; the
others never notice.
"""

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from functools import partial

from jubako.boxes.workflows import callback_rows, execution_rows, sleeping
from jubako.boxes.workflows.parts import Parts
from jubako.boxes.workflows.resources import Execution
from jubako.boxes.workflows.runner import STOP_TOPIC, Runner
from jubako.boxes.workflows.states import Event, State, after
from jubako.store.outbox import Deliver
from jubako.store.port import Tx
from jubako.store.timers import Handler as TimerHandler

FAILURES_MAX = 3
PAUSE = timedelta(seconds=1)


class WorkflowsEngine:
    """Drives executions."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._running: dict[str, asyncio.Task[None]] = {}
        self._failures: dict[str, int] = {}

    def timer_handlers(self) -> Mapping[str, TimerHandler]:
        """Return what the timer service must call."""
        return {sleeping.TIMER: sleeping.wake, callback_rows.TIMER: callback_rows.time_out}

    def deliveries(self) -> Mapping[str, Deliver]:
        """Return what the outbox must call."""
        return {STOP_TOPIC: self._parts.performer.stop}

    async def run(self) -> None:
        """Keep a runner for every execution that needs one, until cancelled."""
        try:
            with self._parts.store.watch(execution_rows.TOPIC) as watch:
                while True:
                    for execution in await self._parts.store.read(execution_rows.waiting):
                        self._ensure(execution)
                    await watch.wait()
        finally:
            tasks = list(self._running.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _ensure(self, execution: str) -> None:
        if execution not in self._running:
            task = asyncio.get_running_loop().create_task(self._drive(execution), name=execution)
            self._running[execution] = task

    async def _drive(self, execution: str) -> None:
        try:
            (outcome,) = await asyncio.gather(Runner(execution, self._parts).run(), return_exceptions=True)
            if isinstance(outcome, Exception):
                await self._failed(execution, outcome)
            else:
                self._failures.pop(execution, None)
        finally:
            del self._running[execution]
        if outcome is True:  # it has ended: nothing can come any more
            return
        # Something may have come while this runner was leaving.
        if await self._parts.store.read(partial(execution_rows.needs_engine, execution=execution)):
            self._ensure(execution)

    async def _failed(self, execution: str, error: Exception) -> None:
        failures = self._failures[execution] = self._failures.get(execution, 0) + 1
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
        del self._failures[execution]
        await self._parts.store.write(partial(_give_up, execution=execution))


def _give_up(tx: Tx, execution: str) -> None:
    """End an execution that this program cannot drive."""
    found = execution_rows.by_id(tx, execution)
    state = State(found.state.name)
    if state is State.ACTIVE:
        found.state = Execution.State[after(state, Event.RAISE, found.name)]
        payload = {"message": "SystemError: the execution cannot be continued", "tags": ["SystemError"]}
        found.error = Execution.Error(payload=json.dumps(payload), context=payload["message"])  # type: ignore[arg-type]
        execution_rows.finish(tx, execution_rows.ended(found, tx.now), State.FAILED, needs_engine=False)
    execution_rows.close(tx, execution)
