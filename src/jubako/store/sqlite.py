"""The Store on SQLite: one writer thread, commits in groups, readers beside it.

1. All writes run on one thread, so "database is locked" cannot happen. What waits in its queue when a transaction
   begins shares that transaction's commit, and so its fsync; each function runs in a savepoint of its own, so that
   one that raises takes nothing else with it.
2. WAL with synchronous=FULL: what is acknowledged survives a power loss.
3. A file has reader threads with their own connections and a consistent view; ``peek`` and ``glance`` read on the
   caller's thread by a connection of its own, because with a WAL no reader waits for the writer. An in-memory database
   has one connection, and reads take their turn on the writer thread.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from jubako.core.clock import Clock
from jubako.core.errors import ResourceExhausted, Unavailable
from jubako.core.faults import Faults, NoFaults
from jubako.store.migrations import VERSIONS_TABLE, Migration, missing
from jubako.store.port import Row, Tx, Value
from jubako.store.wakes import TopicGathering, TopicWatch, Wakes

T = TypeVar("T")
GROUP_MAX = 512
READERS = 2
SERIAL = "INTEGER PRIMARY KEY AUTOINCREMENT"
_PRAGMAS = ("PRAGMA busy_timeout=5000", "PRAGMA temp_store=MEMORY", "PRAGMA cache_size=-8000")


@dataclass(slots=True)
class _Call:
    """One function waiting for the writer, and who waits for it."""

    fn: Callable[[Tx], Any]
    future: "asyncio.Future[Any]"
    is_read: bool
    result: Any = None
    error: BaseException | None = None


class SqliteStore:
    """See Store."""

    def __init__(
        self,
        path: Path | None,
        clock: Clock,
        migrations: Sequence[Migration],
        faults: Faults | None = None,
    ) -> None:
        """Open the database file ``path`` (None: in memory) and bring its schema up to date.

        Raises:
            FailedPrecondition: The file was written by a newer program.
            Unavailable: The file cannot be opened, or is no database.

        """
        self._path = path
        self._clock = clock
        self._faults = faults or NoFaults()
        self._wakes = Wakes()
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._closed = False
        self._connection = _connect(path)
        _migrate(self._connection, migrations)
        self._readers = None if path is None else ThreadPoolExecutor(READERS, "jubako-read")
        self._local = threading.local()
        self._reader_connections: list[sqlite3.Connection] = []
        self._writer = threading.Thread(target=self._write_loop, name="jubako-write", daemon=True)
        self._writer.start()

    async def write(self, fn: Callable[[Tx], T]) -> T:
        """See Store."""
        return await self._enqueue(fn, is_read=False)

    async def read(self, fn: Callable[[Tx], T]) -> T:
        """See Store."""
        if self._readers is None:
            return await self._enqueue(fn, is_read=True)
        if self._closed:
            raise Unavailable("The store is closed.")
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read_here, fn)

    async def peek(self, fn: Callable[[Tx], T]) -> T:
        """See Store."""
        return self._read_here(fn) if self.is_at_hand else await self.read(fn)

    @property
    def is_at_hand(self) -> bool:
        """See Store."""
        return self._path is not None and not self._closed

    def glance(self, fn: Callable[[Tx], T]) -> T:
        """See Store."""
        return self._read_here(fn)

    def watch(self, topic: str) -> AbstractContextManager[TopicWatch]:
        """See Store."""
        return self._wakes.watch(topic)

    def gather(self, prefix: str) -> AbstractContextManager[TopicGathering]:
        """See Store."""
        return self._wakes.gather(prefix)

    async def close(self) -> None:
        """See Store."""
        if self._closed:
            return
        self._closed = True
        self._calls.put(None)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._writer.join)
        if self._readers is not None:
            self._readers.shutdown(wait=True)
        for connection in [*self._reader_connections, self._connection]:
            connection.close()

    async def _enqueue(self, fn: Callable[[Tx], T], *, is_read: bool) -> T:
        if self._closed:
            raise Unavailable("The store is closed.")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._calls.put(_Call(fn, future, is_read))
        return await future

    def _read_here(self, fn: Callable[[Tx], T]) -> T:
        """Return what ``fn`` reads by the connection of this thread."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = _connect(self._path)
            connection.execute("PRAGMA query_only=1")
            self._local.connection = connection
            self._reader_connections.append(connection)
        connection.execute("BEGIN")
        tx = _SqliteTx(connection, self._clock.now())
        try:
            return fn(tx)
        finally:
            tx.close()
            connection.execute("ROLLBACK")

    def _write_loop(self) -> None:
        while True:
            calls, is_last = self._next_group()
            if calls:
                topics = self._run_group(calls)
                self._answer(calls, topics)
            if is_last:
                return

    def _next_group(self) -> tuple[list[_Call], bool]:
        """Return what waits (at least one call, unless closing), and whether it is the end."""
        first = self._calls.get()
        if first is None:
            return [], True
        calls = [first]
        with suppress(queue.Empty):
            while len(calls) < GROUP_MAX:
                call = self._calls.get_nowait()
                if call is None:
                    return calls, True
                calls.append(call)
        return calls, False

    def _run_group(self, calls: list[_Call]) -> dict[str, object]:
        """Run the calls in one transaction; return the topics to wake. Errors are left in the calls."""
        topics: dict[str, object] = {}
        connection = self._connection
        try:
            connection.execute("BEGIN" if all(call.is_read for call in calls) else "BEGIN IMMEDIATE")
            for call in calls:
                self._run_call(call, topics)
            self._faults.point("store.commit.before")
            connection.execute("COMMIT")
            self._faults.point("store.commit.after")
        except sqlite3.Error as error:
            # A failed statement may have rolled all of it back (disk full): nobody is told yes.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            for call in calls:
                call.error = _translate(error)
            return {}
        return topics

    def _run_call(self, call: _Call, topics: dict[str, object]) -> None:
        connection = self._connection
        tx = _SqliteTx(connection, self._clock.now())
        connection.execute("SAVEPOINT one")
        if call.is_read:
            connection.execute("PRAGMA query_only=1")
        try:
            call.result = call.fn(tx)
            topics |= tx.topics
        except Exception as error:  # it is the caller's: handed back as it is
            if not connection.in_transaction:  # SQLite rolled all of it back: the whole group fails
                raise
            call.error = _translate(error)
            connection.execute("ROLLBACK TO one")
        finally:
            tx.close()
            if call.is_read:
                connection.execute("PRAGMA query_only=0")
        connection.execute("RELEASE one")

    def _answer(self, calls: list[_Call], topics: Mapping[str, object]) -> None:
        loop = calls[0].future.get_loop()
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            loop.call_soon_threadsafe(self._settle, calls, topics)

    def _settle(self, calls: list[_Call], topics: Mapping[str, object]) -> None:
        self._wakes.wake(topics)  # before the callers go on: what they do next may take a while
        for call in calls:
            if call.future.done():  # cancelled while it waited; the write happened all the same
                continue
            if call.error is not None:
                call.future.set_exception(call.error)
            else:
                call.future.set_result(call.result)


