"""Who starts next."""

from hypothesis import given
from hypothesis import strategies as st

from jubako.runtime.supervisor.attempt import MOVES, Attempt, Move, Phase
from jubako.runtime.supervisor.groups import Groups

ROOM = 10


def attempt(attempt_id: str, group: str, parallelism: int, memory: int | None = None) -> Attempt:
    return Attempt(
        {
            "id": attempt_id,
            "group": group,
            "parallelism": parallelism,
            "argv": ["true"],
            "env": {},
            "grace": 1.0,
            "memory_bytes": memory,
        }
    )


def take(groups: Groups, count: int = 100) -> list[str]:
    return [taken.id for taken in groups.take(count)]


def test_groups_take_turns() -> None:
    groups = Groups(ROOM)
    for name in ("a1", "a2", "a3", "b1", "b2"):
        groups.add(attempt(name, name[0], 9))
    first = take(groups, 4)
    assert {name[0] for name in first} == {"a", "b"}
    assert sorted(first + take(groups)) == ["a1", "a2", "a3", "b1", "b2"]


def test_a_raised_parallelism_holds_at_once() -> None:
    groups = Groups(ROOM)
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
    groups = Groups(ROOM)
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


def test_what_live_attempts_ask_for_together_fits_and_who_asks_for_nothing_is_not_held_up() -> None:
    groups = Groups(ROOM)
    asking = [attempt(f"a{number}", "a", 9, memory=4) for number in range(5)]
    for one in asking:
        groups.add(one)
    groups.add(attempt("free", "b", 1))
    assert sorted(take(groups)) == ["a0", "a1", "free"]
    assert take(groups) == []
    groups.release(asking[0])
    assert take(groups) == ["a2"]


def test_a_large_attempt_is_not_overtaken_for_ever_by_small_ones() -> None:
    groups = Groups(ROOM)
    small = [attempt(f"s{number}", "small", 9, memory=3) for number in range(9)]
    for one in small:
        groups.add(one)
    assert take(groups) == ["s0", "s1", "s2"]
    groups.add(attempt("large", "large", 1, memory=9))
    order = []
    for one in small[:5]:
        groups.release(one)
        order += take(groups)
    assert order.index("large") <= 3


def test_one_that_asks_for_more_than_there_is_runs_alone() -> None:
    groups = Groups(ROOM)
    huge, small = attempt("huge", "h", 1, memory=99), attempt("small", "s", 1, memory=1)
    groups.add(small)
    assert take(groups) == ["small"]
    groups.add(huge)
    assert take(groups) == []
    groups.release(small)
    assert take(groups) == ["huge"]


@given(
    asks=st.lists(st.integers(0, 12), min_size=1, max_size=4),
    steps=st.lists(
        st.tuples(st.sampled_from(["add", "take", "end", "revoke"]), st.integers(0, 30)), max_size=80
    ),
)
def test_memory_is_never_promised_twice_and_everybody_gets_a_turn(
    asks: list[int], steps: list[tuple[str, int]]
) -> None:
    groups = Groups(ROOM)
    queued: list[Attempt] = []
    live: list[Attempt] = []
    for number, (step, chosen) in enumerate(steps):
        group = chosen % len(asks)
        if step == "add":
            queued.append(attempt(f"{group}/{number}", str(group), 2, memory=asks[group]))
            groups.add(queued[-1])
        elif step == "end" and live:
            groups.release(live.pop(chosen % len(live)))
        elif step == "revoke" and queued:
            queued.pop(chosen % len(queued)).move(Move.REVOKE)
        elif step == "take":
            start_what_fits(groups, queued, live)
    start_what_fits(groups, queued, live)
    while live:
        groups.release(live.pop())
        start_what_fits(groups, queued, live)
    assert queued == []


def start_what_fits(groups: Groups, queued: list[Attempt], live: list[Attempt]) -> None:
    for taken in groups.take(100):
        queued.remove(taken)
        taken.move(Move.ANNOUNCE)
        live.append(taken)
    asked = [one.memory_bytes for one in live if one.memory_bytes]
    assert sum(asked) <= ROOM or len(asked) == 1
