"""Rows by their key: whatever is repeated, in whatever order, the table ends the same."""

import sqlite3
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jubako_sdk import SinkError, upsert

SCHEMA = "CREATE TABLE results (id INTEGER PRIMARY KEY, text TEXT)"


@pytest.fixture
def base() -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(":memory:")
    made.execute(SCHEMA)
    yield made
    made.close()


def rows_of(base: sqlite3.Connection) -> list[tuple[int, str | None]]:
    return base.execute("SELECT id, text FROM results ORDER BY id").fetchall()


def test_a_row_that_is_there_is_replaced_and_a_new_one_added(base: sqlite3.Connection) -> None:
    assert upsert(base, "results", [{"id": 1, "text": "a"}], key=["id"]) == 1
    assert upsert(base, "results", [{"id": 1, "text": "b"}, {"id": 2, "text": "c"}], key=["id"]) == 2
    assert rows_of(base) == [(1, "b"), (2, "c")]
    assert upsert(base, "results", [], key=["id"]) == 0


@given(st.lists(st.integers(0, 3), max_size=20), st.randoms(use_true_random=False))
def test_tasks_that_are_repeated_in_any_order_leave_what_running_once_leaves(
    again: list[int], random: Random
) -> None:
    tasks = [*range(4), *again]
    random.shuffle(tasks)
    base = sqlite3.connect(":memory:")
    base.execute(SCHEMA)
    for task in tasks:
        rows = ({"id": task * 100 + number, "text": f"{task}-{number}"} for number in range(3))
        upsert(base, "results", rows, key=["id"])
    assert rows_of(base) == [(t * 100 + n, f"{t}-{n}") for t in range(4) for n in range(3)]
    base.close()


def test_rows_that_break_off_in_the_middle_leave_nothing(base: sqlite3.Connection) -> None:
    rows: list[dict[str, object]] = [{"id": 1, "text": "a"}, {"id": "no number", "text": "b"}]
    with pytest.raises(sqlite3.IntegrityError):
        upsert(base, "results", rows, key=["id"])
    assert rows_of(base) == []


def test_a_table_of_keys_alone_keeps_each_once(base: sqlite3.Connection) -> None:
    for _ in range(2):
        upsert(base, "main.results", [{"id": 7}], key=["id"])
    assert rows_of(base) == [(7, None)]


@pytest.mark.parametrize(
    ("table", "rows", "key"),
    [
        ('results"; DROP TABLE results; --', [{"id": 1}], ["id"]),
        ("results", [{"id; DROP": 1}], ["id; DROP"]),
        ("results", [{"id": 1}, {"id": 2, "text": "a"}], ["id"]),
        ("results", [{"text": "a"}], ["id"]),
        ("results", [{"id": 1}], []),
    ],
)
def test_names_and_rows_that_cannot_be_are_refused(
    base: sqlite3.Connection, table: str, rows: list[dict[str, object]], key: list[str]
) -> None:
    with pytest.raises(SinkError):
        upsert(base, table, rows, key=key)
    assert rows_of(base) == []


def test_drivers_of_postgresql_get_their_marks() -> None:
    said: list[str] = []

    class Driver:
        def cursor(self) -> "Driver":
            return self

        def executemany(self, statement: str, values: list[list[object]]) -> None:
            said.extend([statement, str(values)])

        def commit(self) -> None:
            said.append("commit")

        def rollback(self) -> None:
            said.append("rollback")

    upsert(Driver(), "results", [{"id": 1, "text": "a"}], key=["id"])
    assert said == [
        (
            'INSERT INTO "results" ("id", "text") VALUES (%s, %s) '
            'ON CONFLICT ("id") DO UPDATE SET "text" = excluded."text"'
        ),
        "[[1, 'a']]",
        "commit",
    ]
