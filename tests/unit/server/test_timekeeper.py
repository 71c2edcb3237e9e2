"""Virtual time: what is due is done in its order, each thing at its own instant, and never before what is real."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from jubako.core.errors import FailedPrecondition
from jubako.core.faults import NoFaults
from jubako.runtime.system import SystemClock
from jubako.runtime.virtual import VirtualClock
from jubako.server.timekeeper import Probes, Timekeeper, ahead_of, refuse_if_ahead
from jubako.store import timers
from jubako.store.migrations import load
from jubako.store.port import Tx
from jubako.store.sqlite import SqliteStore
from jubako.store.timers import Timers
from jubako.testing.clock import FakeClock
from jubako.testing.events import RecordedEvents

DAY = timedelta(days=1)


@dataclass
class World:
    """Timers on a virtual clock; ``fired`` are the days on which they did."""

    clock: VirtualClock
    store: SqliteStore
    start: datetime
    fired: list[tuple[str, int]] = field(default_factory=list)
    is_real: bool = False
    is_resting: bool = True

    def fire(self, tx: Tx, timer: timers.Timer) -> None:
        self.fired.append((timer.key, (tx.now - self.start).days))
        if timer.payload:
            timers.schedule(tx, "t", f"{timer.key}+", tx.now + DAY * int(timer.payload))
        tx.wake("fired")

    def keeper(self) -> Timekeeper:
        probes = Probes(
            next_due=[timers.next_due],
            is_due=[timers.is_due],
            is_real=[lambda _tx: self.is_real],
            at_rest=[lambda: self.is_resting],
        )
        return Timekeeper(self.store, self.clock, SystemClock(), probes)

    async def schedule(self, **days: int) -> None:
        def write(tx: Tx) -> None:
            for key, day in days.items():
                timers.schedule(tx, "t", key, self.start + DAY * day, "2" if key == "chain" else "")

        await self.store.write(write)

    async def until_fired(self, count: int) -> None:
        with self.store.watch("fired") as watch:
            async with asyncio.timeout(10):
                while len(self.fired) < count:
                    await watch.wait()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    clock = VirtualClock(SystemClock(), runs_by_itself=True)
    store = SqliteStore(None, clock, load("jubako.store"), NoFaults())
    world = World(clock, store, datetime.now(UTC))
    service = Timers(store, clock, {"t": world.fire}, RecordedEvents(), NoFaults())
    task = asyncio.create_task(service.run())
    yield world
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await store.close()


async def test_everything_that_is_due_happens_on_its_own_day(world: World) -> None:
    await world.schedule(b=300, a=10, chain=20)
    running = asyncio.create_task(world.keeper().run())
    await world.until_fired(4)
    running.cancel()
    assert world.fired == [("a", 10), ("chain", 20), ("chain+", 22), ("b", 300)]


async def test_time_does_not_jump_while_something_real_is_under_way(world: World) -> None:
    world.is_real = True
    await world.schedule(a=10)
    keeper = world.keeper()
    assert not await keeper._jump()
    assert world.fired == []
    world.is_real = False
    running = asyncio.create_task(keeper.run())
    await world.until_fired(1)
    running.cancel()


async def test_an_advance_by_hand_stops_where_it_was_told_to(world: World) -> None:
    await world.schedule(a=10, chain=29, b=40)
    await world.keeper().advance(DAY * 30)
    assert world.fired == [("a", 10), ("chain", 29)]
    assert (world.clock.now() - world.start).days == 30
    await world.keeper().advance(DAY * 30)
    assert world.fired[2:] == [("chain+", 31), ("b", 40)]


async def test_what_never_rests_does_not_hold_an_advance_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jubako.server.timekeeper.PATIENCE", timedelta(milliseconds=20))
    world.is_resting = False
    await world.keeper().advance(DAY * 3)
    assert (world.clock.now() - world.start).days == 3


async def test_the_next_start_goes_on_from_there_and_a_real_clock_is_refused(world: World) -> None:
    await refuse_if_ahead(world.store)
    await world.keeper().advance(DAY * 3)
    assert await ahead_of(world.store) > DAY * 2.99
    with pytest.raises(FailedPrecondition, match="ahead of the machine's"):
        await refuse_if_ahead(world.store)


async def test_the_clock_goes_as_the_machines_does_and_never_back() -> None:
    wall = FakeClock()
    clock = VirtualClock(wall, runs_by_itself=False)
    clock.move(DAY)
    clock.move(timedelta())
    assert clock.now() == wall.now() + DAY
    sleeping = asyncio.create_task(clock.sleep_until(clock.now() + timedelta(seconds=10)))
    await wall.advance(timedelta(seconds=9))
    assert not sleeping.done()
    await wall.advance(timedelta(seconds=1))
    await sleeping
    far = asyncio.create_task(clock.sleep_until(clock.now() + DAY))
    await asyncio.sleep(0)
    clock.move(DAY * 2)
    async with asyncio.timeout(5):
        await far
