"""The state machines of tasks and executions, and the decisions about them. No I/O, no clock.

1. A task moves by ``TASK_MOVES``, an execution by ``EXECUTION_MOVES``; nothing else changes a state.
2. An attempt is numbered from 0. A failed attempt is followed by the next one while the retry budget lasts
   (Cloud Run jobs, "maxRetries": retries per task, 3 if unset). An attempt that was lost - its supervisor died, or
   it was ended by our own shutdown - is followed by the next one too, but is not charged to the budget. After
   ``LOSSES_MAX`` losses the next one fails the task: a task that kills what runs it must come to an end.
3. A task that exhausts its budget does not stop the others: the execution is failed after all tasks have ended
   (Cloud Run, "Create jobs": the execution is marked failed after all tasks have run).
4. A cancelled execution retries nothing. Tasks that no process was claimed for are cancelled at once, the others
   when their process tree is gone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from jubako.core.errors import FailedPrecondition
from jubako.runtime.port import Ended, Reason

CLAIM_AHEAD_MAX = 512
"""How many attempts are handed to the runtime beyond those it may run, so that it never waits for a commit."""
CLAIM_AHEAD_MIN = 16
CLAIM_AHEAD_TOTAL = 8_192
"""Shared by all active executions: bounds what the runtime must remember."""


LOSSES_MAX = 20
"""How many attempts of one task may be lost and followed by another."""


class TaskState(StrEnum):
    """Where a task is; the values are stored."""

    PENDING = "pending"
    """No attempt is claimed: nothing of it can be running."""
    QUEUED = "queued"
    """An attempt is claimed durably and given to the runtime; its process may be about to start."""
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TaskEvent(StrEnum):
    """What happens to a task."""

    CLAIM = "claim"
    START = "start"
    SUCCEED = "succeed"
    RETRY = "retry"
    LOSE = "lose"
    EXHAUST = "exhaust"
    CANCEL = "cancel"


_ATTEMPT_ENDS = {
    TaskEvent.SUCCEED: TaskState.SUCCEEDED,
    TaskEvent.RETRY: TaskState.PENDING,
    TaskEvent.LOSE: TaskState.PENDING,
    TaskEvent.EXHAUST: TaskState.FAILED,
    TaskEvent.CANCEL: TaskState.CANCELLED,
}
TASK_MOVES: Mapping[TaskState, Mapping[TaskEvent, TaskState]] = {
    TaskState.PENDING: {TaskEvent.CLAIM: TaskState.QUEUED, TaskEvent.CANCEL: TaskState.CANCELLED},
    TaskState.QUEUED: {TaskEvent.START: TaskState.RUNNING, **_ATTEMPT_ENDS},
    TaskState.RUNNING: _ATTEMPT_ENDS,
    TaskState.SUCCEEDED: {},
    TaskState.FAILED: {},
    TaskState.CANCELLED: {},
}
TASK_FINAL = frozenset(state for state, moves in TASK_MOVES.items() if not moves)
TASK_CLAIMED = frozenset({TaskState.QUEUED, TaskState.RUNNING})


class ExecutionState(StrEnum):
    """Where an execution is; the values are stored."""

    ACTIVE = "active"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ExecutionEvent(StrEnum):
    """What happens to an execution; the last three follow from its counts when all tasks have ended."""

    CANCEL = "cancel"
    ALL_SUCCEEDED = "all_succeeded"
    SOME_FAILED = "some_failed"
    SOME_CANCELLED = "some_cancelled"


_ALL_ENDED = {
    ExecutionEvent.ALL_SUCCEEDED: ExecutionState.SUCCEEDED,
    ExecutionEvent.SOME_FAILED: ExecutionState.FAILED,
    ExecutionEvent.SOME_CANCELLED: ExecutionState.CANCELLED,
}
EXECUTION_MOVES: Mapping[ExecutionState, Mapping[ExecutionEvent, ExecutionState]] = {
    ExecutionState.ACTIVE: {ExecutionEvent.CANCEL: ExecutionState.CANCELLING, **_ALL_ENDED},
    # A cancel that comes when the last tasks are ending by themselves may find nothing left to cancel.
    ExecutionState.CANCELLING: _ALL_ENDED,
    ExecutionState.SUCCEEDED: {},
    ExecutionState.FAILED: {},
    ExecutionState.CANCELLED: {},
}
EXECUTION_FINAL = frozenset(state for state, moves in EXECUTION_MOVES.items() if not moves)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an attempt ended."""

    reason: Reason
    exit_code: int | None = None
    term_signal: int | None = None
    detail: str = ""
    output_bytes: int | None = None
    """How much the attempt wrote; None = nobody saw, or it was an earlier version that recorded it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task. Instants are microseconds since the epoch, as stored."""

    index: int
    state: TaskState = TaskState.PENDING
    attempt: int = 0
    """Number of the attempt that is claimed, or that will be claimed next, or that was the last."""
    retries: int = 0
    """Failed attempts charged to the budget and followed by another."""
    scheduled_us: int | None = None
    """When its first attempt was claimed."""
    started_us: int | None = None
    """When its first attempt started."""
    attempt_started_us: int | None = None
    completed_us: int | None = None
    outcome: Outcome | None = None
    """Of the last attempt that ended."""

    @property
    def losses(self) -> int:
        """How many attempts were lost and followed by another: those that no retry was charged for."""
        return self.attempt - self.retries

    @property
    def is_carried_over(self) -> bool:
        """Whether its end was taken over from the execution that this one repeats in part."""
        return self.scheduled_us is None and self.outcome is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What an execution says about its tasks."""

    retries_max: int
    is_cancelling: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many tasks of an execution are in which state; ``retried`` counts tasks that retried at least once."""

    pending: int
    queued: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    retried: int = 0

    @property
    def claimed(self) -> int:
        """How many tasks have an attempt under way."""
        return self.queued + self.running

    @property
    def total(self) -> int:
        """The task count: the same at all times."""
        return self.pending + self.queued + self.running + self.succeeded + self.failed + self.cancelled

    @property
    def are_final(self) -> bool:
        """Whether every task has ended."""
        return not (self.pending or self.queued or self.running)


