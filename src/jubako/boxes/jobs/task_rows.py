"""What is stored of tasks and attempts: reading it, storing it, and claiming attempts.

A claim is durable before the attempt is handed to the runtime; so after any crash every process that may exist has a
row that says ``queued`` or ``running``.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from jubako.boxes.jobs import states
from jubako.boxes.jobs.rows import ExecutionRow
from jubako.boxes.jobs.states import Counts, ExecutionState, Outcome, Task, TaskState
from jubako.core.timestamps import to_micros
from jubako.runtime.port import Reason
from jubako.store.port import Row, Tx, Value

ID_PREFIX = "jobs"
_CHUNK = 256


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
    "reason, exit_code, term_signal, detail, output_bytes FROM job_tasks WHERE execution_uid = ?"
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
    output_bytes: int | None = None
    """How much it wrote, if it has ended and that was seen."""


def spans(tx: Tx, execution_uid: str, index: int | None = None) -> list[AttemptSpan]:
    """Return every attempt of an execution, or of one of its tasks, that was claimed so far."""
    # A pending task's own attempt is not claimed yet, and nor is one that was cancelled while it waited.
    now = tx.all(
        "SELECT task_index, attempt, attempt_started, completed, CASE WHEN completed IS NOT NULL THEN output_bytes END "
        "FROM job_tasks WHERE execution_uid = ? "
        "AND (? IS NULL OR task_index = ?) AND (attempt_started IS NOT NULL OR state IN ('queued', 'running'))",
        execution_uid, index, index,
    )  # fmt: skip
    past = tx.all(
        "SELECT task_index, attempt, started, ended, output_bytes FROM job_attempts WHERE execution_uid = ? "
        "AND (? IS NULL OR task_index = ?)",
        execution_uid, index, index,
    )  # fmt: skip
    return [
        AttemptSpan(index=at, number=number, started_us=started, ended_us=ended, output_bytes=written)
        for at, number, started, ended, written in sorted(past + now, key=lambda row: row[:2])
    ]


def running(tx: Tx, execution_uid: str, limit: int) -> list[AttemptSpan]:
    """Return the attempts that run now, by index, at most ``limit``."""
    rows = tx.all(
        "SELECT task_index, attempt, attempt_started FROM job_tasks WHERE execution_uid = ? AND state = 'running' "
        "ORDER BY task_index LIMIT ?",
        execution_uid, limit,
    )  # fmt: skip
    return [AttemptSpan(index=at, number=n, started_us=started, ended_us=None) for at, n, started in rows]


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


def still_queued(tx: Tx, attempts: Iterable[Attempt]) -> list[Attempt]:
    """Return those of them that are claimed and have neither started nor ended."""
    query = "SELECT state, attempt FROM job_tasks WHERE execution_uid = ? AND task_index = ?"
    return [
        attempt
        for attempt in attempts
        if tx.one(query, attempt.execution_uid, attempt.index) == (TaskState.QUEUED, attempt.number)
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


def claim_first(tx: Tx, execution: ExecutionRow, slots: int) -> list[Attempt]:
    """Claim the first attempts of a new execution, as if there were many executions beside it."""
    limit = states.effective_parallelism(execution.parallelism, execution.task_count, slots)
    quota = states.claim_quota(execution.counts, limit, states.CLAIM_AHEAD_TOTAL)
    return _claim_tasks(tx, execution.uid, quota)


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


def load(tx: Tx, execution_uid: str, indexes: set[int]) -> dict[int, Task]:
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


def store(tx: Tx, execution_uid: str, tasks: Iterable[Task]) -> None:
    """Store tasks as they now are."""
    tx.run_many(
        "UPDATE job_tasks SET state = ?, attempt = ?, retries = ?, started = ?, attempt_started = ?, completed = ?, "
        "reason = ?, exit_code = ?, term_signal = ?, detail = ?, output_bytes = ? "
        "WHERE execution_uid = ? AND task_index = ?",
        (_columns(task, execution_uid) for task in tasks),
    )


def _columns(task: Task, execution_uid: str) -> tuple[Value, ...]:
    outcome = task.outcome
    ended: tuple[Value, ...] = (None, None, None, None, None)
    if outcome is not None:
        ended = (
            outcome.reason, outcome.exit_code, outcome.term_signal, outcome.detail, outcome.output_bytes,
        )  # fmt: skip
    return (
        task.state, task.attempt, task.retries, task.started_us, task.attempt_started_us, task.completed_us,
        *ended, execution_uid, task.index,
    )  # fmt: skip


def _task(row: Row) -> Task:
    outcome = None
    if row[8] is not None:
        outcome = Outcome(
            reason=Reason(row[8]), exit_code=row[9], term_signal=row[10], detail=row[11], output_bytes=row[12]
        )
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
