"""What executions and tasks say about themselves: conditions, attempt results, states in one word.

Sources: the comments of google/cloud/run/v2/condition.proto and task.proto; the condition types that gcloud reads
(Cloud SDK, api_lib/run/execution.py): Completed, Started, ResourcesAvailable, ContainerReady. A successful condition
carries no reason. Message texts are ours.
"""

from collections.abc import Mapping
from datetime import timedelta

from jubako.boxes.jobs.resources import ExecutionReference, TaskAttemptResult
from jubako.boxes.jobs.rows import ExecutionRow
from jubako.boxes.jobs.states import Counts, ExecutionState, Outcome, Task, TaskState
from jubako.core.timestamps import format_duration, from_micros
from jubako.runtime.port import Capabilities, Reason
from jubako.wire.google_types import Status
from jubako.wire.quantities import in_gib, memory_of
from jubako.wire.run_types import Condition, Container

State = Condition.State
CommonReason = Condition.CommonReason
ExecutionReason = Condition.ExecutionReason
CompletionStatus = ExecutionReference.CompletionStatus

RUNNING_STATE_LABEL = "run.googleapis.com/runningState"
RUNNING_STATES: Mapping[TaskState, str] = {
    TaskState.PENDING: "Pending",
    TaskState.QUEUED: "Pending",
    TaskState.RUNNING: "Running",
    TaskState.SUCCEEDED: "Succeeded",
    TaskState.FAILED: "Failed",
    TaskState.CANCELLED: "Cancelled",
}
COMPLETION: Mapping[ExecutionState, CompletionStatus] = {
    ExecutionState.ACTIVE: CompletionStatus.EXECUTION_RUNNING,
    ExecutionState.CANCELLING: CompletionStatus.EXECUTION_RUNNING,
    ExecutionState.SUCCEEDED: CompletionStatus.EXECUTION_SUCCEEDED,
    ExecutionState.FAILED: CompletionStatus.EXECUTION_FAILED,
    ExecutionState.CANCELLED: CompletionStatus.EXECUTION_CANCELLED,
}
_STATUS_CODES: Mapping[Reason, int] = {
    Reason.EXITED: 2,
    Reason.TIMEOUT: 4,
    Reason.CANCELLED: 1,
    Reason.OUT_OF_MEMORY: 8,
    Reason.NOT_STARTED: 9,
    Reason.LOST: 10,
}
"""google.rpc.Code: UNKNOWN, DEADLINE_EXCEEDED, CANCELLED, RESOURCE_EXHAUSTED, FAILED_PRECONDITION, ABORTED."""


def completion_status(execution: ExecutionRow) -> CompletionStatus:
    """Return how far the execution is, as a job's reference to it says."""
    if execution.state is ExecutionState.ACTIVE and execution.started_us is None:
        return CompletionStatus.EXECUTION_PENDING
    return COMPLETION[execution.state]


def how_it_ended(outcome: Outcome, timeout: timedelta) -> str:
    """Return one sentence about the end of an attempt."""
    if outcome.reason is Reason.EXITED:
        if outcome.term_signal is not None:
            return f"It was ended by signal {outcome.term_signal}."
        return f"It exited with code {outcome.exit_code}."
    sentences = {
        Reason.TIMEOUT: f"It was ended at its time-out of {format_duration(timeout)}.",
        Reason.CANCELLED: "It was cancelled.",
        Reason.OUT_OF_MEMORY: "It was ended because it used too much memory.",
        Reason.NOT_STARTED: f"It could not be started: {outcome.detail.rstrip('.') or 'no reason is known'}.",
        Reason.LOST: "It was lost: what ran it died or the machine was restarted, and it was ended with it.",
    }
    if outcome.reason is Reason.LOST and outcome.detail:
        return f"{sentences[Reason.LOST]} ({outcome.detail.rstrip('.')}.)"
    return sentences[outcome.reason]


def attempt_result(outcome: Outcome, timeout: timedelta) -> TaskAttemptResult:
    """Return the result of an attempt; at most one of exit code and signal is set."""
    if outcome.reason is Reason.EXITED and outcome.exit_code == 0:
        return TaskAttemptResult(status=Status())
    status = Status(code=_STATUS_CODES[outcome.reason], message=how_it_ended(outcome, timeout))
    return TaskAttemptResult(
        status=status, exit_code=outcome.exit_code or 0, term_signal=outcome.term_signal or 0
    )


def how_it_runs(capabilities: Capabilities, container: Container) -> str:
    """Return what is enforced for tasks of ``container``, in honest words."""
    limits = " and ".join(capabilities.enforced)
    return (
        f"Runs as local processes. Process trees are ended by {capabilities.tree_kill}; "
        f"{f'limits of {limits} are enforced' if limits else 'no limits of memory or cpu are enforced'}."
        f"{_why(capabilities)}{_room(capabilities, container)}"
    )


def _why(capabilities: Capabilities) -> str:
    return f" The others cannot be had here: {capabilities.missing}." if capabilities.missing else ""


