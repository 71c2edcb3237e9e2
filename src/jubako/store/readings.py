"""What a transaction function read: as long as the same is read, it returns the same.

So its result can be used again without running it, after as many changes of other rows, by whomever, as there may be.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn, TypeVar

from jubako.store.port import Row, Tx, Value

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Query:
    """One query, and what it found."""

    sql: str
    params: Sequence[Value]
    found: list[Row]


class Reading:
    """See Tx; keeps what is read by it, and changes nothing."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self.queries: list[Query] = []
        self.is_repeatable = True
        """Whether the queries are all that the result is made of; the time of day is not among them."""

    @property
    def now(self) -> datetime:
        """See Tx."""
        self.is_repeatable = False
        return self._tx.now

    def one(self, sql: str, *params: Value) -> Row | None:
        """See Tx."""
        found = self.all(sql, *params)
        return found[0] if found else None

    def all(self, sql: str, *params: Value) -> list[Row]:
        """See Tx."""
        found = self._tx.all(sql, *params)
        self.queries.append(Query(sql, params, found))
        return found

    def run(self, sql: str, *params: Value) -> NoReturn:
        """Refuse it."""
        raise AssertionError(f"a reading changes nothing: {sql} {params}")

    def run_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> NoReturn:
        """Refuse it."""
        raise AssertionError(f"a reading changes nothing: {sql} {rows}")

    def wake(self, topic: str, news: object = None) -> NoReturn:
        """Refuse it."""
        raise AssertionError(f"a reading wakes nobody: {topic} {news}")


def noted(tx: Tx, fn: Callable[[Tx], T]) -> tuple[T, list[Query] | None]:
    """Return the result of ``fn`` and the queries that it was made of; None if of other things too."""
    reading = Reading(tx)
    result = fn(reading)
    return result, reading.queries if reading.is_repeatable else None


def is_unchanged(tx: Tx, queries: Iterable[Query]) -> bool:
    """Return whether all queries find what they found before."""
    return all(tx.all(query.sql, *query.params) == query.found for query in queries)
