"""A clock that may run ahead of the machine's: the same seconds, from a later beginning.

Between two moves it goes as fast as the machine's, so whatever really happens meanwhile - a request, a task - lasts as
long as it lasts. It never goes back.
"""

import asyncio
from datetime import datetime, timedelta

from jubako.core.clock import Clock

NAP = timedelta(seconds=60)
"""At most so long it sleeps without a look at the machine's clock, which may be set."""


class VirtualClock:
    """See Clock."""

    def __init__(self, wall: Clock, *, runs_by_itself: bool) -> None:
        """``runs_by_itself``: whether it is to be moved over waits without anybody saying so."""
        self._wall = wall
        self.runs_by_itself = runs_by_itself
        self._ahead = timedelta()
        self._moved = asyncio.Event()

    @property
    def ahead(self) -> timedelta:
        """By how much it is ahead of the machine's clock."""
        return self._ahead

    def move(self, ahead: timedelta) -> None:
        """Have it be ahead by so much from now on, if that is more than before; sleepers that are due wake."""
        if ahead > self._ahead:
            self._ahead = ahead
            self._moved.set()
            self._moved = asyncio.Event()

    def shifted(self, instant: datetime) -> datetime:
        """Return what this clock showed when the machine's showed ``instant``, unless it was moved since."""
        return instant + self._ahead

    def now(self) -> datetime:
        """See Clock."""
        return self._wall.now() + self._ahead

    async def sleep_until(self, deadline: datetime) -> None:
        """See Clock."""
        await asyncio.sleep(0)
        while (left := deadline - self.now()) > timedelta():
            moved = self._moved
            slept = asyncio.ensure_future(self._wall.sleep_until(self._wall.now() + min(left, NAP)))
            woken = asyncio.ensure_future(moved.wait())
            try:
                await asyncio.wait((slept, woken), return_when=asyncio.FIRST_COMPLETED)
            finally:
                slept.cancel()
                woken.cancel()
