import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from jubako.runtime import follower
from jubako.runtime.follower import Follower
from jubako.runtime.port import AttemptEvent, Ended, Started

START = b'{"k":"start","id":"%s","t":1,"pid":1}\n'
END = b'{"k":"end","id":"%s","t":2,"r":"exited","c":0}\n'
TRY = b'{"k":"try","id":"%s"}\n'
DEADLINE_S = 20


class Taken:
    """What the sink got, call by call."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[type], str]] = []
        self.acknowledged: list[str] = []
        self.came = asyncio.Event()

    async def sink(self, events: Sequence[AttemptEvent], position: str) -> None:
        self.calls.append(([type(event) for event in events], position))
        self.came.set()

    async def next(self) -> None:
        async with asyncio.timeout(DEADLINE_S):
            await self.came.wait()
        self.came.clear()


@pytest.fixture
def taken() -> Taken:
    return Taken()


@pytest.fixture
async def patient(taken: Taken) -> AsyncIterator[Follower]:
    """A follower that lets starts of tasks wait."""

    def may_wait(event: AttemptEvent) -> bool:
        return isinstance(event, Started) and event.id.startswith("task")

    one = Follower(taken.sink, taken.acknowledged.append, lambda: None, may_wait)
    yield one
    await one.stop()


async def test_a_start_that_may_wait_is_told_together_with_what_cannot(
    patient: Follower, taken: Taken, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follower, "PATIENCE_S", 3600)
    patient.feed(START % b"task", "j:1")
    patient.feed(TRY % b"task2", "j:2")
    await asyncio.sleep(0)
    patient.feed(END % b"task", "j:3")
    await taken.next()
    assert taken.calls == [([Started, Ended], "j:3")]
    patient.feed(START % b"task2" + START % b"instance", "j:4")
    await taken.next()
    assert taken.calls[1:] == [([Started, Started], "j:4")]


async def test_a_start_is_told_alone_when_nothing_else_comes(patient: Follower, taken: Taken) -> None:
    patient.feed(START % b"task", "j:1")
    await taken.next()
    patient.feed(START % b"task2", "j:2")
    await taken.next()
    assert taken.calls == [([Started], "j:1"), ([Started], "j:2")]


async def test_a_position_without_events_is_reached_at_once(patient: Follower, taken: Taken) -> None:
    patient.feed(TRY % b"task", "j:5")
    async with asyncio.timeout(DEADLINE_S):
        await patient.wait_until(("j", 5))
    assert taken.calls == []


async def test_who_waits_for_a_position_gets_there_though_a_start_waits(
    patient: Follower, taken: Taken
) -> None:
    patient.feed(START % b"task", "j:1")
    async with asyncio.timeout(DEADLINE_S):
        await patient.wait_until(("j", 1))
    assert taken.acknowledged == ["j:1"]
