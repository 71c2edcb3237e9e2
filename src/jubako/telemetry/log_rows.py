"""Log entries as stored: written once, read in the order of time, forgotten after a month.

An entry that comes twice - same log, time and insert id - is stored once, so that a client may repeat a write whose
reply was lost. Source: google/logging/v2/log_entry.proto, ``insert_id``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from jubako.core.clock import Clock
from jubako.core.timestamps import to_micros
from jubako.store import inserting
from jubako.store.port import Store, Tx, Value

RETENTION = timedelta(days=30)
"""Source: Cloud Logging, "Quotas and limits", retention of the bucket _Default."""
SWEEP_EVERY = timedelta(days=1)
_SWEPT_ROWS = 5_000
"""Rows of one transaction: others want to write too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRow:
    """One entry."""

    project: str
    time_us: int
    insert_id: str
    log_id: str
    """Of the log's name what follows ``logs/``, percent-encoded."""
    resource_type: str
    document: str
    """The LogEntry in JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which entries are read."""

    project: str
    since_us: int
    until_us: int
    """Both bounds belong to it."""
    resource_type: str | None
    newest_first: bool


def insert(tx: Tx, rows: Iterable[LogRow]) -> None:
    """Store entries; those that are stored already stay as they are."""
    inserting.insert(
        tx,
        "log_entries (project, time, insert_id, log_id, resource_type, document)",
        [(r.project, r.time_us, r.insert_id, r.log_id, r.resource_type, r.document) for r in rows],
        "ON CONFLICT (project, time, insert_id, log_id) DO NOTHING",
    )


def read(
    tx: Tx, part: Part, after: tuple[int, str, str] | None, limit: int
) -> list[tuple[int, str, str, str]]:
    """Return at most ``limit`` rows (time, insert id, log id, document) that stand behind ``after`` in their order."""
    way, than = ("DESC", "<") if part.newest_first else ("ASC", ">")
    params: list[Value] = [part.project, part.since_us, part.until_us]
    where = "project = ? AND time >= ? AND time <= ?"
    if part.resource_type is not None:
        where = f"{where} AND resource_type = ?"
        params.append(part.resource_type)
    if after is not None:
        where = f"{where} AND (time, insert_id, log_id) {than} (?, ?, ?)"
        params += after
    found = tx.all(
        f"SELECT time, insert_id, log_id, document FROM log_entries WHERE {where} "  # noqa: S608 - constants
        f"ORDER BY time {way}, insert_id {way}, log_id {way} LIMIT ?",
        *params,
        limit,
    )
    return [(row[0], row[1], row[2], row[3]) for row in found]


def log_ids(tx: Tx, project: str) -> list[str]:
    """Return the logs that have entries."""
    return [
        str(row[0]) for row in tx.all("SELECT DISTINCT log_id FROM log_entries WHERE project = ?", project)
    ]


def delete_log(tx: Tx, project: str, log_id: str) -> int:
    """Forget all entries of a log; return how many there were."""
    return tx.run("DELETE FROM log_entries WHERE project = ? AND log_id = ?", project, log_id)


async def keep_swept(store: Store, clock: Clock) -> None:
    """Forget old entries now and once a day, until cancelled."""
    while True:
        before = to_micros(clock.now() - RETENTION)
        while await store.write(partial(_sweep, before_us=before)) == _SWEPT_ROWS:
            pass
        await clock.sleep_until(clock.now() + SWEEP_EVERY)


def _sweep(tx: Tx, before_us: int) -> int:
    old: Sequence[tuple[object, ...]] = tx.all(
        "SELECT project, time, insert_id, log_id FROM log_entries WHERE time < ? LIMIT ?",
        before_us,
        _SWEPT_ROWS,
    )
    tx.run_many(
        "DELETE FROM log_entries WHERE project = ? AND time = ? AND insert_id = ? AND log_id = ?",
        old,  # type: ignore[arg-type] # values as the store gave them out
    )
    return len(old)
