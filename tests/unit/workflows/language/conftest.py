"""A driver that runs a workflow to its end with answers given by the test."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from jubako.boxes.workflows.language import (
    Effect,
    EffectDone,
    EffectFailed,
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

# Tests of this folder share an interpreter and a maker of programs: the repository's root must be importable.
sys.path.insert(0, str(Path(__file__).parents[4]))


@dataclass
class Failing:
    """An answer that is an error."""

    error: Any


@dataclass
class Ran:
    """How an execution went."""

    state: State
    effects: list[Effect] = field(default_factory=list)

    @property
    def result(self) -> Any:
        assert self.state.status is Status.SUCCEEDED, self.state.error
        return self.state.result

    @property
    def error(self) -> Any:
        assert self.state.status is Status.FAILED, self.state.result
        return self.state.error_value

    @property
    def tag(self) -> str:
        return str(self.error["tags"][0])

    @property
    def names(self) -> list[str]:
        return [effect.name for effect in self.effects]


Answer = Callable[[Effect], Any]
Run = Callable[..., Ran]


def drive(source: str, argument: Any = None, answer: Answer = lambda _effect: None, most: int = 500) -> Ran:
    """Run to the end, first effect first, dumping and loading the state before every answer."""
    program = compile_workflow(source)
    state = initial_state(program, argument)
    _, effects = advance(program, state, Start())
    ran = Ran(state, list(effects))
    for _ in range(most):
        if ran.state.status is not Status.ACTIVE:
            return ran
        ran.state = load(program, json.loads(json.dumps(dump(ran.state))))
        effect = pending_effects(program, ran.state)[0]
        given = answer(effect)
        failed = isinstance(given, Failing)
        event = EffectFailed(effect.name, given.error) if failed else EffectDone(effect.name, given)
        ran.effects += advance(program, ran.state, event)[1]
    raise AssertionError(f"still running after {most} effects: {ran.names[-3:]}")


@pytest.fixture
def run() -> Run:
    return drive


@pytest.fixture
def failing() -> type[Failing]:
    return Failing


@pytest.fixture
def value_of(run: Run) -> Callable[[str], Any]:
    """Return the value of one expression."""

    def evaluate(expression: str, argument: Any = None) -> Any:
        source = {"main": {"params": ["x"], "steps": [{"s": {"return": "${" + expression + "}"}}]}}
        return run(json.dumps(source), argument).result

    return evaluate


@pytest.fixture
def tag_of(run: Run) -> Callable[[str], str]:
    """Return the first tag of the error that an expression raises."""

    def evaluate(expression: str, argument: Any = None) -> str:
        source = {"main": {"params": ["x"], "steps": [{"s": {"return": "${" + expression + "}"}}]}}
        return run(json.dumps(source), argument).tag

    return evaluate


@pytest.fixture
def problems_of() -> Callable[[str], list[str]]:
    """Return the problems of a source, each as one line."""

    def compile_badly(source: str) -> list[str]:
        from jubako.boxes.workflows.language import SourceRefused

        with pytest.raises(SourceRefused) as refused:
            compile_workflow(source)
        assert all(problem.fix for problem in refused.value.problems), refused.value.problems
        return [str(problem) for problem in refused.value.problems]

    return compile_badly
