"""Errands that wait, as stored: when each is due, what hastens it, and how it stands.

``due`` is an instant, or negative: at once. Hastening makes it another negative number each time, so that whoever
looked meanwhile sees that there is more to see, whatever the clock says.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from jubako.boxes.workflows.errands import Errand, decoded
from jubako.core.timestamps import from_micros, to_micros
from jubako.store.port import Tx

TOPIC = "workflows.polls"
_SOONER = "due = CASE WHEN due < 0 THEN due - 1 ELSE -1 END"


@dataclass(frozen=True, slots=True)
class Due:
    """An errand whose time has come."""

    execution: str
    path: str
    """Full name of its effect."""
    due: int
    """As stored."""
    errand: Errand


def begin(tx: Tx, execution: str, path: str, errand: Errand) -> None:
    """Have the errand go on when it is due."""
    tx.run(
        "INSERT INTO workflow_polls (execution, path, due, topic, state) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (execution, path) DO NOTHING",
        execution,
        path,
        to_micros(errand.due),
        errand.topic,
        errand.encoded(),
    )
    tx.wake(TOPIC)


def paths(tx: Tx, execution: str) -> list[str]:
    """Return the effects of an execution that wait here."""
    return [row[0] for row in tx.all("SELECT path FROM workflow_polls WHERE execution = ?", execution)]


def drop_all(tx: Tx, execution: str) -> None:
    """Forget what an execution waits for: it has ended."""
    tx.run("DELETE FROM workflow_polls WHERE execution = ?", execution)


def due_and_next(tx: Tx, limit: int) -> tuple[list[Due], datetime | None]:
    """Return the errands that are due, the longest waiting first, and when the next one behind them will be."""
    now = to_micros(tx.now)
    rows = tx.all(
        "SELECT execution, path, due, topic, state FROM workflow_polls WHERE due <= ? ORDER BY due LIMIT ?",
        now,
        limit,
    )
    due = [
        Due(execution, path, due, decoded(state, from_micros(due), topic))
        for execution, path, due, topic, state in rows
    ]
    row = tx.one("SELECT MIN(due) FROM workflow_polls WHERE due > ?", now)
    return due, None if row is None or row[0] is None else from_micros(row[0])


def next_due(tx: Tx) -> datetime | None:
    """Return when the first errand behind ``tx.now`` is due."""
    return due_and_next(tx, 0)[1]


def is_due(tx: Tx) -> bool:
    """Return whether an errand is due that has not been looked at."""
    return tx.one("SELECT 1 FROM workflow_polls WHERE due <= ? LIMIT 1", to_micros(tx.now)) is not None


def wait_on(tx: Tx, looked: Due, errand: Errand) -> None:
    """Record how an errand waits after a step; it stays due if it was hastened meanwhile."""
    tx.run(
        "UPDATE workflow_polls SET state = ?, topic = ?, due = CASE WHEN due = ? THEN ? ELSE due END "
        "WHERE execution = ? AND path = ?",
        errand.encoded(),
        errand.topic,
        looked.due,
        to_micros(errand.due),
        looked.execution,
        looked.path,
    )
    tx.wake(TOPIC)


def end(tx: Tx, looked: Due) -> bool:
    """Remove an errand that has its outcome; return False if it was dropped meanwhile."""
    tx.wake(TOPIC)
    return bool(
        tx.run("DELETE FROM workflow_polls WHERE execution = ? AND path = ?", looked.execution, looked.path)
    )


def hasten(tx: Tx, topics: Iterable[str]) -> None:
    """Have those that wait for one of ``topics`` look at once."""
    for topic in topics:
        if tx.run(f"UPDATE workflow_polls SET {_SOONER} WHERE topic = ?", topic):
            tx.wake(TOPIC)


def hasten_all(tx: Tx) -> None:
    """Have all that wait for some topic look at once: it may have been woken while nobody listened."""
    if tx.run(f"UPDATE workflow_polls SET {_SOONER} WHERE topic > ''"):
        tx.wake(TOPIC)
