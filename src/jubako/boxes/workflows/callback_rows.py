"""Callback endpoints as stored, and the transaction functions that bring a request and an await together.

1. An endpoint has one slot: a request that comes before anybody awaits it is kept; the next one is refused until the
   first was taken. Request and await meet in one transaction, so no request is lost and none is seen twice.
2. Whoever awaits is a row too, with a timer for its end: an execution that waits need not be in memory.

Source: cloud.google.com/workflows/docs/creating-callback-endpoints.
"""

from datetime import timedelta

from jubako.boxes.workflows import execution_rows
from jubako.boxes.workflows.language import EffectDone, EffectFailed, error_map
from jubako.boxes.workflows.seat import decode_outcome, encode_outcome
from jubako.boxes.workflows.states import State
from jubako.core.errors import NotFound, ResourceExhausted
from jubako.core.timestamps import to_micros
from jubako.store import timers
from jubako.store.port import Tx

TIMER = "workflows.callback"


def create(tx: Tx, execution: str, callback: str, method: str) -> None:
    """Add an endpoint of an execution; one that is there already stays."""
    tx.run(
        "INSERT INTO workflow_callbacks (execution, callback, method, payload) VALUES (?, ?, ?, NULL) "
        "ON CONFLICT (execution, callback) DO NOTHING",
        execution,
        callback,
        method,
    )


def method_of(tx: Tx, execution: str, callback: str) -> str:
    """Return the HTTP method that an endpoint takes.

    Raises:
        NotFound: There is no such endpoint, or its execution has ended.

    """
    row = tx.one(
        "SELECT c.method FROM workflow_callbacks c JOIN workflow_executions e ON e.execution = c.execution "
        "WHERE c.execution = ? AND c.callback = ? AND e.state = ?",
        execution,
        callback,
        State.ACTIVE,
    )
    if row is None:
        raise NotFound(f"Callback {callback} does not exist, or its execution has ended.")
    return str(row[0])


def receive(tx: Tx, execution: str, callback: str, payload: str) -> None:
    """Give a request to the longest waiting await, or keep it.

    Args:
        tx: The transaction.
        execution: Id of the execution.
        callback: Id of the endpoint, which exists.
        payload: An encoded outcome without its name (see `encode_outcome`).

    Raises:
        ResourceExhausted: One is kept already.

    """
    waiter = tx.one(
        "SELECT path FROM workflow_callback_waiters WHERE execution = ? AND callback = ? ORDER BY since, path LIMIT 1",
        execution,
        callback,
    )
    if waiter is not None:
        stop_waiting(tx, execution, waiter[0])
        execution_rows.arrive(tx, execution, waiter[0], _named(waiter[0], payload))
        return
    kept = tx.run(
        "UPDATE workflow_callbacks SET payload = ? WHERE execution = ? AND callback = ? AND payload IS NULL",
        payload,
        execution,
        callback,
    )
    if not kept:
        raise ResourceExhausted("A callback that came before is not consumed yet; send this one again later.")


def wait(tx: Tx, execution: str, path: str, callback: str, timeout: timedelta) -> None:
    """Have the effect ``path`` answered by a request to the endpoint, or by a TimeoutError.

    A wait that has begun, or is answered already, stays as it is.
    """
    if is_waiting(tx, execution, path) or execution_rows.has_arrived(tx, execution, path):
        return
    row = tx.one(
        "SELECT payload FROM workflow_callbacks WHERE execution = ? AND callback = ?", execution, callback
    )
    if row is None:
        problem = error_map("ValueError", "callback is not one that this execution has created")
        execution_rows.arrive(tx, execution, path, encode_outcome(EffectFailed(path, problem)))
        return
    if row[0] is not None:
        tx.run(
            "UPDATE workflow_callbacks SET payload = NULL WHERE execution = ? AND callback = ?",
            execution,
            callback,
        )
        execution_rows.arrive(tx, execution, path, _named(path, row[0]))
        return
    tx.run(
        "INSERT INTO workflow_callback_waiters (execution, path, callback, since) VALUES (?, ?, ?, ?)",
        execution,
        path,
        callback,
        to_micros(tx.now),
    )
    timers.schedule(tx, TIMER, f"{execution} {path}", tx.now + timeout)


def is_waiting(tx: Tx, execution: str, path: str) -> bool:
    """Return whether this effect awaits a callback."""
    found = tx.one(
        "SELECT 1 FROM workflow_callback_waiters WHERE execution = ? AND path = ?", execution, path
    )
    return found is not None


def stop_waiting(tx: Tx, execution: str, path: str) -> None:
    """Forget an await; nothing happens if there is none."""
    tx.run("DELETE FROM workflow_callback_waiters WHERE execution = ? AND path = ?", execution, path)
    timers.cancel(tx, TIMER, f"{execution} {path}")


def time_out(tx: Tx, timer: timers.Timer) -> None:
    """Timer handler: nobody called in time."""
    execution, _, path = timer.key.partition(" ")
    if not is_waiting(tx, execution, path):
        return
    stop_waiting(tx, execution, path)
    problem = error_map("TimeoutError", "no callback came in time")
    execution_rows.arrive(tx, execution, path, encode_outcome(EffectFailed(path, problem)))


def drop_all(tx: Tx, execution: str) -> None:
    """Remove the endpoints of an execution that has ended."""
    for row in tx.all("SELECT path FROM workflow_callback_waiters WHERE execution = ?", execution):
        stop_waiting(tx, execution, row[0])
    tx.run("DELETE FROM workflow_callbacks WHERE execution = ?", execution)


def listed(tx: Tx, execution: str, after: str, limit: int) -> list[tuple[str, str, bool, int]]:
    """Return ``(callback, method, whether a request is kept, awaits)`` behind the id ``after``, by id."""
    rows = tx.all(
        "SELECT callback, method, payload IS NOT NULL, (SELECT COUNT(*) FROM workflow_callback_waiters w "
        "WHERE w.execution = c.execution AND w.callback = c.callback) "
        "FROM workflow_callbacks c WHERE execution = ? AND callback > ? ORDER BY callback LIMIT ?",
        execution,
        after,
        limit,
    )
    return [(callback, method, bool(kept), waiters) for callback, method, kept, waiters in rows]


def request_outcome(value: dict[str, object]) -> str:
    """Return the payload to keep for what `await_callback` will return."""
    return encode_outcome(EffectDone("", value))


def _named(path: str, payload: str) -> str:
    outcome = decode_outcome(payload)
    assert isinstance(outcome, EffectDone)
    return encode_outcome(EffectDone(path, outcome.value))
