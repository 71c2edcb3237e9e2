"""The outbox: calls to the outside, written with the state that makes them necessary and made after the commit.

Delivery is at least once: a crash between the call and its deletion calls again. Receivers must be idempotent.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from jubako.core.clock import Clock
from jubako.core.events import Events
from jubako.core.timestamps import from_micros, to_micros
from jubako.store.port import Store, Tx

BATCH = 64
BACKOFF_MAX = timedelta(minutes=5)
TOPIC = "outbox"


@dataclass(frozen=True, slots=True)
class Message:
    """One call to make; ``topic`` chooses who makes it."""

    seq: int
    topic: str
    payload: str
    attempts: int


Deliver = Callable[[Message], Awaitable[None]]


def put(tx: Tx, topic: str, payload: str) -> None:
    """Have ``payload`` delivered to ``topic`` once this transaction is committed."""
    tx.run(
        "INSERT INTO outbox (topic, payload, attempts, due) VALUES (?, ?, 0, ?)",
        topic,
        payload,
        to_micros(tx.now),
    )
    tx.wake(TOPIC)


class Outbox:
    """The service that delivers."""

    def __init__(self, store: Store, clock: Clock, deliver: Mapping[str, Deliver], events: Events) -> None:
        self._store = store
        self._clock = clock
        self._deliver = deliver
        self._events = events

    async def run(self) -> None:
        """Deliver messages as they come, until cancelled."""
        with self._store.watch(TOPIC) as watch:
            while True:
                await self.deliver_due()
                await watch.wait_until(self._clock, await self._store.read(_next_due))

    async def deliver_due(self) -> None:
        """Deliver every message that is due now; one that fails is tried again later, with growing pauses."""
        while messages := await self._store.read(_due):
            outcomes = await asyncio.gather(
                *(self._deliver[message.topic](message) for message in messages), return_exceptions=True
            )
            for message, outcome in zip(messages, outcomes, strict=True):
                if isinstance(outcome, Exception):
                    self._events.emit(
                        "outbox.delivery_failed", "WARNING", topic=message.topic, error=repr(outcome)
                    )
            await self._store.write(partial(_settle, outcomes=list(zip(messages, outcomes, strict=True))))


def _settle(tx: Tx, outcomes: list[tuple[Message, BaseException | None]]) -> None:
    for message, outcome in outcomes:
        if outcome is None:
            tx.run("DELETE FROM outbox WHERE seq = ?", message.seq)
        else:
            pause = min(timedelta(seconds=2 ** min(message.attempts, 10)), BACKOFF_MAX)
            tx.run(
                "UPDATE outbox SET attempts = attempts + 1, due = ? WHERE seq = ?",
                to_micros(tx.now + pause),
                message.seq,
            )


def _due(tx: Tx) -> list[Message]:
    rows = tx.all(
        "SELECT seq, topic, payload, attempts FROM outbox WHERE due <= ? ORDER BY due, seq LIMIT ?",
        to_micros(tx.now),
        BATCH,
    )
    return [Message(*row) for row in rows]


def _next_due(tx: Tx) -> datetime | None:
    row = tx.one("SELECT MIN(due) FROM outbox")
    return None if row is None or row[0] is None else from_micros(row[0])
