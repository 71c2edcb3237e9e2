"""Executions as stored, and the transaction functions that move them.

1. ``workflow_executions.document`` is the Execution of the API; state and steps stand beside it because they change
   often. ``needs_engine`` is 1 while the engine has something to do for the execution; one that only waits is
   parked (0) until what it waits for brings it back. ``workflow_snapshots`` has the machine's state.
2. ``workflow_journal`` holds the outcomes of effects in the order in which they were fed to the machine.
3. ``workflow_arrivals`` holds outcomes that came from outside (a timer, later a callback) and wait to be fed.
"""

import json
from collections.abc import Mapping, Sequence
from copy import copy
from datetime import datetime

from jubako.boxes.workflows import backlog, poll_rows
from jubako.boxes.workflows.loaded import Loaded
from jubako.boxes.workflows.resources import Execution, Workflow
from jubako.boxes.workflows.rows import find_revision
from jubako.boxes.workflows.states import Event, State, after
from jubako.core.errors import NotFound
from jubako.core.names import WORKFLOW, WORKFLOW_EXECUTION
from jubako.core.timestamps import to_micros
from jubako.store.inserting import among, insert
from jubako.store.port import Tx
from jubako.wire.codec import decode, encode

TOPIC = "workflows"
"""Woken when some execution ends."""
READY = "workflows.ready/"
"""Prefix of the topics, one for each execution, that are woken when the engine has something to do for it.

The news of one that was just created is what ``load`` would return, as long as nothing else has happened to it."""


def execution_topic(execution: str) -> str:
    """Return the topic that is woken when this execution ends; its news is the Execution."""
    return f"workflows/{execution}"


def create_execution(tx: Tx, workflow_uid: str, execution: Execution, revision: Workflow) -> None:
    """Add an execution of a workflow's ``revision`` that is ACTIVE or QUEUED; the engine is woken."""
    state = State(execution.state.name)
    name = WORKFLOW_EXECUTION.parse(execution.name)
    tx.run(
        "INSERT INTO workflow_executions (project, location, workflow, execution, workflow_uid, state, needs_engine, "
        "start_time, document, current_steps) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '[]')",
        *name.values(),
        workflow_uid,
        state,
        int(state is State.ACTIVE),
        to_micros(tx.now),
        _json(execution),
    )
    insert(
        tx,
        "workflow_execution_labels (execution, key, value)",
        [(name["execution"], key, value) for key, value in execution.labels.items()],
    )
    if state is State.ACTIVE:
        backlog.count_active(tx, 1)
        tx.wake(READY + name["execution"], Loaded.of_new(execution, revision))


def find_execution(tx: Tx, name: str) -> Execution:
    """Return the execution with its steps as they are now.

    Raises:
        InvalidArgument: ``name`` is no execution's name.
        NotFound: There is none.

    """
    row = tx.one(
        "SELECT document, current_steps FROM workflow_executions "
        "WHERE project = ? AND location = ? AND workflow = ? AND execution = ?",
        *WORKFLOW_EXECUTION.parse(name).values(),
    )
    if row is None:
        raise NotFound(f"Execution {name} does not exist.")
    return _execution(*row)


def by_id(tx: Tx, execution: str) -> Execution:
    """Return an execution that exists."""
    row = tx.one("SELECT document, current_steps FROM workflow_executions WHERE execution = ?", execution)
    assert row is not None, execution
    return _execution(*row)


def list_executions(
    tx: Tx,
    workflow: str,
    before: tuple[int, str],
    limit: int,
    labels: Mapping[str, str],
    *,
    oldest_first: bool = False,
) -> list[tuple[int, Execution]]:
    """Return at most ``limit`` executions of a workflow, newest first, with their start in microseconds.

    Args:
        tx: The transaction.
        workflow: Its name.
        before: (start, id) of the last one of the page before, or something beyond all.
        limit: How many.
        labels: Only those that carry all of these.
        oldest_first: The other way round; ``before`` is then something before all.

    """
    place = WORKFLOW.parse(workflow, "parent").values()
    # A label is found by its index row, so that looking one reception up does not read all executions.
    having = "".join(
        " AND EXISTS (SELECT 1 FROM workflow_execution_labels l WHERE l.execution = e.execution "
        "AND l.key = ? AND l.value = ?)"
        for _ in labels
    )
    order, sign = ("ASC", ">") if oldest_first else ("DESC", "<")
    rows = tx.all(
        "SELECT start_time, document, current_steps FROM workflow_executions e "
        f"WHERE project = ? AND location = ? AND workflow = ? AND (start_time, execution) {sign} (?, ?)"
        f"{having} ORDER BY start_time {order}, execution {order} LIMIT ?",
        *place,
        *before,
        *(part for label in labels.items() for part in label),
        limit,
    )
    return [(start, _execution(document, steps)) for start, document, steps in rows]


