"""Random programs: the machine against an interpreter that shares nothing with it (workflow_reference.py).

Both meet the same outside, which answers in a random order; the machine is dumped and loaded, or replayed from its
outcomes, whenever chance says so. After every answer both must have asked for the same, and at the end have the same
result. A failing example says its seed: ``compare(SEED)`` runs it again.
"""

import json
import random
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.workflows.language.workflow_programs import Maker, rendered
from tests.unit.workflows.language.workflow_reference import Reference, Task

from jubako.boxes.workflows.language import (
    Continue,
    Effect,
    EffectDone,
    EffectFailed,
    EffectKind,
    Program,
    Start,
    State,
    Status,
    advance,
    compile_workflow,
    dump,
    initial_state,
    load,
)

NIGHTLY_EXAMPLES = 20_000


@dataclass
class Machine:
    """The machine as the engine drives it, forgetting everything whenever chance says so."""

    program: Program
    chance: random.Random
    state: State = field(default_factory=State)
    past: list[EffectDone | EffectFailed] = field(default_factory=list)

    def start(self) -> list[Effect]:
        self.state = initial_state(self.program, None)
        return self._rested(advance(self.program, self.state, Start(), slice_steps=self._slice())[1])

    def feed(self, outcome: EffectDone | EffectFailed) -> list[Effect]:
        self._crash()
        self.past.append(outcome)
        return self._rested(advance(self.program, self.state, outcome, slice_steps=self._slice())[1])

    def _rested(self, effects: list[Effect]) -> list[Effect]:
        while self.state.ready and self.state.status is Status.ACTIVE:
            effects += advance(self.program, self.state, Continue(), slice_steps=self._slice())[1]
        return [effect for effect in effects if effect.kind is not EffectKind.ABANDON]

    def _slice(self) -> int:
        return self.chance.randint(1, 20)

    def _crash(self) -> None:
        chance = self.chance.random()
        if chance < 0.1:  # all is lost but the journal
            past, self.past = self.past, []
            self.start()
            for outcome in past:
                self.past.append(outcome)
                self._rested(advance(self.program, self.state, outcome)[1])
        elif chance < 0.3:  # evicted and loaded
            self.state = load(self.program, json.loads(json.dumps(dump(self.state))))


def compare(seed: int) -> tuple[str, Any]:
    """Run both on the program of a seed; return how it ended."""
    chance = random.Random(seed)
    source = Maker(chance).source()
    machine = Machine(compile_workflow(json.dumps(rendered(source))), chance)
    reference = Reference(source)
    under_way: list[tuple[str, Task, tuple[Any, ...]]] = []
    effects, asked = machine.start(), reference.run()
    while True:
        assert [shape(effect) for effect in effects] == [question for _, question in asked]
        under_way += [
            (effect.name, task, question) for effect, (task, question) in zip(effects, asked, strict=True)
        ]
        if reference.outcome is not None:
            break
        name, task, question = under_way.pop(chance.randrange(len(under_way)))
        value, error = outside(question)
        reference.answer(task, value, error)
        outcome = EffectDone(name, value) if error is None else EffectFailed(name, error)
        effects, asked = machine.feed(outcome), reference.run()
    assert ended(machine.state) == reference.outcome
    return reference.outcome


def shape(effect: Effect) -> tuple[Any, ...]:
    return (
        ("sleep", effect.args["seconds"])
        if effect.kind is EffectKind.SLEEP
        else ("http", effect.args["body"])
    )


def outside(question: tuple[Any, ...]) -> tuple[Any, Any]:
    """Return the value or the error of an effect: the same for the same question."""
    if question[0] == "sleep":
        return None, None
    value = (int(question[1]) * 7 + 3) % 101
    return (None, {"tags": ["HttpError"], "code": 500, "message": "m"}) if value % 6 == 0 else (value, None)


def ended(state: State) -> tuple[str, Any]:
    if state.status is Status.SUCCEEDED:
        return ("SUCCEEDED", state.result)
    assert isinstance(state.error_value, dict)
    return ("FAILED", state.error_value["tags"][0])


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**40))
def test_the_machine_does_what_the_reference_does(seed: int) -> None:
    compare(seed)


def test_the_programs_are_worth_comparing() -> None:
    outcomes = [compare(seed) for seed in range(80)]
    tags = {value for state, value in outcomes if state == "FAILED"}
    assert {state for state, _ in outcomes} == {"SUCCEEDED", "FAILED"}
    assert {"HttpError", "UnhandledBranchError", "Mine", "ZeroDivisionError"} <= tags


@pytest.mark.nightly
@pytest.mark.timeout(3_600)
def test_the_machine_does_what_the_reference_does_for_long() -> None:
    for seed in range(NIGHTLY_EXAMPLES):
        try:
            compare(seed)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}") from error
