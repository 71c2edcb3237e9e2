from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from jubako.store.migrations import load
from jubako.store.outbox import Message, Outbox, put
from jubako.store.port import Tx
from jubako.store.sqlite import SqliteStore
from jubako.testing.clock import FakeClock
from jubako.testing.events import RecordedEvents


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def store(clock: FakeClock) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(None, clock, load("jubako.store"))
    yield store
    await store.close()


class Receiver:
    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.got: list[str] = []

    async def __call__(self, message: Message) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError(message.payload)
        self.got.append(message.payload)


async def test_a_message_goes_out_once_it_is_committed(store: SqliteStore, clock: FakeClock) -> None:
    receiver = Receiver(0)
    outbox = Outbox(store, clock, {"calls": receiver}, RecordedEvents())
    await store.write(lambda tx: put(tx, "calls", "one"))

    def fail(tx: Tx) -> None:
        put(tx, "calls", "never")
        raise LookupError

    with pytest.raises(LookupError):
        await store.write(fail)
    await outbox.deliver_due()
    await outbox.deliver_due()
    assert receiver.got == ["one"]


async def test_a_failed_delivery_is_repeated_with_growing_pauses(
    store: SqliteStore, clock: FakeClock
) -> None:
    receiver, events = Receiver(2), RecordedEvents()
    outbox = Outbox(store, clock, {"calls": receiver}, events)
    await store.write(lambda tx: put(tx, "calls", "one"))
    for pause, wanted in ((0, []), (1, []), (1, []), (1, ["one"])):
        await clock.advance(timedelta(seconds=pause))
        await outbox.deliver_due()
        assert receiver.got == wanted
    assert len(events.named("outbox.delivery_failed")) == 2
