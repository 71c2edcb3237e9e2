"""How far a reception is, as server-sent events.

    event: progress
    data: {"state": "RUNNING", "progress": 0.42, "branches": {...}, "secondsLeft": 31.0}

1. ``progress`` never goes back: what a stream has told it does not take back, and it counts results that exist.
2. ``secondsLeft`` is what the results since the stream began say about the rest; null until there are any.
3. The last event is ``end``, with the final state and the reason. A stream that breaks may simply be asked for anew.

The form is that of the HTML standard, "Server-sent events"; a comment keeps idle connections open.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

from jubako_apps.telop import receptions
from jubako_apps.telop.desk import FINAL, Status
from jubako_apps.telop.receptions import Reception
from jubako_sdk import Sink

LOOK_S: Final = 1.0
IDLE_LOOKS: Final = 15
"""After so many looks without news a comment is sent."""


class Estimate:
    """The time that is left, from how fast results have come since the first look; times in seconds."""

    def __init__(self) -> None:
        self._first: tuple[float, float] | None = None
        self._told = 0.0

    def monotone(self, progress: float) -> float:
        """Return the progress, never less than before."""
        self._told = max(self._told, progress)
        return self._told

    def seconds_left(self, now: float, progress: float) -> float | None:
        """Return what is left at the pace so far; None until there is a pace."""
        if self._first is None:
            self._first = (now, progress)
        since, start = self._first
        if progress >= 1:
            return 0.0
        if progress <= start or now <= since:
            return None
        return round((1 - progress) * (now - since) / (progress - start), 1)


async def telling(
    place: Sink,
    reception: Reception,
    settled: Callable[[], Awaitable[Status]],
    look_s: float = LOOK_S,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[str]:
    """Yield events until the reception has ended."""
    estimate, before, idle = Estimate(), "", 0
    while True:
        status = await settled()
        counts = await asyncio.to_thread(receptions.branches, place, reception)
        progress = estimate.monotone(receptions.progress(counts))
        left = estimate.seconds_left(clock(), progress)
        seen = {"state": status.state, "progress": progress, "branches": counts}
        key = json.dumps(seen)
        if key != before:
            yield _event("progress", seen | {"secondsLeft": left})
            before, idle = key, 0
        if status.state in FINAL:
            yield _event("end", {"state": status.state, "reason": status.reason})
            return
        idle += 1
        if idle % IDLE_LOOKS == 0:
            yield ": still there\n\n"
        await asyncio.sleep(look_s)


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
