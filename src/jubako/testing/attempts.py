"""A sink for the events of attempts that tests can wait on."""

import asyncio
from collections.abc import Callable, Sequence

from jubako.runtime.port import AttemptEvent, Ended, Started


class CollectedAttempts:
    """Keeps the events it is given and the position behind them; pass it to ``Runtime.start`` as the sink."""

    def __init__(self) -> None:
        self.events: list[AttemptEvent] = []
        self.position = ""
        self.positions: list[str] = []
        self.ends: dict[str, Ended] = {}
        self.starts: dict[str, Started] = {}
        self._came = asyncio.Event()

    async def __call__(self, events: Sequence[AttemptEvent], position: str) -> None:
        """See Sink; an event that comes twice is an error here."""
        for event in events:
            known = self.ends if isinstance(event, Ended) else self.starts
            assert event.id not in known, f"told twice: {event}"
            if isinstance(event, Ended):
                self.ends[event.id] = event
            else:
                self.starts[event.id] = event
            self.events.append(event)
        self.position = position
        self.positions.append(position)
        self._came.set()

    async def ended(self, attempt_id: str) -> Ended:
        """Return how ``attempt_id`` ended, once it has; give it a deadline with ``asyncio.timeout``."""
        await self._until(lambda: attempt_id in self.ends)
        return self.ends[attempt_id]

    async def started(self, attempt_id: str) -> Started:
        """Return the start of ``attempt_id``, once it is told."""
        await self._until(lambda: attempt_id in self.starts)
        return self.starts[attempt_id]

    async def ended_count(self, count: int) -> None:
        """Return once ``count`` attempts have ended."""
        await self._until(lambda: len(self.ends) >= count)

    def live_max(self, ids: set[str]) -> int:
        """Return how many of ``ids`` were live at once, by the order of the events."""
        live = highest = 0
        for event in self.events:
            if event.id in ids and isinstance(event, Started):
                live += 1
            elif event.id in self.starts and event.id in ids:
                live -= 1
            highest = max(highest, live)
        return highest

    async def _until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            self._came.clear()
            await self._came.wait()
