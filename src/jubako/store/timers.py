"""Durable timers: an instant, a kind, a key. Sleeps, retries, cron ticks and leases are rows here.

1. ``schedule`` and ``cancel`` are called inside the transaction that needs them.
2. A due timer is deleted and handled in one transaction, so it takes effect exactly once; its handler is a
   transaction function like any other and may schedule the next one under the same key.
3. A handler that raises loses nothing: the timer is put off and the failure is told as an event.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from jubako.core.clock import Clock
from jubako.core.events import Events
from jubako.core.faults import Faults
from jubako.core.timestamps import from_micros, to_micros
from jubako.store.port import Store, Tx

BATCH = 500
PUT_OFF = timedelta(seconds=30)
TOPIC = "timers"


@dataclass(frozen=True, slots=True)
class Timer:
    """One timer; ``kind`` chooses the handler, ``key`` is unique within the kind."""

    kind: str
    key: str
    due: datetime
    payload: str


Handler = Callable[[Tx, Timer], None]


def schedule(tx: Tx, kind: str, key: str, due: datetime, payload: str = "") -> None:
    """Set the timer ``(kind, key)``, replacing an earlier one."""
    tx.run(
        "INSERT INTO timers (kind, key, due, payload) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (kind, key) DO UPDATE SET due = excluded.due, payload = excluded.payload",
        kind,
        key,
        to_micros(due),
        payload,
    )
    tx.wake(TOPIC)


def cancel(tx: Tx, kind: str, key: str) -> None:
    """Drop the timer ``(kind, key)`` if it is set."""
    tx.run("DELETE FROM timers WHERE kind = ? AND key = ?", kind, key)


def is_set(tx: Tx, kind: str, key: str) -> bool:
    """Return whether the timer ``(kind, key)`` is set."""
    return tx.one("SELECT 1 FROM timers WHERE kind = ? AND key = ?", kind, key) is not None


def next_due(tx: Tx) -> datetime | None:
    """Return when the first timer behind ``tx.now`` is due."""
    row = tx.one("SELECT MIN(due) FROM timers WHERE due > ?", to_micros(tx.now))
    return None if row is None or row[0] is None else from_micros(row[0])


def is_due(tx: Tx) -> bool:
    """Return whether a timer is due that has not been fired."""
    return tx.one("SELECT 1 FROM timers WHERE due <= ? LIMIT 1", to_micros(tx.now)) is not None


class Timers:
    """The service that fires due timers."""

    def __init__(
        self, store: Store, clock: Clock, handlers: Mapping[str, Handler], events: Events, faults: Faults
    ) -> None:
        self._store = store
        self._clock = clock
        self._handlers = handlers
        self._events = events
        self._faults = faults

    async def run(self) -> None:
        """Fire timers as they fall due, until cancelled."""
        with self._store.watch(TOPIC) as watch:
            while True:
                await self.fire_due()
                await watch.wait_until(self._clock, await self._store.read(_next_due))

    async def fire_due(self) -> None:
        """Fire every timer that is due now."""
        while due := await self._store.read(_due):
            outcomes = await asyncio.gather(
                *(self._store.write(partial(self._fire, timer=timer)) for timer in due),
                return_exceptions=True,
            )
            for timer, outcome in zip(due, outcomes, strict=True):
                if isinstance(outcome, Exception):
                    await self._put_off(timer, outcome)

    def _fire(self, tx: Tx, timer: Timer) -> None:
        # Still the same timer? It may have been cancelled or set anew since it was read.
        gone = tx.run(
            "DELETE FROM timers WHERE kind = ? AND key = ? AND due = ?",
            timer.kind,
            timer.key,
            to_micros(timer.due),
        )
        if gone:
            self._handlers[timer.kind](tx, timer)
            self._faults.point("timers.fire.before_commit")

    async def _put_off(self, timer: Timer, error: Exception) -> None:
        self._events.emit("timer.failed", "ERROR", kind=timer.kind, key=timer.key, error=repr(error))
        await self._store.write(
            lambda tx: schedule(tx, timer.kind, timer.key, tx.now + PUT_OFF, timer.payload)
        )


def _due(tx: Tx) -> list[Timer]:
    rows = tx.all(
        "SELECT kind, key, due, payload FROM timers WHERE due <= ? ORDER BY due LIMIT ?",
        to_micros(tx.now),
        BATCH,
    )
    return [Timer(kind, key, from_micros(due), payload) for kind, key, due, payload in rows]


def _next_due(tx: Tx) -> datetime | None:
    row = tx.one("SELECT MIN(due) FROM timers")
    return None if row is None or row[0] is None else from_micros(row[0])
