"""Inserting and finding many rows with few statements.

Before and after each statement the writer's thread gives the interpreter away and asks for it again, and so waits for
whoever computes meanwhile. Twenty rows in two statements cost half of twenty, and less when others are busy.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import TypeVar

from jubako.store.port import Row, Tx, Value

ROWS_MAX = 64
"""Of one statement."""
T = TypeVar("T")


def insert(tx: Tx, into: str, rows: Sequence[Sequence[Value]], otherwise: str = "") -> None:
    """Insert rows.

    Args:
        tx: The transaction.
        into: Table and columns, such as ``journal (execution, seq)``.
        rows: Their values.
        otherwise: What follows the values, such as ``ON CONFLICT (execution, seq) DO NOTHING``.

    """
    for piece in _pieces(rows):
        tx.run(_statement(into, len(piece[0]), len(piece), otherwise), *chain.from_iterable(piece))


def among(tx: Tx, sql: str, values: Sequence[Value]) -> list[Row]:
    """Return the rows that ``sql``, which ends with ``IN``, finds for any of ``values``."""
    return [row for piece in _pieces(values) for row in tx.all(_finding(sql, len(piece)), *piece)]


def _pieces(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut rows into powers of two, so that there are few different statements to prepare."""
    begin, size = 0, ROWS_MAX
    while begin < len(rows):
        while size > len(rows) - begin:
            size //= 2
        yield rows[begin : begin + size]
        begin += size


@lru_cache(maxsize=128)
def _statement(into: str, columns: int, rows: int, otherwise: str) -> str:
    row = f"({', '.join('?' * columns)})"
    return f"INSERT INTO {into} VALUES {', '.join([row] * rows)} {otherwise}"  # noqa: S608 - constants


@lru_cache(maxsize=128)
def _finding(sql: str, values: int) -> str:
    return f"{sql} ({', '.join('?' * values)})"
