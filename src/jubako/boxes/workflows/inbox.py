"""What comes to a running execution: outcomes, the news that it was cancelled, and failures of our own."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from jubako.boxes.workflows.seat import Outcome
from jubako.core.clock import Clock


class Stopped(Exception):
    """The execution is not active any more: somebody cancelled it."""


@dataclass(frozen=True, slots=True)
class Item:
    """An outcome; ``arrived`` if it came through the arrivals table and is to be removed there."""

    outcome: Outcome
    arrived: bool = False


class Inbox:
    """Collects items until they are taken; a failure ends the wait at once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._items: list[Item] = []
        self._failure: Exception | None = None
        self._changed = asyncio.Event()

    def put(self, item: Item) -> None:
        """Add an outcome."""
        self._items.append(item)
        self._changed.set()

    def end(self, reason: Exception) -> None:
        """Have this and every later ``take`` raise ``reason``."""
        self._failure = reason
        self._changed.set()

    async def take(self, patience: timedelta | None) -> list[Item]:
        """Return all that is there, waiting for the first; nothing if ``patience`` ran out (None: endless).

        Raises:
            Exception: Whatever ``end`` was given.

        """
        if not self._changed.is_set():
            await self._wait(patience)
        self._changed.clear()
        if self._failure is not None:
            self._changed.set()
            raise self._failure
        items, self._items = self._items, []
        return items

    async def _wait(self, patience: timedelta | None) -> None:
        if patience is None:  # the usual case, and it needs no tasks
            await self._changed.wait()
            return
        changed = asyncio.ensure_future(self._changed.wait())
        slept = asyncio.ensure_future(self._clock.sleep_until(self._clock.now() + patience))
        try:
            await asyncio.wait((changed, slept), return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
            slept.cancel()
