"""A clock that stands still until the test moves it."""

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta

_TURNS = 25
"""Turns of the event loop that a woken task gets before time goes on."""


class FakeClock:
    """See Clock; time passes only by ``advance``."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._ticket = itertools.count()
        self._changed = asyncio.Event()

    def now(self) -> datetime:
        """See Clock."""
        return self._now

    async def sleep_until(self, deadline: datetime) -> None:
        """See Clock."""
        if deadline <= self._now:
            await asyncio.sleep(0)
            return
        sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (deadline, next(self._ticket), sleeper))
        self._changed.set()
        await sleeper

    @property
    def deadlines(self) -> list[datetime]:
        """For what instants somebody sleeps, the earliest first."""
        return sorted(deadline for deadline, _, sleeper in self._sleepers if not sleeper.done())

    async def advance(self, duration: timedelta) -> None:
        """Let ``duration`` pass: sleepers wake in the order of their deadlines, each at its own instant.

        Who was woken runs before time goes on, so one that sleeps again within ``duration`` wakes again.
        """
        target = self._now + duration
        await _turn()
        while self._sleepers and self._sleepers[0][0] <= target:
            deadline, _, sleeper = heapq.heappop(self._sleepers)
            self._now = max(self._now, deadline)
            if not sleeper.done():
                sleeper.set_result(None)
                await _turn()
        self._now = target

    async def wait_for_sleepers(self, count: int) -> None:
        """Return when at least ``count`` tasks sleep; give it a deadline with ``asyncio.timeout``."""
        while len(self.deadlines) < count:
            self._changed.clear()
            await self._changed.wait()


async def _turn() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)
