"""Virtual time: jumps to the next thing that is due when nothing real is under way, or as far as somebody says.

1. A jump is durable before anything sees it, so a restart never goes back behind a time that was told.
2. What is due on the way is done on the way, one instant after the other, each settled before the next: so a workflow
   runs as it would by a real clock, and writes the same journal.
3. Only what people wait for is jumped to: durable timers and waiting connector calls. The server's own housekeeping
   comes along.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from jubako.core.clock import Clock
from jubako.core.errors import FailedPrecondition
from jubako.runtime.virtual import VirtualClock
from jubako.store import facts
from jubako.store.port import Store, Tx

AHEAD = "clock.ahead"
"""Fact: by how many microseconds the clock is ahead."""
_MICRO = timedelta(microseconds=1)
LOOK = timedelta(milliseconds=1)
"""How long nothing may have changed before time moves."""
PAUSE = timedelta(milliseconds=20)
"""Between two looks while something real is under way."""
PATIENCE = timedelta(seconds=2)
"""How long an advance by hand waits for what is under way before it goes on without it."""


@dataclass(frozen=True, slots=True)
class Probes:
    """What the timekeeper asks about the rest of the server."""

    next_due: Sequence[Callable[[Tx], datetime | None]]
    """When the next thing behind ``tx.now`` is due."""
    is_due: Sequence[Callable[[Tx], bool]]
    """Whether something is due already, and not done."""
    is_real: Sequence[Callable[[Tx], bool]]
    """Whether something runs that takes its own time: tasks."""
    at_rest: Sequence[Callable[[], bool]]
    """Whether nothing is being computed, committed or awaited from outside."""


@dataclass(frozen=True, slots=True)
class _View:
    due: datetime | None
    is_settled: bool
    is_real: bool


class Timekeeper:
    """See the module."""

    def __init__(self, store: Store, clock: VirtualClock, wall: Clock, probes: Probes) -> None:
        self._store = store
        self._clock = clock
        self._wall = wall
        self._probes = probes
        self.runs_by_itself = clock.runs_by_itself
        self._lock = asyncio.Lock()

    async def run(self) -> None:
        """Jump whenever nothing real is under way, until cancelled; at once if time is to stand with people."""
        if not self.runs_by_itself:
            await asyncio.Event().wait()
        with self._store.gather("") as changes:
            while True:
                async with self._lock:
                    is_idle = await self._jump()
                if is_idle:
                    await changes.take()
                    continue
                await self._wall.sleep_until(self._wall.now() + PAUSE)

    async def advance(self, duration: timedelta) -> None:
        """Let ``duration`` pass; return when what is due within it has been done, or waits for something real."""
        async with self._lock:
            target = self._clock.now() + duration
            while True:
                view = await self._settled(PATIENCE)
                if view.due is None or view.due > target:
                    break
                await self._move(view.due)
            await self._move(target)
            await self._settled(PATIENCE)

    async def next_due(self) -> datetime | None:
        """Return to which instant the next jump would go."""
        return (await self._store.read(self._look)).due

    async def _jump(self) -> bool:
        """Jump as often as it goes; return whether nothing is due any more, and not just now something under way."""
        while True:
            view = await self._settled(LOOK * 3)
            if not view.is_settled or view.is_real:
                return False
            if view.due is None:
                return True
            await self._move(view.due)

    async def _settled(self, patience: timedelta) -> _View:
        """Return what is due next, once two looks in succession have found nothing to do - or patience is over."""
        until = self._wall.now() + patience
        quiet = 0
        while True:
            view = await self._store.read(self._look)
            quiet = quiet + 1 if view.is_settled and self._is_at_rest() else 0
            if quiet > 1 or self._wall.now() >= until:
                return replace(view, is_settled=quiet > 1)
            await self._wall.sleep_until(self._wall.now() + LOOK)

    def _look(self, tx: Tx) -> _View:
        probes = self._probes
        dues = [due for probe in probes.next_due if (due := probe(tx)) is not None]
        is_settled = not any(probe(tx) for probe in probes.is_due)
        return _View(min(dues, default=None), is_settled, any(probe(tx) for probe in probes.is_real))

    def _is_at_rest(self) -> bool:
        return all(probe() for probe in self._probes.at_rest)

    async def _move(self, instant: datetime) -> None:
        ahead = max(instant - self._wall.now(), self._clock.ahead)
        await self._store.write(partial(facts.put, name=AHEAD, value=str(ahead // _MICRO)))
        self._clock.move(ahead)


async def ahead_of(store: Store) -> timedelta:
    """Return by how much the clock of this state is ahead of the machine's."""
    return timedelta(microseconds=int(await store.read(partial(facts.get, name=AHEAD)) or 0))


async def refuse_if_ahead(store: Store) -> None:
    """Raise FailedPrecondition if this state has lived through virtual time: by a real clock it would wait for it."""
    ahead = await ahead_of(store)
    if ahead:
        raise FailedPrecondition(
            f"The time of this state is {ahead} ahead of the machine's; start with --clock virtual or manual, or "
            "with another state directory."
        )
