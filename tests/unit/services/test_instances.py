"""How resident instances move: the table, back-off, and news that comes late or twice."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jubako.core.errors import FailedPrecondition
from jubako.runtime import instances
from jubako.runtime.instances import MOVES, PAUSE_MAX_US, SECOND_US, Instance, InstanceEvent, InstanceState
from jubako.runtime.port import Ended, Reason

T0 = 1_000 * SECOND_US


def ended(reason: Reason = Reason.EXITED, **how: Any) -> Ended:
    return Ended(id="a", time=datetime(2026, 1, 1, tzinfo=UTC), reason=reason, **how)


def started(now_us: int = T0) -> Instance:
    return instances.start(instances.claim(Instance(), 4000, now_us), 1, 77)


def test_every_state_and_event_is_in_the_table() -> None:
    assert set(MOVES) == set(InstanceState)
    assert {event for moves in MOVES.values() for event in moves} == set(InstanceEvent)


def test_a_life_from_claim_to_end() -> None:
    ready = instances.listen(started(), 1, T0 + 5)
    assert (ready.state, ready.port, ready.pid, ready.ready_us) == (InstanceState.READY, 4000, 77, T0 + 5)
    over = instances.end(ready, 1, ended(exit_code=0), T0 + 3600 * SECOND_US)
    assert (over.state, over.failures, over.not_before_us, over.pid) == (InstanceState.IDLE, 0, 0, None)


def test_nothing_is_claimed_while_an_attempt_is_under_way() -> None:
    with pytest.raises(FailedPrecondition):
        instances.claim(started(), 4001, T0)


def test_news_of_another_attempt_changes_nothing() -> None:
    now = instances.claim(instances.end(started(), 1, ended(exit_code=1), T0), 4001, T0 + SECOND_US)
    assert instances.start(now, 1, 9) == now
    assert instances.listen(now, 1, T0) == now
    assert instances.end(now, 1, ended(exit_code=1), T0) == now


def test_an_end_that_is_told_twice_counts_once() -> None:
    once = instances.end(started(), 1, ended(exit_code=1), T0)
    assert instances.end(once, 1, ended(exit_code=1), T0) == once
    assert once.failures == 1


def test_failed_starts_wait_longer_and_longer() -> None:
    instance, pauses = Instance(), []
    for number in range(1, 9):
        instance = instances.claim(instance, 4000, T0)
        instance = instances.end(instance, number, ended(Reason.NOT_STARTED, detail="no such file"), T0)
        pauses.append((instance.not_before_us - T0) // SECOND_US)
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    assert instance.problem == "could not be started: no such file"


def test_the_first_early_death_of_one_that_served_costs_no_wait() -> None:
    instance = instances.end(instances.listen(started(), 1, T0), 1, ended(term_signal=9), T0)
    assert (instance.failures, instance.not_before_us) == (1, T0)
    instance = instances.claim(instance, 4000, T0)
    instance = instances.listen(instances.start(instance, 2, 78), 2, T0)
    instance = instances.end(instance, 2, ended(term_signal=9), T0)
    assert (instance.failures, instance.not_before_us) == (2, T0 + SECOND_US)


@pytest.mark.parametrize("reason", [Reason.LOST, Reason.CANCELLED])
def test_what_was_lost_or_cancelled_has_not_failed(reason: Reason) -> None:
    instance = instances.end(started(), 1, ended(reason), T0)
    assert (instance.state, instance.failures, instance.problem) == (InstanceState.IDLE, 0, "")


def test_one_that_is_given_up_is_ended_and_has_failed() -> None:
    instance = instances.give_up(started(), "did not listen", T0)
    assert (instance.state, instance.failures) == (InstanceState.STOPPING, 1)
    instance = instances.end(instance, 1, ended(Reason.CANCELLED, term_signal=15), T0)
    assert (instance.state, instance.failures, instance.problem) == (InstanceState.IDLE, 1, "did not listen")


@given(st.integers(0, 10**6), st.booleans())
def test_the_pause_is_bounded_and_never_shrinks(failures: int, had_listened: bool) -> None:
    pause = instances.pause_us(failures, had_listened=had_listened)
    assert 0 <= pause <= PAUSE_MAX_US
    assert pause <= instances.pause_us(failures + 1, had_listened=had_listened)


Step = Callable[[Instance, int], Instance]
STEPS: Mapping[str, Step] = {
    "claim": lambda i, now: i if i.is_live else instances.claim(i, 4000, now),
    "start": lambda i, _: instances.start(i, i.attempt, 5),
    "listen": lambda i, now: instances.listen(i, i.attempt, now),
    "stop": lambda i, _: instances.stop(i),
    "end": lambda i, now: instances.end(i, i.attempt, ended(exit_code=1), now),
    "lose": lambda i, now: instances.end(i, i.attempt, ended(Reason.LOST), now),
}


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=40))
def test_an_attempt_begins_only_when_the_one_before_is_over(steps: list[str]) -> None:
    instance, over = Instance(), 0
    for position, step in enumerate(steps):
        after = STEPS[step](instance, T0 + position * SECOND_US)
        assert after.state is instance.state or after.state in MOVES[instance.state].values()
        if after.attempt != instance.attempt:
            assert (after.attempt, over) == (instance.attempt + 1, instance.attempt)
        over = after.attempt if not after.is_live else over
        instance = after
