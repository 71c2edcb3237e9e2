"""The runtime of the engine's model."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from jubako.runtime.port import AttemptEvent, AttemptSpec, Capabilities, Ended, Reason, Sink, Started

TIME = datetime(2026, 11, 24, tzinfo=UTC)


class PaperRuntime:
    """A runtime whose processes are entries in a dict; the test moves them."""

    def __init__(self) -> None:
        self.queued: dict[str, AttemptSpec] = {}
        self.live: dict[str, AttemptSpec] = {}
        self.seen: set[str] = set()
        self.told_to_end: set[str] = set()
        self.journal: list[AttemptEvent] = []
        self.is_deaf = False
        """The connection is breaking: what is said to it is lost, and nobody is told."""

    def capabilities(self) -> Capabilities:
        return Capabilities(name="paper", tree_kill="process-group", survives_restart=True)

    async def start(self, position: str, sink: Sink) -> None:
        await sink(self.journal[int(position or 0) :], str(len(self.journal)))

    async def submit(self, specs: Sequence[AttemptSpec]) -> None:
        for spec in specs:
            if spec.id not in self.seen and not self.is_deaf:
                self.seen.add(spec.id)
                self.queued[spec.id] = spec

    async def cancel(self, ids: Sequence[str]) -> None:
        for known in () if self.is_deaf else ids:
            if self.queued.pop(known, None):
                self.journal.append(Ended(id=known, time=TIME, reason=Reason.CANCELLED))
            elif known in self.live:
                self.told_to_end.add(known)

    async def reconcile(self, started: Sequence[str]) -> None:
        for known in started:
            if known not in self.live and known not in self.queued:
                self.journal.append(Ended(id=known, time=TIME, reason=Reason.LOST))

    async def wait_disconnected(self) -> None:
        await asyncio.Event().wait()

    async def close(self, *, end_attempts: bool) -> None:
        return

    def start_next(self) -> None:
        for known, spec in list(self.queued.items()):
            if sum(other.group == spec.group for other in self.live.values()) < spec.parallelism:
                self.live[known] = self.queued.pop(known)
                self.journal.append(Started(id=known, time=TIME, pid=1))

    def end(self, known: str, reason: Reason, exit_code: int | None = None) -> None:
        del self.live[known]
        self.journal.append(Ended(id=known, time=TIME, reason=reason, exit_code=exit_code))

    def die(self) -> None:
        """The supervisor is killed: its successor ends what ran, and knows nothing of what waited."""
        for known in list(self.live):
            self.end(known, Reason.LOST)
        self.seen -= self.queued.keys()
        self.queued.clear()
