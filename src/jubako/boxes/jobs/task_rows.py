"""What is stored of tasks and attempts, and the transaction functions that move it: claim, apply, cancel.

1. A claim is durable before the attempt is handed to the runtime; so after any crash every process that may exist
   has a row that says ``queued`` or ``running``.
2. An event changes a task only if it is about the attempt that is under way; late, repeated and unknown events
   change nothing.
3. Counts and the final state of an execution move in the transaction that moves its tasks, and so do the
   operations that wait for it (``finish``).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from jubako.boxes.jobs import states
from jubako.boxes.jobs.rows import TOPIC, ExecutionRow, find_execution, update_progress
from jubako.boxes.jobs.states import Counts, ExecutionEvent, ExecutionState, Outcome, Policy, Task, TaskState
from jubako.core.timestamps import to_micros
from jubako.runtime.port import AttemptEvent, Reason, Started
from jubako.store.port import Row, Tx, Value

ID_PREFIX = "jobs"
_CHUNK = 256

Finish = Callable[[Tx, ExecutionRow], None]
"""``finish(tx, execution)`` is called once for an execution that has become final."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt under way."""

    execution_uid: str
    index: int
    number: int
    has_started: bool = False
    is_cancelled: bool = False
    """Whether its execution is being cancelled."""

    @property
    def id(self) -> str:
        """Its id at the runtime."""
        return f"{ID_PREFIX}/{self.execution_uid}/{self.index}/{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PastAttempt:
    """One attempt that ended and was followed by another."""

    number: int
    started_us: int | None
    ended_us: int
    outcome: Outcome


_SELECT_TASK = (
    "SELECT task_index, state, attempt, retries, scheduled, started, attempt_started, completed, "
    "reason, exit_code, term_signal, detail FROM job_tasks WHERE execution_uid = ?"
)


def get_task(tx: Tx, execution_uid: str, index: int) -> Task | None:
    """Return one task, or None."""
    row = tx.one(f"{_SELECT_TASK} AND task_index = ?", execution_uid, index)
    return None if row is None else _task(row)


def list_tasks(tx: Tx, execution_uid: str, first: int, size: int) -> list[Task]:
    """Return at most ``size`` tasks in order of index, from the index ``first`` on."""
    rows = tx.all(
        f"{_SELECT_TASK} AND task_index >= ? ORDER BY task_index LIMIT ?",
        execution_uid, first, size,
    )  # fmt: skip
    return [_task(row) for row in rows]


