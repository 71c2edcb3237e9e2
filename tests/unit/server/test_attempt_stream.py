"""Attempt events reach their box in the transaction that moves the position."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest

from jubako.core.errors import ResourceExhausted
from jubako.runtime.port import AttemptEvent, Ended, Reason, Sink
from jubako.server.attempts import POSITION, RECONNECT_PAUSE, AttemptStream
from jubako.store import facts
from jubako.store.migrations import load
from jubako.store.port import Tx
from jubako.store.sqlite import SqliteStore
from jubako.testing.clock import FakeClock
from jubako.testing.events import RecordedEvents
from jubako.testing.runtime import FakeRuntime

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def ended(name: str) -> Ended:
    return Ended(id=name, time=NOW, reason=Reason.EXITED, exit_code=0)


class Box:
    def __init__(self) -> None:
        self.got: list[str] = []
        self.recovered = 0
        self.fail = False

    def apply(self, tx: Tx, events: Sequence[AttemptEvent]) -> None:
        if self.fail:
            raise LookupError
        for event in events:
            self.got.append(event.id)
            facts.put(tx, f"seen {event.id}", "yes")

    async def recover(self) -> None:
        self.recovered += 1


class ScriptedRuntime(FakeRuntime):
    """Delivers what it is given, and can lose its connection."""

    def __init__(self) -> None:
        super().__init__(FakeClock())
        self.positions: list[str] = []
        self.sink: Sink | None = None
        self.broken = asyncio.Event()

    async def start(self, position: str, sink: Sink) -> None:
        self.positions.append(position)
        self.sink = sink

    async def wait_disconnected(self) -> None:
        await self.broken.wait()
        self.broken.clear()


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    store = SqliteStore(None, FakeClock(), load("jubako.store"))
    yield store
    await store.close()


def stream_of(
    store: SqliteStore, runtime: ScriptedRuntime, events: RecordedEvents, **boxes: Box
) -> AttemptStream:
    return AttemptStream(store, runtime, FakeClock(), boxes, events)


async def test_events_go_to_the_box_their_id_names_and_the_position_with_them(store: SqliteStore) -> None:
    runtime, jobs, services = ScriptedRuntime(), Box(), Box()
    stream = stream_of(store, runtime, RecordedEvents(), jobs=jobs, services=services)
    await stream.connect()
    assert runtime.sink is not None
    await runtime.sink([ended("jobs/a/0/0"), ended("services/s/r/0/0"), ended("gone/x")], "p1")
    assert (jobs.got, services.got) == (["jobs/a/0/0"], ["services/s/r/0/0"])
    assert await store.read(lambda tx: facts.get(tx, POSITION)) == "p1"
    assert (jobs.recovered, services.recovered) == (1, 1)


async def test_a_box_that_fails_moves_neither_its_rows_nor_the_position(store: SqliteStore) -> None:
    runtime, jobs = ScriptedRuntime(), Box()
    stream = stream_of(store, runtime, RecordedEvents(), jobs=jobs)
    await stream.connect()
    assert runtime.sink is not None
    await runtime.sink([ended("jobs/a/0/0")], "p1")
    jobs.fail = True
    with pytest.raises(LookupError):
        await runtime.sink([ended("jobs/a/1/0")], "p2")
    assert await store.read(lambda tx: facts.get(tx, POSITION)) == "p1"


async def test_after_a_broken_connection_it_begins_behind_what_was_taken(store: SqliteStore) -> None:
    runtime, jobs, events = ScriptedRuntime(), Box(), RecordedEvents()
    stream = stream_of(store, runtime, events, jobs=jobs)
    await stream.connect()
    running = asyncio.ensure_future(stream.run())
    assert runtime.sink is not None
    await runtime.sink([ended("jobs/a/0/0")], "p1")
    runtime.broken.set()
    async with asyncio.timeout(10):
        await events.wait_for("runtime.reconnected")
    running.cancel()
    assert runtime.positions == ["", "p1"]
    assert jobs.recovered == 2


class FailingSinkRuntime(ScriptedRuntime):
    """Breaks the connection with what the sink raised, as the real one does, and delivers the event again."""

    async def start(self, position: str, sink: Sink) -> None:
        await super().start(position, sink)
        self.failure: Exception | None = None
        if len(self.positions) > 1:
            await sink([ended("jobs/a/0/0")], "p1")

    async def deliver(self) -> None:
        assert self.sink is not None
        try:
            await self.sink([ended("jobs/a/0/0")], "p1")
        except Exception as error:  # noqa: BLE001 - as the real one
            self.failure = error
            self.broken.set()

    async def wait_disconnected(self) -> None:
        await super().wait_disconnected()
        if self.failure is not None:
            raise self.failure


class FullBox(Box):
    def apply(self, tx: Tx, events: Sequence[AttemptEvent]) -> None:
        if self.fail:
            raise ResourceExhausted("The disk is full.")
        super().apply(tx, events)


async def test_what_a_full_disk_kept_from_taking_effect_takes_effect_when_there_is_room(
    store: SqliteStore,
) -> None:
    runtime, jobs, events, clock = FailingSinkRuntime(), FullBox(), RecordedEvents(), FakeClock()
    stream = AttemptStream(store, runtime, clock, {"jobs": jobs}, events)
    await stream.connect()
    running = asyncio.ensure_future(stream.run())
    jobs.fail = True
    async with asyncio.timeout(10):
        await runtime.deliver()
        for count in (1, 2, 3):
            await events.wait_for("runtime.unavailable", count)
            await clock.wait_for_sleepers(1)
            jobs.fail = count < 3
            await clock.advance(RECONNECT_PAUSE)
        await events.wait_for("runtime.reconnected")
    running.cancel()
    assert jobs.got == ["jobs/a/0/0"]
    assert await store.read(lambda tx: facts.get(tx, POSITION)) == "p1"
