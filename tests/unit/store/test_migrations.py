from datetime import UTC, datetime
from pathlib import Path

import pytest

from jubako.core.errors import FailedPrecondition, Unavailable
from jubako.store.migrations import Migration, load, missing
from jubako.store.sqlite import SqliteStore


class Clock:
    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    async def sleep_until(self, deadline: datetime) -> None:
        raise AssertionError(deadline)


ONE = Migration("room", 1, "CREATE TABLE one (key TEXT PRIMARY KEY);\nINSERT INTO one VALUES ('old');\n")
TWO = Migration("room", 2, "CREATE TABLE two (seq {{serial}}, name TEXT NOT NULL);\n")


async def test_a_later_program_adds_what_is_missing_and_keeps_the_data(tmp_path: Path) -> None:
    await SqliteStore(tmp_path / "s.db", Clock(), [ONE]).close()
    store = SqliteStore(tmp_path / "s.db", Clock(), [ONE, TWO])
    assert await store.read(lambda tx: tx.all("SELECT key FROM one")) == [("old",)]
    seq = await store.write(lambda tx: tx.one("INSERT INTO two (name) VALUES ('x') RETURNING seq"))
    assert seq == (1,)
    await store.close()


async def test_an_older_program_refuses_a_newer_database(tmp_path: Path) -> None:
    await SqliteStore(tmp_path / "s.db", Clock(), [ONE, TWO]).close()
    with pytest.raises(FailedPrecondition, match="newer Jubako"):
        SqliteStore(tmp_path / "s.db", Clock(), [ONE])


def test_a_room_that_this_program_does_not_know_is_newer_too() -> None:
    with pytest.raises(FailedPrecondition):
        missing([ONE], [("room", 1), ("other", 1)])


def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "s.db").write_text("this is not a database" * 100)
    with pytest.raises(Unavailable, match=r"s\.db"):
        SqliteStore(tmp_path / "s.db", Clock(), [ONE])


def test_the_stores_own_migrations_are_numbered_without_gaps() -> None:
    versions = [migration.version for migration in load("jubako.store")]
    assert versions == list(range(1, len(versions) + 1))
