"""The Store port: durable state moved by transaction functions.

1. A transaction is a plain function ``fn(tx)``. It uses only its ``tx`` and pure code, because the store may
   run it again (PostgreSQL: serialization failure) and runs it on another thread.
2. SQL is the part that SQLite and PostgreSQL share: UPSERT, RETURNING, ``?`` placeholders, TEXT and BIGINT.
   Instants are stored as microseconds since the epoch (core.timestamps), documents as JSON text.
3. ``await store.write(fn)`` returns after the commit is durable. If ``fn`` raises, nothing of it is kept.
4. ``tx.wake(topic, news)`` tells watchers after the commit. It is a hint that saves polling, and its news one that
   saves reading; truth is in the rows.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol, TypeVar

from jubako.core.clock import Clock

T = TypeVar("T")
Value = str | int | float | bytes | None
Row = tuple[Any, ...]


class Tx(Protocol):
    """One transaction; valid only while its function runs."""

    @property
    def now(self) -> datetime:
        """The instant at which the transaction began (UTC); the same for all its rows."""
        ...

    def run(self, sql: str, *params: Value) -> int:
        """Run one statement and return how many rows it touched."""
        ...

    def run_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        """Run one statement once for each row of parameters."""
        ...

    def one(self, sql: str, *params: Value) -> Row | None:
        """Return the first row, or None."""
        ...

    def all(self, sql: str, *params: Value) -> list[Row]:
        """Return all rows."""
        ...

    def wake(self, topic: str, news: object = None) -> None:
        """Wake the watchers of ``topic`` once this transaction is committed.

        Args:
            topic: What they watch.
            news: What they would read now, if it is at hand. It is theirs from then on; it may be lost on the way.

        """
        ...


class Watch(Protocol):
    """A subscription to one topic; misses nothing between two waits."""

    async def wait(self) -> None:
        """Return when the topic was woken since the last wait (or since the watch began)."""
        ...

    async def wait_until(self, clock: Clock, deadline: datetime | None) -> bool:
        """Wait, but at most until ``deadline``; return whether the topic was woken."""
        ...

    @property
    def news(self) -> object:
        """What the last wake-up brought along; None if nothing."""
        ...


class Gathering(Protocol):
    """A subscription to all topics of one prefix, which says which of them were woken."""

    async def take(self) -> Mapping[str, object]:
        """Return the topics woken since the last ``take``, without the prefix, and the last news of each.

        It waits for the first.
        """
        ...


class Store(Protocol):
    """Durable state."""

    async def write(self, fn: Callable[[Tx], T]) -> T:
        """Run ``fn`` in a transaction of its own and return its value once that is durable.

        Raises:
            ResourceExhausted: The disk is full; nothing was kept.
            Exception: Whatever ``fn`` raised; nothing was kept.

        """
        ...

    async def read(self, fn: Callable[[Tx], T]) -> T:
        """Run ``fn`` on a consistent state; it must not change anything."""
        ...

    async def peek(self, fn: Callable[[Tx], T]) -> T:
        """Do what ``read`` does, for a ``fn`` that finds a few rows by their keys and so takes microseconds.

        It may run on the caller's thread: handing so little to another one costs several times what it does itself.
        Nothing that scans, or walks what others may have made long, belongs here.
        """
        ...

    @property
    def is_at_hand(self) -> bool:
        """Whether ``glance`` may be called."""
        ...

    def glance(self, fn: Callable[[Tx], T]) -> T:
        """Do what ``peek`` does, here and now; only where ``is_at_hand``: nobody may be kept waiting."""
        ...

    def watch(self, topic: str) -> AbstractContextManager[Watch]:
        """Subscribe to ``topic`` for the length of the ``with`` block."""
        ...

    def gather(self, prefix: str) -> AbstractContextManager[Gathering]:
        """Subscribe to all topics that begin with ``prefix`` for the length of the ``with`` block.

        So one loop serves many resources without asking the store which of them has changed.
        """
        ...

    async def close(self) -> None:
        """Finish what was accepted, then release the database. Safe to call twice."""
        ...
