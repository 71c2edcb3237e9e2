import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

import pytest

from jubako.store import timers
from jubako.store.migrations import load
from jubako.store.port import Tx
from jubako.store.sqlite import SqliteStore
from jubako.testing.clock import FakeClock
from jubako.testing.events import RecordedEvents
from jubako.testing.faults import Recorder

HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def store(clock: FakeClock) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(None, clock, load("jubako.store"))
    yield store
    await store.close()


class Fired:
    """A handler that keeps what fired, durably: as facts in the same transaction."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.failing: set[str] = set()

    def __call__(self, tx: Tx, timer: timers.Timer) -> None:
        if timer.key in self.failing:
            raise RuntimeError(timer.key)
        self.keys.append(timer.key)
        tx.wake("fired")


def service(store: SqliteStore, clock: FakeClock, fired: Fired, events: RecordedEvents) -> timers.Timers:
    return timers.Timers(store, clock, {"test": fired}, events, Recorder())


async def test_timers_fire_once_in_order_of_their_instants(store: SqliteStore, clock: FakeClock) -> None:
    fired = Fired()
    for key, hours in (("late", 3), ("early", 1), ("year", 24 * 365)):
        await store.write(partial(timers.schedule, kind="test", key=key, due=clock.now() + hours * HOUR))
    running = asyncio.ensure_future(service(store, clock, fired, RecordedEvents()).run())
    for wanted in (["early"], ["early", "late"]):
        with store.watch("fired") as watch:
            async with asyncio.timeout(10):
                await clock.wait_for_sleepers(1)
                await clock.advance(clock.deadlines[0] - clock.now())
                await watch.wait()
        assert fired.keys == wanted
    running.cancel()


async def test_a_cancelled_timer_and_a_replaced_one_do_not_fire(store: SqliteStore, clock: FakeClock) -> None:
    fired = Fired()
    at = clock.now() + HOUR

    def write(tx: Tx) -> None:
        timers.schedule(tx, "test", "gone", at)
        timers.schedule(tx, "test", "moved", at)
        timers.cancel(tx, "test", "gone")
        timers.schedule(tx, "test", "moved", at + HOUR)

    await store.write(write)
    await clock.advance(HOUR)
    await service(store, clock, fired, RecordedEvents()).fire_due()
    assert fired.keys == []
    assert await store.read(lambda tx: timers.is_set(tx, "test", "moved"))
    await clock.advance(HOUR)
    await service(store, clock, fired, RecordedEvents()).fire_due()
    assert fired.keys == ["moved"]


async def test_a_handler_that_fails_is_told_put_off_and_takes_no_other_with_it(
    store: SqliteStore, clock: FakeClock
) -> None:
    fired, events = Fired(), RecordedEvents()
    fired.failing.add("bad")
    await store.write(lambda tx: timers.schedule(tx, "test", "bad", tx.now))
    await store.write(lambda tx: timers.schedule(tx, "test", "good", tx.now))
    await service(store, clock, fired, events).fire_due()
    assert fired.keys == ["good"]
    assert [event.name for event in events.all] == ["timer.failed"]
    fired.failing.clear()
    await clock.advance(timers.PUT_OFF)
    await service(store, clock, fired, events).fire_due()
    assert fired.keys == ["good", "bad"]
