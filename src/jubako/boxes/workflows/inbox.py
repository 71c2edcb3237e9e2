"""What comes to a running execution: outcomes, the news that there is something to read, and failures of our own."""

import asyncio
from dataclasses import dataclass

from jubako.boxes.workflows.errands import Errand
from jubako.boxes.workflows.seat import Outcome
from jubako.wire.http import HttpResponse


class Stopped(Exception):
    """The execution is not active any more: somebody cancelled it."""


@dataclass(frozen=True, slots=True)
class Item:
    """What came for one effect: its outcome, the reply that it follows from, or that it waits."""

    name: str
    found: Outcome | Errand | HttpResponse | Exception
    arrived: bool = False
    """Whether it came through the arrivals table and is to be removed there."""


class Inbox:
    """Collects items until they are taken; a failure ends the wait at once."""

    def __init__(self) -> None:
        self._items: list[Item] = []
        self._failure: Exception | None = None
        self._is_nudged = False
        self._changed = asyncio.Event()
        self._takers = 0

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits in ``take``, and there is nothing to take."""
        return bool(self._takers) and not self._changed.is_set()

    def put(self, item: Item) -> None:
        """Add what came for an effect."""
        self._items.append(item)
        self._changed.set()

    def nudge(self) -> None:
        """Tell that the store has news of this execution."""
        self._is_nudged = True
        self._changed.set()

    @property
    def is_nudged(self) -> bool:
        """Whether ``take_nudge`` would say so."""
        return self._is_nudged

    def stir(self) -> None:
        """Have ``take`` return, even if nothing has come."""
        self._changed.set()

    def end(self, reason: Exception) -> None:
        """Have this and every later ``take`` raise ``reason``."""
        self._failure = reason
        self._changed.set()

    def take_nudge(self) -> bool:
        """Return whether there was a nudge since the last call."""
        was_nudged, self._is_nudged = self._is_nudged, False
        return was_nudged

    async def take(self) -> list[Item]:
        """Return all that is there, waiting for the first, for a nudge or for ``stir``.

        Raises:
            Exception: Whatever ``end`` was given.

        """
        self._takers += 1
        try:
            await self._changed.wait()
        finally:
            self._takers -= 1
        if self._failure is not None:
            raise self._failure
        self._changed.clear()
        items, self._items = self._items, []
        return items
