"""Many rows, few statements."""

import pytest

from jubako.store.inserting import ROWS_MAX, insert
from jubako.store.port import Tx
from jubako.store.sqlite import SqliteStore
from jubako.testing.clock import FakeClock


@pytest.mark.parametrize("count", [0, 1, 3, 20, ROWS_MAX, 2 * ROWS_MAX + 7])
async def test_all_rows_are_there_in_their_order(count: int) -> None:
    rows = [(number, f"text {number}") for number in range(count)]

    def work(tx: Tx) -> list[tuple[object, ...]]:
        tx.run("CREATE TABLE things (number BIGINT PRIMARY KEY, text TEXT)")
        insert(tx, "things (number, text)", rows)
        insert(tx, "things (number, text)", rows, "ON CONFLICT (number) DO NOTHING")
        return tx.all("SELECT number, text FROM things ORDER BY rowid")

    store = SqliteStore(None, FakeClock(), [])
    try:
        assert await store.write(work) == rows
    finally:
        await store.close()
