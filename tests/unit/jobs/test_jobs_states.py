from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jubako.boxes.jobs import states
from jubako.boxes.jobs.states import (
    CLAIM_AHEAD_MAX,
    Counts,
    ExecutionEvent,
    ExecutionState,
    Policy,
    Task,
    TaskEvent,
    TaskState,
)
from jubako.core.errors import FailedPrecondition
from jubako.runtime.port import Ended, Reason

TIME = datetime(2026, 11, 24, tzinfo=UTC)
ACTIVE = Policy(retries_max=1, is_cancelling=False)
CANCELLING = Policy(retries_max=1, is_cancelling=True)


def ended(
    reason: Reason = Reason.EXITED, exit_code: int | None = None, term_signal: int | None = None
) -> Ended:
    return Ended(id="jobs/x/0/0", time=TIME, reason=reason, exit_code=exit_code, term_signal=term_signal)


ZERO = ended(exit_code=0)
ONE = ended(exit_code=1)
KILLED = ended(term_signal=9)
TIMED_OUT = ended(Reason.TIMEOUT, term_signal=15)
LOST = ended(Reason.LOST)
CANCELLED = ended(Reason.CANCELLED, term_signal=15)


@pytest.mark.parametrize("state", sorted(states.TASK_FINAL))
@pytest.mark.parametrize("event", TaskEvent)
def test_a_final_task_moves_no_more(state: TaskState, event: TaskEvent) -> None:
    with pytest.raises(FailedPrecondition, match=state):
        states.move_task(state, event)


@pytest.mark.parametrize("state", sorted(states.EXECUTION_FINAL))
@pytest.mark.parametrize("event", ExecutionEvent)
def test_a_final_execution_moves_no_more(state: ExecutionState, event: ExecutionEvent) -> None:
    with pytest.raises(FailedPrecondition, match=state):
        states.move_execution(state, event)


def test_the_final_states_are_these() -> None:
    assert {TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CANCELLED} == states.TASK_FINAL
    assert {
        ExecutionState.SUCCEEDED,
        ExecutionState.FAILED,
        ExecutionState.CANCELLED,
    } == states.EXECUTION_FINAL


@pytest.mark.parametrize(
    ("event", "retries", "policy", "follows"),
    [
        (ZERO, 0, ACTIVE, TaskEvent.SUCCEED),
        (ZERO, 1, CANCELLING, TaskEvent.SUCCEED),
        (ONE, 0, ACTIVE, TaskEvent.RETRY),
        (ONE, 1, ACTIVE, TaskEvent.EXHAUST),
        (KILLED, 0, ACTIVE, TaskEvent.RETRY),
        (TIMED_OUT, 1, ACTIVE, TaskEvent.EXHAUST),
        (ended(Reason.NOT_STARTED), 0, ACTIVE, TaskEvent.RETRY),
        (ended(Reason.OUT_OF_MEMORY, term_signal=9), 1, ACTIVE, TaskEvent.EXHAUST),
        (LOST, 1, ACTIVE, TaskEvent.LOSE),
        (CANCELLED, 1, ACTIVE, TaskEvent.LOSE),
        (ONE, 0, CANCELLING, TaskEvent.CANCEL),
        (ONE, 1, CANCELLING, TaskEvent.EXHAUST),
        (LOST, 1, CANCELLING, TaskEvent.CANCEL),
        (CANCELLED, 0, CANCELLING, TaskEvent.CANCEL),
        # A time-out kill that the process answered with exit code 0 is a time-out all the same.
        (ended(Reason.TIMEOUT, exit_code=0), 0, ACTIVE, TaskEvent.RETRY),
    ],
)
def test_what_follows_an_attempt(event: Ended, retries: int, policy: Policy, follows: TaskEvent) -> None:
    assert states.after_attempt(Task(index=0, retries=retries, attempt=retries), event, policy) is follows


@pytest.mark.parametrize("attempt", [0, 2])
def test_news_about_another_attempt_changes_nothing(attempt: int) -> None:
    task = Task(index=0, state=TaskState.RUNNING, attempt=1)
    assert states.end(task, attempt, ZERO, 5, ACTIVE) is task
    assert states.start(replace(task, state=TaskState.QUEUED), attempt, 5).state is TaskState.QUEUED