def move_task(state: TaskState, event: TaskEvent) -> TaskState:
    """Return the state after ``event``.

    Raises:
        FailedPrecondition: A task in ``state`` has no such event.

    """
    after = TASK_MOVES[state].get(event)
    if after is None:
        raise FailedPrecondition(f"A task that is {state} cannot {event}.")
    return after


def move_execution(state: ExecutionState, event: ExecutionEvent) -> ExecutionState:
    """Return the state after ``event``.

    Raises:
        FailedPrecondition: An execution in ``state`` has no such event.

    """
    after = EXECUTION_MOVES[state].get(event)
    if after is None:
        raise FailedPrecondition(f"An execution that is {state} cannot {event}.")
    return after


def start(task: Task, attempt: int, time_us: int) -> Task:
    """Return ``task`` after the command of ``attempt`` started; unchanged if that is not news."""
    if task.attempt != attempt or task.state is not TaskState.QUEUED:
        return task
    return replace(
        task,
        state=move_task(task.state, TaskEvent.START),
        started_us=time_us if task.started_us is None else task.started_us,
        attempt_started_us=time_us,
    )


def end(task: Task, attempt: int, ended: Ended, time_us: int, policy: Policy) -> Task:
    """Return ``task`` after ``attempt`` ended; unchanged if that attempt is not under way (late, told twice)."""
    if task.attempt != attempt or task.state not in TASK_CLAIMED:
        return task
    event = after_attempt(task, ended, policy)
    state = move_task(task.state, event)
    outcome = Outcome(
        reason=ended.reason,
        exit_code=ended.exit_code,
        term_signal=ended.term_signal,
        detail=ended.detail,
        output_bytes=ended.output_bytes,
    )
    if event is TaskEvent.EXHAUST and is_loss(ended):
        detail = f"{task.losses + 1} attempts of this task were lost, and that is enough"
        outcome = Outcome(reason=Reason.LOST, detail=detail)
    if state is not TaskState.PENDING:
        return replace(task, state=state, completed_us=time_us, outcome=outcome)
    return replace(
        task,
        state=state,
        attempt=task.attempt + 1,
        retries=task.retries + (event is TaskEvent.RETRY),
        attempt_started_us=None,
        outcome=outcome,
    )


def is_loss(ended: Ended) -> bool:
    """Say whether an attempt ended through no fault of its own."""
    # A runtime that shuts down cancels what runs: nobody asked for it, so it is a loss and not a failure.
    return ended.reason in {Reason.LOST, Reason.CANCELLED}


def after_attempt(task: Task, ended: Ended, policy: Policy) -> TaskEvent:
    """Decide what follows an attempt that ended.

    Args:
        task: Before its end.
        ended: How it ended; exit code 0 by itself is the only success.
        policy: Of the execution.

    """
    if ended.reason is Reason.EXITED and ended.exit_code == 0:
        return TaskEvent.SUCCEED
    has_failed = not is_loss(ended)
    if has_failed and task.retries >= policy.retries_max:
        return TaskEvent.EXHAUST
    if policy.is_cancelling:
        return TaskEvent.CANCEL
    if not has_failed and task.losses >= LOSSES_MAX:
        return TaskEvent.EXHAUST
    return TaskEvent.RETRY if has_failed else TaskEvent.LOSE


def verdict(counts: Counts) -> ExecutionEvent | None:
    """Return what the counts mean for the execution; None while a task has not ended."""
    if not counts.are_final:
        return None
    if counts.cancelled:
        return ExecutionEvent.SOME_CANCELLED
    return ExecutionEvent.SOME_FAILED if counts.failed else ExecutionEvent.ALL_SUCCEEDED


def recount(counts: Counts, before: Task, after: Task) -> Counts:
    """Return ``counts`` after one task moved from ``before`` to ``after``."""
    if before.state is after.state and before.retries == after.retries:
        return counts
    numbers = {before.state.value: getattr(counts, before.state) - 1}
    numbers[after.state.value] = numbers.get(after.state, getattr(counts, after.state)) + 1
    return replace(counts, **numbers, retried=counts.retried + (before.retries == 0 < after.retries))


def effective_parallelism(parallelism: int, task_count: int, slots: int) -> int:
    """Return how many tasks may live at once; 0 means as many as the machine has ``slots`` for."""
    return min(parallelism or slots, task_count)


def claim_quota(counts: Counts, parallelism: int, active_executions: int) -> int:
    """Return how many more attempts to claim for one execution; 0 while enough are claimed.

    Claims come in batches: nothing is claimed until half of what is ahead of ``parallelism`` is used up, so that
    a commit serves many attempts.
    """
    ahead = max(CLAIM_AHEAD_MIN, min(CLAIM_AHEAD_MAX, CLAIM_AHEAD_TOTAL // max(1, active_executions)))
    if counts.claimed > parallelism + ahead // 2:
        return 0
    return min(counts.pending, parallelism + ahead - counts.claimed)
