"""The transaction functions that move tasks and executions: events of the runtime, cancel, carrying over.

1. An event changes a task only if it is about the attempt that is under way; late, repeated and unknown events
   change nothing.
2. Counts and the final state of an execution move in the transaction that moves its tasks, and so do the
   operations that wait for it (``finish``).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from jubako.boxes.jobs import states, task_rows
from jubako.boxes.jobs.rows import TOPIC, ExecutionRow, find_execution, update_progress
from jubako.boxes.jobs.states import ExecutionEvent, ExecutionState, Outcome, Policy, Task, TaskState
from jubako.boxes.jobs.task_rows import Attempt
from jubako.core.timestamps import to_micros
from jubako.runtime.port import AttemptEvent, Reason, Started
from jubako.store.port import Tx, Value

LAUNCHED = ".launched."
"""Between TOPIC and an execution's uid: the topic that is woken when it was launched."""

Finish = Callable[[Tx, ExecutionRow], None]
"""``finish(tx, execution)`` is called once for an execution that has become final."""


@dataclass(frozen=True, slots=True)
class Launched:
    """News of ``LAUNCHED``: a new execution, and its attempts that are claimed."""

    execution: ExecutionRow
    attempts: Sequence[Attempt]


def launch(tx: Tx, execution: ExecutionRow, slots: int) -> None:
    """Have a new execution run: its first attempts are claimed by the transaction that makes it.

    So that none of them waits for a commit of its own; the engine is told what it would read.
    """
    claimed = task_rows.claim_first(tx, execution, slots)
    tx.wake(f"{TOPIC}{LAUNCHED}{execution.uid}", Launched(execution, claimed))
    if len(claimed) < execution.counts.pending:
        tx.wake(TOPIC)


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
        if (
            len(parts) == 4
            and parts[0] == task_rows.ID_PREFIX
            and parts[2].isdecimal()
            and parts[3].isdecimal()
        ):
            grouped.setdefault(parts[1], []).append((int(parts[2]), int(parts[3]), event))
    return grouped


def _apply_to(tx: Tx, execution: ExecutionRow, news: _News, slots: int, finish: Finish) -> None:
    before = task_rows.load(tx, execution.uid, {index for index, _, _ in news})
    changes = _Changes(before, execution, to_micros(tx.now))
    for index, attempt, event in news:
        changes.take(index, attempt, event)
    if not changes.changed:
        return
    task_rows.store(tx, execution.uid, [changes.tasks[index] for index in sorted(changes.changed)])
    tx.run_many(
        "INSERT INTO job_attempts (execution_uid, task_index, attempt, started, ended, reason, exit_code, "
        "term_signal, detail, output_bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
                outcome.reason, outcome.exit_code, outcome.term_signal, outcome.detail, outcome.output_bytes,
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


def carry_over(tx: Tx, execution: ExecutionRow, tasks: Sequence[Task]) -> ExecutionRow:
    """Give tasks of a new execution the end that they had in another one: they are not run again."""
    counts = execution.counts
    for task in tasks:
        counts = states.recount(counts, Task(index=task.index), replace(task, retries=0))
    task_rows.store(tx, execution.uid, [_carried(task, to_micros(tx.now)) for task in tasks])
    carried = replace(execution, counts=counts)
    update_progress(tx, carried)
    return carried


def _carried(task: Task, now_us: int) -> Task:
    assert task.state in states.TASK_FINAL, task
    # An outcome without a claim is what marks it: see states.Task.is_carried_over.
    outcome = task.outcome or Outcome(reason=Reason.CANCELLED)
    return Task(index=task.index, state=task.state, completed_us=now_us, outcome=outcome)


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