def past_attempts(tx: Tx, execution_uid: str, index: int) -> list[PastAttempt]:
    """Return the attempts of a task that were followed by another, oldest first."""
    rows = tx.all(
        "SELECT attempt, started, ended, reason, exit_code, term_signal, detail FROM job_attempts "
        "WHERE execution_uid = ? AND task_index = ? ORDER BY attempt",
        execution_uid, index,
    )  # fmt: skip
    return [
        PastAttempt(
            number=number,
            started_us=started,
            ended_us=ended,
            outcome=Outcome(reason=Reason(reason), exit_code=code, term_signal=signal, detail=detail),
        )
        for number, started, ended, reason, code, signal, detail in rows
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptSpan:
    """One attempt that has been claimed, and when it lived."""

    index: int
    number: int
    started_us: int | None
    ended_us: int | None


def spans(tx: Tx, execution_uid: str, index: int | None = None) -> list[AttemptSpan]:
    """Return every attempt of an execution, or of one of its tasks, that was claimed so far."""
    # A pending task's own attempt is not claimed yet, and nor is one that was cancelled while it waited.
    now = tx.all(
        "SELECT task_index, attempt, attempt_started, completed FROM job_tasks WHERE execution_uid = ? "
        "AND (? IS NULL OR task_index = ?) AND (attempt_started IS NOT NULL OR state IN ('queued', 'running'))",
        execution_uid, index, index,
    )  # fmt: skip
    past = tx.all(
        "SELECT task_index, attempt, started, ended FROM job_attempts WHERE execution_uid = ? "
        "AND (? IS NULL OR task_index = ?)",
        execution_uid, index, index,
    )  # fmt: skip
    return [
        AttemptSpan(index=at, number=number, started_us=started, ended_us=ended)
        for at, number, started, ended in sorted(past + now)
    ]


def states_of(tx: Tx, execution_uid: str) -> list[TaskState]:
    """Return the state of every task, by index."""
    rows = tx.all("SELECT state FROM job_tasks WHERE execution_uid = ? ORDER BY task_index", execution_uid)
    return [TaskState(state) for (state,) in rows]


def under_way(tx: Tx) -> list[Attempt]:
    """Return every attempt that is claimed and has not ended, by execution and index."""
    found = []
    for uid, state in tx.all(
        "SELECT uid, state FROM job_executions WHERE state IN ('active', 'cancelling') ORDER BY created"
    ):
        found += under_way_of(tx, uid, is_cancelled=state == ExecutionState.CANCELLING)
    return found


def under_way_of(tx: Tx, execution_uid: str, *, is_cancelled: bool) -> list[Attempt]:
    """Return the attempts of one execution that are claimed and have not ended."""
    rows = tx.all(
        "SELECT task_index, attempt, state FROM job_tasks WHERE execution_uid = ? "
        "AND state IN ('queued', 'running') ORDER BY task_index",
        execution_uid,
    )
    return [
        Attempt(
            execution_uid=execution_uid,
            index=index,
            number=number,
            has_started=state == TaskState.RUNNING,
            is_cancelled=is_cancelled,
        )
        for index, number, state in rows
    ]


def cancelling(tx: Tx) -> list[str]:
    """Return the uids of the executions that are being cancelled."""
    rows = tx.all(
        "SELECT uid FROM job_executions WHERE state IN ('active', 'cancelling') AND state = 'cancelling'"
    )
    return [str(uid) for (uid,) in rows]


def claim(tx: Tx, slots: int) -> list[Attempt]:
    """Claim attempts of the active executions, as many of each as ``states.claim_quota`` says."""
    # The IN repeats the condition of the partial index, without which it would not be used.
    waiting = tx.all(
        "SELECT uid, task_count, parallelism, pending, queued, running FROM job_executions "
        "WHERE state IN ('active', 'cancelling') AND state = 'active' AND pending > 0 ORDER BY created"
    )
    claimed: list[Attempt] = []
    for uid, task_count, parallelism, pending, queued, running in waiting:
        counts = Counts(pending=pending, queued=queued, running=running)
        limit = states.effective_parallelism(parallelism, task_count, slots)
        quota = states.claim_quota(counts, limit, len(waiting))
        if quota:
            claimed += _claim_tasks(tx, uid, quota)
    return claimed


def _claim_tasks(tx: Tx, execution_uid: str, quota: int) -> list[Attempt]:
    now = to_micros(tx.now)
    rows = tx.all(
        "UPDATE job_tasks SET state = 'queued', scheduled = COALESCE(scheduled, ?) "
        "WHERE execution_uid = ? AND task_index IN (SELECT task_index FROM job_tasks WHERE execution_uid = ? "
        "AND state = 'pending' ORDER BY task_index LIMIT ?) RETURNING task_index, attempt",
        now, execution_uid, execution_uid, quota,
    )  # fmt: skip
    tx.run(
        "UPDATE job_executions SET pending = pending - ?, queued = queued + ?, updated = ? WHERE uid = ?",
        len(rows), len(rows), now, execution_uid,
    )  # fmt: skip
    return [
        Attempt(execution_uid=execution_uid, index=index, number=number) for index, number in sorted(rows)
    ]


def apply(tx: Tx, events: Iterable[AttemptEvent], slots: int, finish: Finish) -> None:
    """Let the events of the runtime take effect; those that are not about a job's attempt under way have none."""
    for uid, news in _by_execution(events).items():
        execution = find_execution(tx, uid)
        if execution is not None and execution.state not in states.EXECUTION_FINAL:
            _apply_to(tx, execution, news, slots, finish)


_News = list[tuple[int, int, AttemptEvent]]


def _by_execution(events: Iterable[AttemptEvent]) -> dict[str, _News]:
    grouped: dict[str, _News] = {}
    for event in events:
        parts = event.id.split("/")
        if len(parts) == 4 and parts[0] == ID_PREFIX and parts[2].isdecimal() and parts[3].isdecimal():
            grouped.setdefault(parts[1], []).append((int(parts[2]), int(parts[3]), event))
    return grouped


def _apply_to(tx: Tx, execution: ExecutionRow, news: _News, slots: int, finish: Finish) -> None:
    before = _load(tx, execution.uid, {index for index, _, _ in news})
    changes = _Changes(before, execution, to_micros(tx.now))
    for index, attempt, event in news:
        changes.take(index, attempt, event)
    if not changes.changed:
        return
    _store(tx, execution.uid, [changes.tasks[index] for index in sorted(changes.changed)])
    tx.run_many(
        "INSERT INTO job_attempts (execution_uid, task_index, attempt, started, ended, reason, exit_code, "
        "term_signal, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        changes.history,
    )
    _conclude(tx, changes.execution, finish)
    limit = states.effective_parallelism(execution.parallelism, execution.task_count, slots)
    if states.claim_quota(changes.execution.counts, limit, 1):
        tx.wake(TOPIC)


class _Changes:
    """Folds events into the tasks and the execution they are about."""

    def __init__(self, tasks: dict[int, Task], execution: ExecutionRow, now_us: int) -> None:
        self.tasks = tasks
        self.changed: set[int] = set()
        self.history: list[tuple[Value, ...]] = []
        self.execution = replace(execution, updated_us=now_us)
        self._policy = Policy(
            retries_max=execution.retries_max, is_cancelling=execution.state is ExecutionState.CANCELLING
        )

    def take(self, index: int, attempt: int, event: AttemptEvent) -> None:
        """Let one event take effect."""
        before = self.tasks.get(index)
        if before is None:
            return
        time_us = to_micros(event.time)
        if isinstance(event, Started):
            after = states.start(before, attempt, time_us)
        else:
            after = states.end(before, attempt, event, time_us, self._policy)
        if after is before:
            return
        if after.attempt != before.attempt:
            self._remember(before, after, time_us)
        self.tasks[index] = after
        self.changed.add(index)
        self.execution = _progressed(self.execution, before, after)

    def _remember(self, before: Task, after: Task, time_us: int) -> None:
        outcome = after.outcome
        assert outcome is not None, after
        self.history.append(
            (
                self.execution.uid, before.index, before.attempt, before.attempt_started_us, time_us,
                outcome.reason, outcome.exit_code, outcome.term_signal, outcome.detail,
            )
        )  # fmt: skip


def _progressed(execution: ExecutionRow, before: Task, after: Task) -> ExecutionRow:
    started, failed = execution.started_us, execution.failed_task
    if started is None:
        started = after.started_us
    if failed is None and after.state is TaskState.FAILED:
        failed = after.index
    counts = states.recount(execution.counts, before, after)
    return replace(execution, counts=counts, started_us=started, failed_task=failed)


def cancel(tx: Tx, execution: ExecutionRow, operation: str, finish: Finish) -> ExecutionRow:
    """Begin to cancel an active execution: what is not claimed is cancelled at once.

    Raises:
        FailedPrecondition: It is not active.

    """
    state = states.move_execution(execution.state, ExecutionEvent.CANCEL)
    now = to_micros(tx.now)
    # The next attempt of a task that waits for a retry never came to be: its last one is the one before.
    cancelled = tx.run(
        "UPDATE job_tasks SET state = 'cancelled', completed = ?, "
        "attempt = CASE WHEN attempt > 0 THEN attempt - 1 ELSE 0 END WHERE execution_uid = ? AND state = 'pending'",
        now, execution.uid,
    )  # fmt: skip
    counts = execution.counts
    assert cancelled == counts.pending, (cancelled, counts)
    counts = replace(counts, pending=0, cancelled=counts.cancelled + cancelled)
    tx.wake(TOPIC)
    return _conclude(
        tx, replace(execution, state=state, updated_us=now, counts=counts, cancel_operation=operation), finish
    )


def _conclude(tx: Tx, execution: ExecutionRow, finish: Finish) -> ExecutionRow:
    """Store the progress of an execution, and finish it if its counts say so."""
    event = states.verdict(execution.counts)
    if event is None:
        update_progress(tx, execution)
        return execution
    state = states.move_execution(execution.state, event)
    execution = replace(execution, state=state, completed_us=to_micros(tx.now))
    update_progress(tx, execution)
    finish(tx, execution)
    return execution


def _load(tx: Tx, execution_uid: str, indexes: set[int]) -> dict[int, Task]:
    """Return these tasks by index, in few statements whose text is always the same."""
    tasks = {}
    for chunk in _chunks(sorted(indexes)):
        marks = ", ".join("?" * _CHUNK)
        padded = [*chunk, *([-1] * (_CHUNK - len(chunk)))]
        for row in tx.all(
            f"{_SELECT_TASK} AND task_index IN ({marks})",
            execution_uid, *padded,
        ):  # fmt: skip
            tasks[row[0]] = _task(row)
    return tasks


def _chunks(indexes: Sequence[int]) -> Iterator[Sequence[int]]:
    for first in range(0, len(indexes), _CHUNK):
        yield indexes[first : first + _CHUNK]


def _store(tx: Tx, execution_uid: str, tasks: Iterable[Task]) -> None:
    tx.run_many(
        "UPDATE job_tasks SET state = ?, attempt = ?, retries = ?, started = ?, attempt_started = ?, completed = ?, "
        "reason = ?, exit_code = ?, term_signal = ?, detail = ? WHERE execution_uid = ? AND task_index = ?",
        (_columns(task, execution_uid) for task in tasks),
    )


def _columns(task: Task, execution_uid: str) -> tuple[Value, ...]:
    outcome = task.outcome
    ended: tuple[Value, ...] = (None, None, None, None)
    if outcome is not None:
        ended = (outcome.reason, outcome.exit_code, outcome.term_signal, outcome.detail)
    return (
        task.state, task.attempt, task.retries, task.started_us, task.attempt_started_us, task.completed_us,
        *ended, execution_uid, task.index,
    )  # fmt: skip


def _task(row: Row) -> Task:
    outcome = None
    if row[8] is not None:
        outcome = Outcome(reason=Reason(row[8]), exit_code=row[9], term_signal=row[10], detail=row[11])
    return Task(
        index=row[0],
        state=TaskState(row[1]),
        attempt=row[2],
        retries=row[3],
        scheduled_us=row[4],
        started_us=row[5],
        attempt_started_us=row[6],
        completed_us=row[7],
        outcome=outcome,
    )