def _room(capabilities: Capabilities, container: Container) -> str:
    """Return how many tasks there is memory for, if they say what they need."""
    asked = memory_of(container)
    if asked is None or capabilities.memory_bytes is None:
        return ""
    there, fit = in_gib(capabilities.memory_bytes), max(1, capabilities.memory_bytes // asked)
    return f" Of tasks that ask for {in_gib(asked)} each, {fit} fit at once into the {there} for tasks."


def execution_conditions(
    execution: ExecutionRow, failed: Task | None, timeout: timedelta, how: str
) -> list[Condition]:
    """Return the conditions of an execution.

    Args:
        execution: The execution.
        failed: Its first task that exhausted its retries.
        timeout: Of an attempt.
        how: What is enforced for its tasks.

    """
    return [
        _execution_completed(execution, failed, timeout),
        _ready("ResourcesAvailable", execution.created_us, how),
        _started(execution.started_us, execution.created_us, "execution"),
        _ready("ContainerReady", execution.created_us, ""),
    ]


def task_conditions(task: Task, created_us: int, timeout: timedelta) -> list[Condition]:
    """Return the conditions of a task."""
    if task.is_carried_over:
        completed = _task_completed(task, created_us, timeout)
        completed.message = (
            f"Carried over from the execution before; it was not run again. {completed.message}".strip()
        )
        return [completed]
    conditions = [_task_completed(task, created_us, timeout), _started(task.started_us, created_us, "task")]
    if task.attempt and task.state not in {TaskState.SUCCEEDED, TaskState.CANCELLED}:
        conditions.append(_retry(task, created_us, timeout))
    return conditions


def _execution_completed(execution: ExecutionRow, failed: Task | None, timeout: timedelta) -> Condition:
    match execution.state:
        case ExecutionState.ACTIVE:
            return _completed(State.CONDITION_RECONCILING, execution.created_us, "")
        case ExecutionState.CANCELLING:
            message = f"Cancelling: {execution.counts.claimed} tasks are being ended."
            return _completed(
                State.CONDITION_RECONCILING, execution.updated_us, message, ExecutionReason.CANCELLING
            )
        case ExecutionState.SUCCEEDED:
            return _completed(State.CONDITION_SUCCEEDED, execution.completed_us, _took(execution))
        case ExecutionState.CANCELLED:
            message = f"The execution was cancelled: {_tally(execution.counts)}."
            return _completed(
                State.CONDITION_FAILED, execution.completed_us, message, ExecutionReason.CANCELLED
            )
        case ExecutionState.FAILED:
            return _failed(execution, failed, timeout)


def _failed(execution: ExecutionRow, failed: Task | None, timeout: timedelta) -> Condition:
    message = f"{execution.counts.failed} of {execution.task_count} tasks failed."
    if failed is None or failed.outcome is None:
        return _completed(State.CONDITION_FAILED, execution.completed_us, message)
    message += f" Task {failed.index} failed first: {how_it_ended(failed.outcome, timeout)}"
    return _completed(State.CONDITION_FAILED, execution.completed_us, message, _reason(failed.outcome))


def _task_completed(task: Task, created_us: int, timeout: timedelta) -> Condition:
    match task.state:
        case TaskState.SUCCEEDED:
            return _completed(State.CONDITION_SUCCEEDED, task.completed_us, "")
        case TaskState.FAILED:
            assert task.outcome is not None, task
            message = how_it_ended(task.outcome, timeout)
            return _completed(State.CONDITION_FAILED, task.completed_us, message, _reason(task.outcome))
        case TaskState.CANCELLED:
            message = (
                "The task was cancelled." if task.started_us else "The task was cancelled before it started."
            )
            return _completed(State.CONDITION_FAILED, task.completed_us, message, ExecutionReason.CANCELLED)
        case _:
            return _completed(State.CONDITION_RECONCILING, created_us, "")


def _retry(task: Task, created_us: int, timeout: timedelta) -> Condition:
    """Say why there is an attempt after the first."""
    why = "" if task.outcome is None else how_it_ended(task.outcome, timeout)
    is_over = task.state is TaskState.FAILED
    condition = _ready(
        "Retry", task.attempt_started_us or created_us, f"Attempt {task.attempt}. {why}".strip()
    )
    condition.state = State.CONDITION_FAILED if is_over else State.CONDITION_RECONCILING
    if not is_over:
        condition.reason = CommonReason.IMMEDIATE_RETRY
    return condition


def _reason(outcome: Outcome) -> CommonReason | ExecutionReason:
    by_reason: Mapping[Reason, CommonReason | ExecutionReason] = {
        Reason.EXITED: ExecutionReason.NON_ZERO_EXIT_CODE,
        Reason.TIMEOUT: CommonReason.PROGRESS_DEADLINE_EXCEEDED,
        Reason.OUT_OF_MEMORY: ExecutionReason.NON_ZERO_EXIT_CODE,
        Reason.NOT_STARTED: CommonReason.CONTAINER_MISSING,
    }
    return by_reason.get(outcome.reason, CommonReason.INTERNAL)


def _completed(
    state: State, time_us: int | None, message: str, reason: CommonReason | ExecutionReason | None = None
) -> Condition:
    condition = Condition(type="Completed", state=state, message=message)
    condition.last_transition_time = None if time_us is None else from_micros(time_us)
    if isinstance(reason, ExecutionReason):
        condition.execution_reason = reason
    else:
        condition.reason = reason
    if state is State.CONDITION_FAILED:
        condition.severity = Condition.Severity.ERROR
    return condition


def _started(started_us: int | None, created_us: int, what: str) -> Condition:
    if started_us is None:
        condition = _ready("Started", created_us, f"Waiting for the {what} to start.")
        condition.state = State.CONDITION_RECONCILING
        return condition
    waited = format_duration(timedelta(microseconds=max(0, started_us - created_us)))
    return _ready("Started", started_us, f"Started the {what} after {waited}.")


def _ready(kind: str, time_us: int, message: str) -> Condition:
    return Condition(
        type=kind,
        state=State.CONDITION_SUCCEEDED,
        message=message,
        last_transition_time=from_micros(time_us),
    )


def _took(execution: ExecutionRow) -> str:
    took = timedelta(microseconds=max(0, (execution.completed_us or 0) - execution.created_us))
    return f"The execution completed successfully in {format_duration(took)}."


def _tally(counts: Counts) -> str:
    return f"{counts.succeeded} tasks succeeded, {counts.failed} failed, {counts.cancelled} were cancelled"
