"""Looking at a state from outside, without changing it."""

from dataclasses import dataclass

from jubako.boxes.workflows.language.data import Data
from jubako.boxes.workflows.language.effects import Effect, EffectKind
from jubako.boxes.workflows.language.program import Program
from jubako.boxes.workflows.language.state import State, Thread
from jubako.boxes.workflows.language.values import copied


@dataclass(frozen=True, slots=True)
class CurrentStep:
    """A step that runs now; ``path`` is what its effects are called, without the count."""

    routine: str
    step: str
    path: str


def pending_effects(program: Program, state: State) -> list[Effect]:
    """Return the effects under way, in the order of their threads: what has to run again after a crash."""
    assert program.units
    return [effect_of(thread) for thread in state.threads.values() if thread.waiting is not None]


def current_steps(state: State) -> list[CurrentStep]:
    """Return where the execution stands: for each thread its frames, outermost first."""
    steps = []
    for thread in state.threads.values():
        for frame in thread.frames:
            where = frame.unit.wheres[frame.pc]
            steps.append(CurrentStep(frame.unit.name, where.step, frame.prefix + where.path))
    return steps


def variables(state: State) -> dict[str, dict[str, Data]]:
    """Return every thread's variables, those of its innermost frame, by thread name; a copy."""
    return {
        thread.name: {key.partition("@")[0]: copied(value) for key, value in thread.frames[-1].vars.items()}
        for thread in state.threads.values()
    }


def effect_of(thread: Thread) -> Effect:
    """Return the effect a waiting thread waits for."""
    held = thread.waiting
    assert held is not None
    return Effect(
        held["name"], EffectKind(held["kind"]), held["function"], held["args"], held["step"], held["routine"]
    )
