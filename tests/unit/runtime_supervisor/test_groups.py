"""Who starts next."""

from hypothesis import given
from hypothesis import strategies as st

from jubako.runtime.supervisor.attempt import MOVES, Attempt, Move, Phase
from jubako.runtime.supervisor.groups import Groups


def attempt(attempt_id: str, group: str, parallelism: int) -> Attempt:
    return Attempt(
        {
            "id": attempt_id,
            "group": group,
            "parallelism": parallelism,
            "argv": ["true"],
            "env": {},
            "grace": 1.0,
        }
    )


def take(groups: Groups, count: int = 100) -> list[str]:
    return [taken.id for taken in groups.take(count)]


def test_groups_take_turns() -> None:
    groups = Groups()
    for name in ("a1", "a2", "a3", "b1", "b2"):
        groups.add(attempt(name, name[0], 9))
    first = take(groups, 4)
    assert {name[0] for name in first} == {"a", "b"}
    assert sorted(first + take(groups)) == ["a1", "a2", "a3", "b1", "b2"]


def test_a_raised_parallelism_holds_at_once() -> None:
    groups = Groups()
    groups.add(attempt("a1", "a", 1))
    groups.add(attempt("a2", "a", 1))
    assert take(groups) == ["a1"]
    groups.add(attempt("a3", "a", 3))
    assert take(groups) == ["a2", "a3"]


def test_every_phase_is_in_the_table_and_only_the_last_has_no_way_out() -> None:
    assert set(MOVES) == set(Phase)
    assert [phase for phase, moves in MOVES.items() if not moves] == [Phase.ENDED]
    assert {move for moves in MOVES.values() for move in moves} == set(Move)


@given(
    limits=st.lists(st.integers(1, 4), min_size=1, max_size=4),
    steps=st.lists(
        st.tuples(st.sampled_from(["add", "take", "end", "revoke"]), st.integers(0, 3)), max_size=60
    ),
)
def test_no_group_exceeds_its_parallelism_and_nothing_that_may_start_waits(
    limits: list[int], steps: list[tuple[str, int]]
) -> None:
    groups = Groups()
    queued: dict[int, list[Attempt]] = {index: [] for index in range(len(limits))}
    live: dict[int, list[Attempt]] = {index: [] for index in range(len(limits))}
    for number, (step, chosen) in enumerate(steps):
        index = chosen % len(limits)
        if step == "add":
            new = attempt(f"{index}/{number}", str(index), limits[index])
            queued[index].append(new)
            groups.add(new)
        elif step == "end" and live[index]:
            groups.release(live[index].pop())
        elif step == "revoke" and queued[index]:
            queued[index].pop(chosen % len(queued[index])).move(Move.REVOKE)
        elif step == "take":
            for taken in groups.take(100):
                group = int(taken.group)
                assert taken is queued[group].pop(0)
                taken.move(Move.ANNOUNCE)
                live[group].append(taken)
            for group, limit in enumerate(limits):
                assert len(live[group]) <= limit
                assert not queued[group] or len(live[group]) == limit
