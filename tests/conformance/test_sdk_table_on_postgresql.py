"""Rows by their key in a real PostgreSQL: a throw-away server on a socket of its own."""

import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from jubako_sdk import Task, global_id, shard, upsert

PLACES = [
    *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True),
    Path("/usr/bin"),
    Path("/usr/local/bin"),
]
SETTINGS = "-c listen_addresses='' -c fsync=off -c shared_buffers=16MB -c max_connections=20 -c deadlock_timeout=50ms"
TASKS = 4
ITEMS = [f"item {number}" for number in range(40)]


def server_user() -> str | None:
    """Return the user to be when the server is started, which refuses to be root; None for the present one."""
    if os.geteuid():
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    binaries = next(
        (place for place in PLACES if (place / "initdb").exists() and (place / "pg_ctl").exists()), None
    )
    if binaries is None:
        pytest.skip("postgresql is not installed")
    user = server_user()
    # Not under pytest's folder: the server's user must get in, and a socket's path is short.
    folder = tempfile.mkdtemp(prefix="jubako-postgresql-", dir="/tmp")
    if user:
        shutil.chown(folder, user, pwd.getpwnam(user).pw_gid)

    def run(program: str, *args: str) -> None:
        subprocess.run(
            [binaries / program, "-D", f"{folder}/data", *args],
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=60,
            cwd=folder,
            user=user,
            group=pwd.getpwnam(user).pw_gid if user else None,
            extra_groups=[] if user else None,
        )

    try:
        run("initdb", "--username=jubako", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
        run("pg_ctl", "start", "-w", "-t", "30", "-l", f"{folder}/log", "-o", f"-k {folder} {SETTINGS}")
        try:
            yield f"host={folder} user=jubako dbname=postgres"
        finally:
            run("pg_ctl", "stop", "-m", "immediate", "-w", "-t", "30")
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def base(address: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(address, autocommit=True) as made:
        made.execute("DROP TABLE IF EXISTS results")
        made.execute("CREATE TABLE results (id bigint PRIMARY KEY, shard int, text text)")
        yield made


def rows_of(base: psycopg.Connection) -> list[tuple[object, ...]]:
    return base.execute("SELECT id, shard, text FROM results ORDER BY id").fetchall()


def at_once(*actions) -> None:
    """Run the actions side by side from the same moment; raise what any of them raises."""
    barrier, failures = threading.Barrier(len(actions)), []

    def act(action) -> None:
        barrier.wait(10)
        try:
            action()
        except psycopg.Error as error:
            failures.append(error)

    threads = [threading.Thread(target=act, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []


def test_a_row_that_is_there_is_replaced_and_a_new_one_added(address: str, base: psycopg.Connection) -> None:
    with psycopg.connect(address) as own:
        assert upsert(own, "public.results", [{"id": 1, "text": "a"}], key=["id"]) == 1
        assert rows_of(base) == [(1, None, "a")], "committed, and seen by others"
        rows: list[dict[str, object]] = [
            {"id": 2, "text": "収穫"},
            {"id": 1, "text": "b"},
            {"id": 1, "text": "c"},
        ]
        assert upsert(own, "results", rows, key=["id"]) == 3
    assert rows_of(base) == [(1, None, "c"), (2, None, "収穫")]


def test_shards_side_by_side_and_repeated_leave_what_running_once_leaves(
    address: str, base: psycopg.Connection
) -> None:
    upsert(base, "results", [{"id": 0, "shard": -1, "text": "of an older run"}], key=["id"])

    def attempt(index: int) -> None:
        own = shard(ITEMS, Task(index=index, count=TASKS))
        rows = [{"id": global_id(n, index=index), "shard": index, "text": text} for n, text in enumerate(own)]
        with psycopg.connect(address) as connection:
            for start in range(0, len(rows), 4):
                upsert(connection, "results", rows[start : start + 4], key=["id"])

    for _ in range(2):  # each task twice at the same time, as when a lost attempt goes on beside the next
        at_once(*(lambda index=index: attempt(index) for index in [*range(TASKS)] * 2))
    assert rows_of(base) == [
        (index * 100_000 + number, index, text)
        for index in range(TASKS)
        for number, text in enumerate(ITEMS[index::TASKS])
    ]


def test_calls_that_write_the_same_rows_in_opposite_order_wait_and_do_not_fail(
    address: str, base: psycopg.Connection
) -> None:
    rows = [{"id": number, "text": "same"} for number in range(300)]

    def write(given: list[dict[str, object]]) -> None:
        with psycopg.connect(address) as own:
            for _ in range(5):
                upsert(own, "results", given, key=["id"])

    at_once(lambda: write(rows), lambda: write(rows[::-1]))
    assert rows_of(base) == [(number, None, "same") for number in range(300)]


def test_rows_that_break_off_in_the_middle_leave_nothing(address: str, base: psycopg.Connection) -> None:
    rows: list[dict[str, object]] = [{"id": 1, "shard": 1}, {"id": 2, "shard": 1 << 40}]
    with psycopg.connect(address) as own:
        with pytest.raises(psycopg.errors.NumericValueOutOfRange):
            upsert(own, "results", rows, key=["id"])
        assert rows_of(base) == []
        assert upsert(own, "results", rows[:1], key=["id"]) == 1, "the connection is of use again"
    assert rows_of(base) == [(1, 1, None)]


def test_a_key_of_two_columns_and_one_that_is_not_unique(address: str, base: psycopg.Connection) -> None:
    base.execute("CREATE UNIQUE INDEX ON results (shard, text)")
    with psycopg.connect(address) as own:
        for number in (1, 1, 2):
            rows = [{"id": number, "shard": 7, "text": "a"}]
            upsert(own, "results", rows, key=["shard", "text"])
        assert rows_of(base) == [(2, 7, "a")]
        with pytest.raises(psycopg.errors.InvalidColumnReference, match="no unique"):
            upsert(own, "results", [{"id": 3, "shard": 7}], key=["shard"])
    assert rows_of(base) == [(2, 7, "a")]