def test_the_same_end_told_twice_counts_once() -> None:
    task = Task(index=0, state=TaskState.RUNNING)
    once = states.end(task, 0, ONE, 5, ACTIVE)
    assert (once.attempt, once.retries, once.state) == (1, 1, TaskState.PENDING)
    assert states.end(once, 0, ONE, 5, ACTIVE) is once


@given(
    outcomes=st.lists(st.sampled_from([ONE, KILLED, TIMED_OUT, LOST, CANCELLED, ZERO]), max_size=30),
    retries_max=st.integers(0, 10),
)
def test_a_task_has_at_most_retries_plus_one_attempts_but_for_lost_ones(
    outcomes: list[Ended], retries_max: int
) -> None:
    policy = Policy(retries_max=retries_max, is_cancelling=False)
    task, losses, attempts = Task(index=0), 0, 0
    for outcome in outcomes:
        if task.state in states.TASK_FINAL:
            break
        attempts += 1
        losses += outcome.reason in {Reason.LOST, Reason.CANCELLED}
        claimed = replace(task, state=states.move_task(task.state, TaskEvent.CLAIM))
        task = states.end(states.start(claimed, task.attempt, 1), task.attempt, outcome, 2, policy)
    assert attempts - losses <= retries_max + 1
    assert task.retries <= retries_max
    if task.state is TaskState.FAILED:
        assert attempts - losses == retries_max + 1 or losses == states.LOSSES_MAX + 1


def test_a_task_that_is_lost_again_and_again_comes_to_an_end_that_says_so() -> None:
    task = Task(index=0)
    for _ in range(states.LOSSES_MAX + 1):
        assert task.state is TaskState.PENDING
        claimed = replace(task, state=states.move_task(task.state, TaskEvent.CLAIM))
        task = states.end(states.start(claimed, task.attempt, 1), task.attempt, LOST, 2, ACTIVE)
    assert task.state is TaskState.FAILED
    assert task.outcome is not None
    assert task.outcome.detail.startswith(f"{states.LOSSES_MAX + 1} attempts")


@pytest.mark.parametrize(
    ("counts", "means"),
    [
        (Counts(pending=1, succeeded=2), None),
        (Counts(pending=0, running=1, failed=2), None),
        (Counts(pending=0, queued=1), None),
        (Counts(pending=0, succeeded=3), ExecutionEvent.ALL_SUCCEEDED),
        (Counts(pending=0, succeeded=2, failed=1), ExecutionEvent.SOME_FAILED),
        (Counts(pending=0, succeeded=1, failed=1, cancelled=1), ExecutionEvent.SOME_CANCELLED),
    ],
)
def test_the_verdict_waits_for_all_tasks(counts: Counts, means: ExecutionEvent | None) -> None:
    assert states.verdict(counts) is means


@given(st.lists(st.tuples(st.sampled_from(TaskState), st.sampled_from(TaskState)), max_size=20))
def test_recounting_keeps_the_total(moves: list[tuple[TaskState, TaskState]]) -> None:
    counts = Counts(pending=5)
    for before, after in moves:
        counts = states.recount(counts, Task(index=0, state=before), Task(index=0, state=after))
    assert counts.total == 5


@given(
    pending=st.integers(0, 10_000),
    claimed=st.integers(0, 10_000),
    parallelism=st.integers(1, 10_000),
    active=st.integers(1, 2_000),
)
def test_claims_run_ahead_of_parallelism_within_bounds_and_never_starve(
    pending: int, claimed: int, parallelism: int, active: int
) -> None:
    quota = states.claim_quota(Counts(pending=pending, running=claimed), parallelism, active)
    assert 0 <= quota <= pending
    assert quota == 0 or claimed + quota <= parallelism + CLAIM_AHEAD_MAX
    if pending and claimed < parallelism:
        assert claimed + quota >= min(parallelism, claimed + pending)


@pytest.mark.parametrize(
    ("asked", "tasks", "slots", "effective"), [(0, 10, 4, 4), (0, 2, 4, 2), (7, 10, 2, 7), (7, 3, 2, 3)]
)
def test_parallelism_is_as_asked_or_as_the_machine_allows(
    asked: int, tasks: int, slots: int, effective: int
) -> None:
    assert states.effective_parallelism(asked, tasks, slots) == effective