def waiting(tx: Tx) -> list[str]:
    """Return the ids of the executions for which the engine has something to do, oldest first."""
    rows = tx.all("SELECT execution FROM workflow_executions WHERE needs_engine = 1 ORDER BY start_time")
    return [row[0] for row in rows]


def load(tx: Tx, execution: str) -> Loaded | None:
    """Return what the engine needs, or None if there is nothing to do."""
    row = tx.one(
        "SELECT e.workflow_uid, e.state, e.document, s.state, COALESCE(s.seq, 0), e.current_steps "
        "FROM workflow_executions e LEFT JOIN workflow_snapshots s ON s.execution = e.execution "
        "WHERE e.execution = ? AND e.needs_engine = 1",
        execution,
    )
    if row is None:
        return None
    workflow_uid, state, document, snapshot, snapshot_seq, current_steps = row
    told = decode(Execution, document)
    outcomes = tx.all(
        "SELECT outcome FROM workflow_journal WHERE execution = ? AND seq > ? ORDER BY seq",
        execution,
        snapshot_seq,
    )
    return Loaded(
        id=execution,
        document=told,
        state=State(state),
        workflow=find_revision(tx, workflow_uid, told.workflow_revision_id),
        snapshot=snapshot,
        seq=snapshot_seq + len(outcomes),
        outcomes=[outcome[0] for outcome in outcomes],
        arrivals=arrivals(tx, execution),
        current_steps=current_steps,
    )


def state_of(tx: Tx, execution: str) -> State:
    """Return the state of an execution that exists."""
    row = tx.one("SELECT state FROM workflow_executions WHERE execution = ?", execution)
    assert row is not None, execution
    return State(row[0])


def active_among(tx: Tx, executions: Sequence[str]) -> set[str]:
    """Return which of these executions are active."""
    sql = "SELECT execution, state FROM workflow_executions WHERE execution IN"
    return {row[0] for row in among(tx, sql, executions) if row[1] == State.ACTIVE}


JournalRow = tuple[str, int, int, str]
"""Execution, number of the outcome, time in microseconds since 1970, outcome."""


def journal(tx: Tx, rows: Sequence[JournalRow]) -> None:
    """Append outcomes."""
    insert(tx, "workflow_journal (execution, seq, time, outcome)", rows)


def record_steps(tx: Tx, execution: str, current_steps: str) -> None:
    """Record where an active execution stands, a JSON list of ``{"routine", "step"}``."""
    tx.run(
        "UPDATE workflow_executions SET current_steps = ? WHERE execution = ?",
        current_steps,
        execution,
    )


def record_snapshot(tx: Tx, execution: str, seq: int, snapshot: str) -> None:
    """Record the machine's state after ``seq`` outcomes; the journal before it is not read again."""
    tx.run(
        "INSERT INTO workflow_snapshots (execution, seq, state) VALUES (?, ?, ?) "
        "ON CONFLICT (execution) DO UPDATE SET seq = excluded.seq, state = excluded.state",
        execution,
        seq,
        snapshot,
    )


def finish(tx: Tx, execution: Execution, state: State, *, was: State, needs_engine: bool) -> None:
    """Record a final state; ``needs_engine`` if it must still clean up behind it."""
    name = WORKFLOW_EXECUTION.parse(execution.name)
    if was is State.ACTIVE:
        _make_room(tx)
    tx.run(
        "UPDATE workflow_executions SET state = ?, needs_engine = ?, document = ?, current_steps = '[]', "
        "end_time = ? WHERE execution = ?",
        state,
        int(needs_engine),
        _json(execution),
        to_micros(tx.now),
        name["execution"],
    )
    tx.wake(TOPIC)
    topic = execution_topic(name["execution"])
    told = copy(execution)
    told.status = Execution.Status()  # as ``find_execution`` tells it
    tx.wake(topic, told)
    poll_rows.hasten(tx, [topic])
    if needs_engine:
        tx.wake(READY + name["execution"])


def _make_room(tx: Tx) -> None:
    """One that was active ends: the next one in the backlog begins in its place."""
    following = backlog.next_queued(tx)
    if following is None:
        backlog.count_active(tx, -1)
        return
    execution = by_id(tx, following)
    state = after(State(execution.state.name), Event.BEGIN, execution.name)
    execution.state, execution.start_time = Execution.State[state], tx.now
    tx.run(
        "UPDATE workflow_executions SET state = ?, needs_engine = 1, document = ? WHERE execution = ?",
        state,
        _json(execution),
        following,
    )
    tx.wake(READY + following)


