"""Running the long-lived loops: one that fails is told, and started again with growing pauses.

A full disk is no failure of a loop: it goes on within a moment of there being room again.

This is one of the two places where any exception is caught (the other is the request handler).
"""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from jubako.core.clock import Clock
from jubako.core.errors import ResourceExhausted
from jubako.core.events import Events

Loop = Callable[[], Awaitable[None]]
PAUSE_MAX = timedelta(seconds=30)
HEALTHY_AFTER = timedelta(minutes=1)
NO_ROOM_PAUSE = timedelta(seconds=1)


async def keep_running(loops: Mapping[str, Loop], clock: Clock, events: Events) -> None:
    """Run every loop until cancelled."""
    async with asyncio.TaskGroup() as group:
        for name, loop in loops.items():
            group.create_task(_keep(name, loop, clock, events), name=name)


async def _keep(name: str, loop: Loop, clock: Clock, events: Events) -> None:
    failures = 0
    while True:
        began = clock.now()
        try:
            await loop()
        except ResourceExhausted as error:
            events.emit("loop.waiting", "ERROR", loop=name, error=error.message)
            await clock.sleep_until(clock.now() + NO_ROOM_PAUSE)
            continue
        except Exception as error:  # noqa: BLE001 - the supervision point of the loops
            events.emit("loop.failed", "ERROR", loop=name, error=repr(error), trace=traceback.format_exc())
        failures = 0 if clock.now() - began > HEALTHY_AFTER else failures + 1
        pause = min(timedelta(seconds=0.1 * 2 ** min(failures, 10)), PAUSE_MAX)
        await clock.sleep_until(clock.now() + pause)
