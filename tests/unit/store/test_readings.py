from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from jubako.store import facts
from jubako.store.migrations import load
from jubako.store.port import Tx
from jubako.store.readings import Reading, is_unchanged, noted
from jubako.store.sqlite import SqliteStore
from jubako.testing.clock import FakeClock


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "store.db", FakeClock(), load("jubako.store"))
    yield store
    await store.close()


async def put(store: SqliteStore, name: str, value: str) -> None:
    await store.write(lambda tx: facts.put(tx, name, value))


async def test_what_was_read_is_unchanged_until_one_of_its_rows_is_another(store: SqliteStore) -> None:
    await put(store, "a", "1")
    result, queries = store.glance(lambda tx: noted(tx, lambda reading: facts.get(reading, "a")))
    assert result == "1"
    assert queries is not None
    await put(store, "b", "1")
    await put(store, "a", "1")
    assert store.glance(lambda tx: is_unchanged(tx, queries))
    await put(store, "a", "2")
    assert not store.glance(lambda tx: is_unchanged(tx, queries))


async def test_what_was_not_there_is_a_change_when_it_comes(store: SqliteStore) -> None:
    result, queries = store.glance(lambda tx: noted(tx, lambda reading: facts.get(reading, "a")))
    assert result is None
    assert queries is not None
    assert store.glance(lambda tx: is_unchanged(tx, queries))
    await put(store, "a", "1")
    assert not store.glance(lambda tx: is_unchanged(tx, queries))


async def test_what_depends_on_the_time_of_day_is_not_made_of_rows_only(store: SqliteStore) -> None:
    def fn(tx: Tx) -> str:
        return f"{tx.now} {facts.get(tx, 'a')}"

    assert store.glance(lambda tx: noted(tx, fn))[1] is None


CHANGES: dict[str, Callable[[Tx], object]] = {
    "a statement": lambda tx: facts.put(tx, "a", "1"),
    "statements": lambda tx: tx.run_many("DELETE FROM facts", []),
    "a wake-up": lambda tx: tx.wake("topic"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_reading_changes_nothing(store: SqliteStore, change: Callable[[Tx], object]) -> None:
    with pytest.raises(AssertionError, match="a reading"):
        store.glance(lambda tx: change(Reading(tx)))
