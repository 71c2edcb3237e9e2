"""Events kept for a test to look at and to wait for."""

import asyncio
from dataclasses import dataclass, field

from jubako.core.events import Severity


@dataclass(frozen=True, slots=True)
class Recorded:
    """One event."""

    name: str
    severity: Severity
    fields: dict[str, object] = field(default_factory=dict)


class RecordedEvents:
    """See Events; keeps all."""

    def __init__(self) -> None:
        self.all: list[Recorded] = []
        self._emitted = asyncio.Event()

    def emit(self, name: str, severity: Severity = "INFO", **fields: object) -> None:
        """See Events."""
        self.all.append(Recorded(name, severity, fields))
        self._emitted.set()

    def named(self, name: str) -> list[Recorded]:
        """Return the events called ``name``, in order."""
        return [event for event in self.all if event.name == name]

    async def wait_for(self, name: str, count: int = 1) -> Recorded:
        """Return the ``count``-th event called ``name`` once it was emitted (in this event loop)."""
        while len(self.named(name)) < count:
            self._emitted.clear()
            await self._emitted.wait()
        return self.named(name)[count - 1]
