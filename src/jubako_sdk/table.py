"""Results as rows of a database: written by a unique key, so that writing twice leaves what writing once leaves."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from jubako_sdk.sink import SinkError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?")


class Connection(Protocol):
    """A connection of the DB-API (PEP 249)."""

    def cursor(self) -> Any:  # noqa: ANN401 - each driver has its own
        """Return a cursor."""

    def commit(self) -> None:
        """End the transaction; what it wrote is durable."""

    def rollback(self) -> None:
        """End the transaction; it wrote nothing."""


def upsert(
    connection: Connection, table: str, rows: Iterable[Mapping[str, object]], *, key: Sequence[str]
) -> int:
    """Write all ``rows`` in one transaction: new ones are added, those whose key is there replace what is there.

    Args:
        connection: Of ``sqlite3``, or of a PostgreSQL driver whose parameters are ``%s`` (psycopg, psycopg2, pg8000).
        table: Its name, with the schema if need be. It must have a unique index on exactly the columns of ``key``.
        rows: By column; all with the same columns. No column changes whose value depends on what is there: no counters.
        key: The columns that tell rows apart, for example one with ``global_id``.

    Returns:
        How many rows were given.

    Raises:
        SinkError: A name is no plain identifier, the rows differ in their columns, or lack the key.

    """
    given = [dict(row) for row in rows]
    if not given:
        return 0
    columns = list(given[0])
    if any(row.keys() != given[0].keys() for row in given):
        raise SinkError("all rows must have the same columns")
    if not key or not set(key) <= set(columns):
        raise SinkError(f"the key {list(key)} must be among the columns {columns}")
    statement = _statement(table, columns, key, "?" if _is_sqlite(connection) else "%s")
    # Rows are locked in one order by all who write them, so two calls wait for one another but never in a circle. Rows
    # of the same key stay in the order given: the last one holds.
    given.sort(key=lambda row: repr([row[column] for column in key]))
    is_done = False
    try:
        connection.cursor().executemany(statement, [[row[column] for column in columns] for row in given])
        connection.commit()
        is_done = True
    finally:
        if not is_done:
            connection.rollback()
    return len(given)


def _statement(table: str, columns: Sequence[str], key: Sequence[str], mark: str) -> str:
    names = [_quoted(column) for column in columns]
    rest = [_quoted(column) for column in columns if column not in key]
    change = ", ".join(f"{name} = excluded.{name}" for name in rest)
    # Names are plain identifiers; values are parameters.
    return (
        f"INSERT INTO {_quoted(table)} ({', '.join(names)}) VALUES ({', '.join([mark] * len(names))}) "  # noqa: S608
        f"ON CONFLICT ({', '.join(map(_quoted, key))}) DO {f'UPDATE SET {change}' if rest else 'NOTHING'}"
    )


def _quoted(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise SinkError(f"{name!r} is no plain name of a table or column")
    return ".".join(f'"{part}"' for part in name.split("."))


def _is_sqlite(connection: Connection) -> bool:
    return any(
        one.__module__.partition(".")[0] in {"sqlite3", "_sqlite3"} for one in type(connection).__mro__
    )