def cancel(tx: Tx, name: str) -> Execution:
    """Cancel an execution at once; it stays open until the engine has cancelled what it started.

    Raises:
        NotFound: There is none.
        FailedPrecondition: It has ended.

    """
    execution = find_execution(tx, name)
    before = State(execution.state.name)
    state = after(before, Event.CANCEL, name)
    execution.state = Execution.State[state]
    finish(tx, ended(execution, tx.now), state, was=before, needs_engine=before is State.ACTIVE)
    return execution


def cancel_some(tx: Tx, workflow_uid: str, limit: int) -> int:
    """Cancel executions of a workflow that have not ended, those in the backlog first, lest they begin.

    Returns:
        How many; fewer than ``limit`` if these were the last.

    """
    rows = tx.all(
        "SELECT document FROM workflow_executions WHERE workflow_uid = ? AND state IN ('QUEUED', 'ACTIVE') "
        "ORDER BY state DESC LIMIT ?",
        workflow_uid,
        limit,
    )
    for row in rows:
        cancel(tx, decode(Execution, row[0]).name)
    return len(rows)


def ended_before(tx: Tx, instant: datetime, limit: int) -> list[str]:
    """Return the ids of executions that ended before ``instant`` and have no work left, the oldest first."""
    rows = tx.all(
        "SELECT execution FROM workflow_executions WHERE end_time < ? AND needs_engine = 0 "
        "ORDER BY end_time LIMIT ?",
        to_micros(instant),
        limit,
    )
    return [row[0] for row in rows]


def close(tx: Tx, execution: str) -> None:
    """Record that the engine has nothing more to do for an execution that has ended."""
    tx.run("UPDATE workflow_executions SET needs_engine = 0 WHERE execution = ?", execution)
    forget(tx, execution)


def forget(tx: Tx, execution: str) -> None:
    """Remove what only an execution that goes on needs."""
    tx.run("DELETE FROM workflow_snapshots WHERE execution = ?", execution)
    tx.run("DELETE FROM workflow_arrivals WHERE execution = ?", execution)


def park(tx: Tx, execution: str) -> bool:
    """Let an execution that waits leave memory, unless something has arrived for it; return whether it may."""
    if tx.one("SELECT 1 FROM workflow_arrivals WHERE execution = ?", execution) is not None:
        return False
    parked = tx.run(
        "UPDATE workflow_executions SET needs_engine = 0 WHERE execution = ? AND state = ?",
        execution,
        State.ACTIVE,
    )
    return bool(parked)


def arrive(tx: Tx, execution: str, path: str, outcome: str) -> None:
    """Keep an outcome that came from outside until it is fed; the first one counts, and none after the end."""
    is_active = tx.run(
        "UPDATE workflow_executions SET needs_engine = 1 WHERE execution = ? AND state = ?",
        execution,
        State.ACTIVE,
    )
    if not is_active:
        return
    tx.run(
        "INSERT INTO workflow_arrivals (execution, path, outcome) VALUES (?, ?, ?) "
        "ON CONFLICT (execution, path) DO NOTHING",
        execution,
        path,
        outcome,
    )
    tx.wake(READY + execution)


def has_arrivals(tx: Tx) -> bool:
    """Return whether an outcome waits to be fed, whatever execution it is of."""
    return tx.one("SELECT 1 FROM workflow_arrivals LIMIT 1") is not None


def arrivals(tx: Tx, execution: str) -> list[tuple[str, str]]:
    """Return ``(path, outcome)`` of what waits."""
    return [
        (path, outcome)
        for path, outcome in tx.all(
            "SELECT path, outcome FROM workflow_arrivals WHERE execution = ? ORDER BY path", execution
        )
    ]


def has_arrived(tx: Tx, execution: str, path: str) -> bool:
    """Return whether an outcome waits for this effect."""
    row = tx.one("SELECT 1 FROM workflow_arrivals WHERE execution = ? AND path = ?", execution, path)
    return row is not None


def take_arrival(tx: Tx, execution: str, path: str) -> None:
    """Remove an arrival: it is in the journal now."""
    tx.run("DELETE FROM workflow_arrivals WHERE execution = ? AND path = ?", execution, path)


def _execution(document: str, current_steps: str) -> Execution:
    execution = decode(Execution, document)
    steps = [Execution.Status.Step(**step) for step in json.loads(current_steps)]
    execution.status = Execution.Status(current_steps=steps)
    return execution


def ended(execution: Execution, at: datetime) -> Execution:
    """Return ``execution`` with its end and duration filled in."""
    execution.end_time = at
    if execution.start_time is not None:
        execution.duration = at - execution.start_time
    return execution


def _json(execution: Execution) -> str:
    return encode(execution).decode()