class _SqliteTx:
    """See Tx."""

    __slots__ = ("_connection", "now", "topics")

    def __init__(self, connection: sqlite3.Connection, now: datetime) -> None:
        self._connection: sqlite3.Connection | None = connection
        self.now = now
        self.topics: dict[str, object] = {}

    def run(self, sql: str, *params: Value) -> int:
        return self._open.execute(sql, params).rowcount

    def run_many(self, sql: str, rows: Iterable[Sequence[Value]]) -> None:
        self._open.executemany(sql, rows)

    def one(self, sql: str, *params: Value) -> Row | None:
        # All rows are fetched: an INSERT .. RETURNING is only complete when it was stepped to its end.
        rows = self._open.execute(sql, params).fetchall()
        return rows[0] if rows else None

    def all(self, sql: str, *params: Value) -> list[Row]:
        return self._open.execute(sql, params).fetchall()

    def wake(self, topic: str, news: object = None) -> None:
        self.topics[topic] = news

    def close(self) -> None:
        self._connection = None

    @property
    def _open(self) -> sqlite3.Connection:
        assert self._connection is not None, "a Tx was used after its function returned"
        return self._connection


def _connect(path: Path | None) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(
            ":memory:" if path is None else path,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
    except sqlite3.Error as error:
        raise Unavailable(f"The database {path} cannot be opened: {error}.") from error
    return connection


def _migrate(connection: sqlite3.Connection, migrations: Sequence[Migration]) -> None:
    connection.execute(VERSIONS_TABLE)
    applied = connection.execute("SELECT room, version FROM schema_versions").fetchall()
    for migration in missing(migrations, applied):
        connection.execute("BEGIN IMMEDIATE")
        for statement in migration.statements(SERIAL):
            connection.execute(statement)
        connection.execute(
            "INSERT INTO schema_versions VALUES (?, ?) ON CONFLICT (room) DO UPDATE SET version = excluded.version",
            (migration.room, migration.version),
        )
        connection.execute("COMMIT")


def _translate(error: Exception) -> Exception:
    name = getattr(error, "sqlite_errorname", "")
    if name == "SQLITE_FULL":
        return ResourceExhausted("The disk that holds the state directory is full; nothing was changed.")
    if name.startswith("SQLITE_IOERR"):
        return Unavailable(f"The state directory's disk gave an error ({name}); nothing was changed.")
    return error
