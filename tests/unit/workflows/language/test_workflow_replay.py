"""Random programs, random order of completion, a crash anywhere: always the same result and the same effects."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jubako.boxes.workflows.language import (
    Continue,
    EffectDone,
    EffectFailed,
    Program,
    Start,
    State,
    Status,
    advance,
    compile_workflow,
    dump,
    initial_state,
    load,
    pending_effects,
)

Event = EffectDone | EffectFailed

Kind = Callable[[int], dict[str, Any]]
LESS = {"n": "${n % 1000}"}


class Maker:
    """Makes a random program out of every kind of step that waits, writes or fails."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.count = 0

    def source(self) -> str:
        main = [
            {"init": {"assign": [{"n": 0}, {"m": {"k": []}}]}},
            *self.steps(3, 0),
            {"out": {"return": ["${n}", "${m}"]}},
        ]
        sub = [
            {"wait": {"call": "http.get", "args": {"url": "${x}"}, "result": "r"}},
            {"back": {"return": "${r + 1}"}},
        ]
        check = [
            {"ask": {"call": "sys.log", "args": {"json": {"e": "${e}"}}}},
            {"back": {"return": "${len(e.tags) == 1}"}},
        ]
        source = {
            "main": {"steps": main},
            "f": {"params": ["x"], "steps": sub},
            "check": {"params": ["e"], "steps": check},
        }
        return json.dumps(source)

    def steps(self, size: int, depth: int) -> list[dict[str, Any]]:
        return [self.step(depth) for _ in range(self.random.randint(1, size))]

    def step(self, depth: int) -> dict[str, Any]:
        self.count += 1
        simple: list[Kind] = [self._assign, self._fetch, self._ask, self._sub]
        nested: list[Kind] = [self._switch, self._for, self._try, self._parallel, self._block]
        kind = self.random.choice(simple if depth >= 3 else simple + nested)
        return {f"s{self.count}": kind(depth)}

    def _assign(self, _depth: int) -> dict[str, Any]:
        return {
            "assign": [
                {"n": "${n * 3 + 1}"},
                {'m["a"]': "${n}"},
                {"m.k": "${list.concat(m.k, n % 7)}"},
                LESS,
            ]
        }

    def _fetch(self, _depth: int) -> dict[str, Any]:
        return {
            "steps": [
                {
                    f"c{self.count}": {
                        "call": "http.post",
                        "args": {"url": "u", "body": "${m}"},
                        "result": f"r{self.count}",
                    }
                },
                {f"d{self.count}": {"assign": [{"n": f"${{n * 2 + r{self.count}}}"}, LESS]}},
            ]
        }

    def _ask(self, _depth: int) -> dict[str, Any]:
        return {"assign": [{"n": "${n + sys.now() + f(n)}"}, LESS]}

    def _sub(self, _depth: int) -> dict[str, Any]:
        return {"call": "f", "args": {"x": "${string(n)}"}, "result": "n"}

    def _switch(self, depth: int) -> dict[str, Any]:
        return {"switch": [{"condition": "${n % 2 == 0}", "steps": self.steps(2, depth + 1)}]}

    def _for(self, depth: int) -> dict[str, Any]:
        name = f"v{self.count}"
        return {
            "for": {
                "value": name,
                "range": [1, 2],
                "steps": [
                    {f"i{self.count}": {"assign": [{"n": "${n + " + name + "}"}]}},
                    *self.steps(2, depth + 1),
                ],
            }
        }

    def _try(self, depth: int) -> dict[str, Any]:
        name = f"e{self.count}"
        body = {
            "try": {"steps": self.steps(2, depth + 1)},
            "except": {
                "as": name,
                "steps": [
                    {f"h{self.count}": {"assign": [{"n": "${n + 5}"}]}},
                ],
            },
        }
        if self.random.random() < 0.5:
            body["retry"] = {"predicate": "${check}", "max_retries": 2, "backoff": {"initial_delay": 1}}
        return body

    def _block(self, depth: int) -> dict[str, Any]:
        return {"steps": self.steps(2, depth + 1)}

    def _parallel(self, depth: int) -> dict[str, Any]:
        name = f"p{self.count}"
        if self.random.random() < 0.5:
            branches = [{f"b{number}": {"steps": self.steps(2, depth + 1)}} for number in range(2)]
            return {"parallel": {"shared": ["n", "m"], "branches": branches}}
        return {
            "parallel": {
                "shared": ["n", "m"],
                "concurrency_limit": 2,
                "for": {
                    "value": name,
                    "in": [1, 2, 3],
                    "steps": self.steps(2, depth + 1),
                },
            }
        }


