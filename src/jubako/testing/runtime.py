"""A runtime without processes, for tests of engines."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from jubako.core.clock import Clock
from jubako.core.errors import Unavailable
from jubako.runtime.port import AttemptEvent, AttemptSpec, Capabilities, Ended, Reason, Sink, Started


def exited(exit_code: int = 0) -> Callable[[AttemptSpec], Ended | None]:
    """Return an outcome for FakeRuntime: every attempt exits at once with ``exit_code``."""
    return lambda spec: Ended(id=spec.id, time=_UNKNOWN, reason=Reason.EXITED, exit_code=exit_code)


_UNKNOWN = datetime.min  # noqa: DTZ901 - replaced by the clock's time
Outcome = Callable[[AttemptSpec], Ended | None]
"""Called when an attempt starts: how it ends at once, or None: it runs until ``finish``, ``cancel`` or ``lose``."""


class FakeRuntime:
    """See Runtime. Keeps its journal in memory, also across ``disconnect`` and a new ``start``."""

    def __init__(self, clock: Clock, outcome: Outcome | None = None) -> None:
        self._clock = clock
        self.outcome: Outcome = outcome or (lambda _: None)
        self.submitted: list[AttemptSpec] = []
        """Every spec that was new, in order."""
        self.live: dict[str, AttemptSpec] = {}
        self.queued: dict[str, AttemptSpec] = {}
        self._parallelism: dict[str, int] = {}
        self._queues: dict[str, deque[AttemptSpec]] = {}
        self._live_counts: Counter[str] = Counter()
        self._is_starting = False
        self._is_stopping = False
        self._known: set[str] = set()
        self._journal: list[AttemptEvent] = []
        self._delivered = 0
        self._sink: Sink | None = None
        self._delivering: asyncio.Task[None] | None = None
        self._grown = asyncio.Event()
        self._idle = asyncio.Event()
        self._disconnected = asyncio.Event()

    def capabilities(self) -> Capabilities:
        """See Runtime. It has no processes: nothing can escape it, and nothing limits them."""
        return Capabilities(name="fake", tree_kill="process-group", survives_restart=True)

    async def start(self, position: str, sink: Sink) -> None:
        """See Runtime; what ``sink`` raises while catching up is raised here."""
        await self.disconnect()
        self._disconnected.clear()
        self._delivered = int(position or "0")
        self._sink = sink
        await self._deliver(sink)
        self._delivering = asyncio.create_task(self._follow(sink), name="fake.deliver")

    async def submit(self, specs: Sequence[AttemptSpec]) -> None:
        """See Runtime."""
        self._check_connected()
        for spec in specs:
            if spec.id not in self._known:
                self._known.add(spec.id)
                self.submitted.append(spec)
                self.queued[spec.id] = spec
                self._queues.setdefault(spec.group, deque()).append(spec)
                self._parallelism[spec.group] = spec.parallelism
        self._start_ready()

    async def cancel(self, ids: Sequence[str]) -> None:
        """See Runtime; a live attempt ends at once, as if by SIGTERM."""
        self._check_connected()
        for attempt_id in ids:
            if self.queued.pop(attempt_id, None) is not None:
                self._append(Ended(id=attempt_id, time=self._clock.now(), reason=Reason.CANCELLED))
        # The live ones afterwards: their end must not start one that is revoked in the same breath.
        for attempt_id in ids:
            if attempt_id in self.live:
                self.finish(attempt_id, Reason.CANCELLED, term_signal=15)

    async def reconcile(self, started: Sequence[str]) -> None:
        """See Runtime."""
        self._check_connected()
        for attempt_id in started:
            if attempt_id not in self._known:
                self._known.add(attempt_id)
                self._append(Ended(id=attempt_id, time=self._clock.now(), reason=Reason.LOST))

    async def wait_disconnected(self) -> None:
        """See Runtime; if the sink raised, that is raised here."""
        await self._disconnected.wait()
        if self._delivering is not None and self._delivering.done() and not self._delivering.cancelled():
            self._delivering.result()

    async def close(self, *, end_attempts: bool) -> None:
        """See Runtime."""
        await self.disconnect()
        if end_attempts:
            self._known -= self.queued.keys()
            self.queued.clear()
            self._queues.clear()
            self.lose(list(self.live))

    # What tests steer it with

    def finish(
        self,
        attempt_id: str,
        reason: Reason = Reason.EXITED,
        *,
        exit_code: int | None = None,
        term_signal: int | None = None,
        detail: str = "",
    ) -> None:
        """End a live attempt; with no other word it exits with 0."""
        if reason is Reason.EXITED and exit_code is None and term_signal is None:
            exit_code = 0
        self._end(
            Ended(
                id=attempt_id,
                time=self._clock.now(),
                reason=reason,
                exit_code=exit_code,
                term_signal=term_signal,
                detail=detail,
            )
        )

    def lose(self, ids: Iterable[str]) -> None:
        """End live attempts as lost."""
        for attempt_id in ids:
            self.finish(attempt_id, Reason.LOST, detail="lost by the test")

    def forget(self) -> None:
        """Lose all memory without a word, as if somebody deleted its files; break the connection first."""
        for memory in (self.queued, self.live, self._known, self._journal, self._queues, self._live_counts):
            memory.clear()

    async def disconnect(self) -> None:
        """Break the connection, once the sink is not busy; attempts go on."""
        self._sink = None
        if self._delivering is not None:
            self._is_stopping = True
            self._grown.set()
            await asyncio.wait([self._delivering])
            self._is_stopping = False
            self._delivering = None
        self._disconnected.set()

    async def drain(self) -> None:
        """Return when every event so far was delivered."""
        while self._sink is not None and self._delivered < len(self._journal):
            self._idle.clear()
            await self._idle.wait()

    def _check_connected(self) -> None:
        if self._sink is None:
            raise Unavailable("not connected")

    def _start_ready(self) -> None:
        if self._is_starting:  # an attempt that ends at once comes here again from within the loop
            return
        self._is_starting = True
        try:
            while (spec := self._next()) is not None:
                self._start_one(spec)
        finally:
            self._is_starting = False

    def _next(self) -> AttemptSpec | None:
        for group, queue in self._queues.items():
            while queue and queue[0].id not in self.queued:  # cancelled while it waited
                queue.popleft()
            if queue and self._live_counts[group] < self._parallelism[group]:
                return queue.popleft()
        return None

    def _start_one(self, spec: AttemptSpec) -> None:
        del self.queued[spec.id]
        self.live[spec.id] = spec
        self._live_counts[spec.group] += 1
        outcome = self.outcome(spec)
        if outcome is None or outcome.reason is not Reason.NOT_STARTED:
            self._append(Started(id=spec.id, time=self._clock.now(), pid=len(self._journal) + 1))
        if outcome is not None:
            self.finish(
                spec.id,
                outcome.reason,
                exit_code=outcome.exit_code,
                term_signal=outcome.term_signal,
                detail=outcome.detail,
            )

    def _end(self, ended: Ended) -> None:
        spec = self.live.pop(ended.id)
        self._live_counts[spec.group] -= 1
        self._append(ended)
        self._start_ready()

    def _append(self, event: AttemptEvent) -> None:
        self._journal.append(event)
        self._grown.set()

    async def _follow(self, sink: Sink) -> None:
        try:
            while not self._is_stopping:
                await self._grown.wait()
                self._grown.clear()
                if not self._is_stopping:
                    await self._deliver(sink)
        finally:
            self._sink = None
            self._idle.set()
            self._disconnected.set()

    async def _deliver(self, sink: Sink) -> None:
        events = self._journal[self._delivered :]
        if events:
            position = self._delivered + len(events)
            await sink(events, str(position))
            self._delivered = position
        if self._delivered == len(self._journal):
            self._idle.set()