@dataclass
class Played:
    """What an execution did: events fed, names asked for after each, and the end."""

    state: State
    events: list[Event] = field(default_factory=list)
    asked: list[list[str]] = field(default_factory=list)

    @property
    def end(self) -> Any:
        return json.dumps(
            [self.state.status, self.state.result, self.state.error, self.state.steps, self.state.work]
        )


def outcome(name: str, chance: random.Random) -> Event:
    if "~retry" not in name and "ask#" not in name and chance.random() < 0.15:
        return EffectFailed(
            name, {"tags": ["HttpError"] * chance.randint(1, 2), "message": name, "code": 500}
        )
    return EffectDone(name, chance.randint(0, 9))


def play(program: Program, seed: int, most: int = 60) -> Played:
    """Run with outcomes in random order, without any interruption."""
    chance = random.Random(seed)
    state = initial_state(program)
    played = Played(state)
    played.asked.append([effect.name for effect in advance(program, state, Start())[1]])
    while state.status is Status.ACTIVE and len(played.events) < most:
        event = outcome(chance.choice(pending_effects(program, state)).name, chance)
        played.events.append(event)
        played.asked.append([effect.name for effect in advance(program, state, event)[1]])
    return played


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10**9))
def test_a_crash_anywhere_changes_nothing(seed: int) -> None:
    program = compile_workflow(Maker(seed).source())
    played = play(program, seed)
    chance = random.Random(seed + 1)
    state = initial_state(program)
    asked = [[effect.name for effect in advance(program, state, Start())[1]]]
    for number, event in enumerate(played.events):
        if chance.random() < 0.4:
            before = pending_effects(program, state)
            if chance.random() < 0.5:
                state = load(program, json.loads(json.dumps(dump(state))))
            else:
                state = initial_state(program)
                advance(program, state, Start())
                for past in played.events[:number]:
                    advance(program, state, past)
            assert pending_effects(program, state) == before
        asked.append([effect.name for effect in advance(program, state, event)[1]])
    assert asked == played.asked
    assert Played(state).end == played.end
    assert dump(state) == dump(played.state)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10**9), slice_steps=st.integers(0, 5))
def test_slicing_changes_nothing(seed: int, slice_steps: int) -> None:
    program = compile_workflow(Maker(seed).source())
    played = play(program, seed)
    state = initial_state(program)
    asked = []
    for event in [Start(), *played.events]:
        effects = advance(program, state, event, slice_steps=slice_steps)[1]
        while state.ready:
            state = load(program, json.loads(json.dumps(dump(state))))
            effects += advance(program, state, Continue(), slice_steps=slice_steps)[1]
        asked.append([effect.name for effect in effects])
    assert asked == played.asked
    assert dump(state) == dump(played.state)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10**9))
def test_names_of_effects_are_unique_and_memory_is_counted_right(seed: int) -> None:
    program = compile_workflow(Maker(seed).source())
    played = play(program, seed)
    names = [name for group in played.asked for name in group]
    assert len(names) == len(set(names))
    if played.state.status is Status.ACTIVE:
        again = load(program, json.loads(json.dumps(dump(played.state))))
        frames = [frame for thread in again.threads.values() for frame in thread.frames]
        assert played.state.bytes == sum(_counted(frame) for frame in frames)
    else:
        assert played.state.bytes == 0


def _counted(frame: Any) -> int:
    from jubako.boxes.workflows.language.values import size_of

    return sum(size_of(value) + 8 + len(key) for key, value in frame.vars.items())


def test_order_of_outcomes_matters_and_is_what_replay_needs() -> None:
    source = """
    - i: {assign: [{l: []}]}
    - p:
        parallel:
          shared: [l]
          for:
            value: v
            in: [1, 2, 3]
            steps: [{a: {call: http.get, args: {url: u}}}, {b: {assign: [{l: "${list.concat(l, v)}"}]}}]
    - r: {return: "${l}"}
    """
    program = compile_workflow(source)
    results = []
    for order in ([0, 1, 2], [2, 0, 1]):
        state, effects = advance(program, initial_state(program), Start())
        for number in order:
            advance(program, state, EffectDone(effects[number].name))
        results.append(state.result)
    assert results == [[1, 2, 3], [3, 1, 2]]
