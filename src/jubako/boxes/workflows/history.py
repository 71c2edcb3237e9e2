"""What an execution did and when, read from its journal: nothing is recorded twice, and a run pays nothing for it.

1. The machine is deterministic, so feeding the journalled outcomes again asks for the same effects. An effect begins
   at the commit of the turn that asked for it, and ends at the commit of its own outcome; the journal has both.
2. Feeding outcome n shows which effects it led to. So the cause of each is known, and the chain of causes back from the
   last outcome is the critical path; it is not guessed from times.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from jubako.boxes.workflows.instant import KINDS
from jubako.boxes.workflows.language import (
    Continue,
    Effect,
    EffectFailed,
    EffectKind,
    Program,
    Start,
    Status,
    advance,
    initial_state,
)
from jubako.boxes.workflows.language.data import Data
from jubako.boxes.workflows.seat import Outcome


@dataclass(slots=True)
class Span:
    """One effect of a step; times in microseconds since 1970."""

    name: str
    step: str
    routine: str
    function: str
    is_instant: bool
    begin: int
    cause: int | None
    """Position of the effect whose outcome led to this one; None: the start."""
    end: int | None = None
    """None while it is under way."""
    has_failed: bool = False


@dataclass(frozen=True, slots=True)
class History:
    """Effects in the order in which they were asked for."""

    spans: Sequence[Span]
    last: int | None
    """Position of the effect whose outcome ended the execution, or the newest one that has ended."""


def replay(program: Program, argument: Data, begin: int, outcomes: Sequence[tuple[int, Outcome]]) -> History:
    """Return what was done; ``outcomes`` are ``(time, outcome)`` in the order of the journal."""
    state = initial_state(program, argument)
    spans: list[Span] = []
    places: dict[str, int] = {}

    def note(effects: Sequence[Effect], at: int, cause: int | None) -> None:
        for effect in effects:
            if effect.kind is not EffectKind.ABANDON:
                places[effect.name] = len(spans)
                spans.append(_span(effect, at, cause))

    note(advance(program, state, Start())[1], begin, None)
    last = None
    for at, outcome in outcomes:
        place = places.pop(outcome.name, None)
        if place is not None:
            last = place
            spans[place].end = at
            spans[place].has_failed = isinstance(outcome, EffectFailed)
        note(advance(program, state, outcome)[1], at, place)
        while state.ready and state.status is Status.ACTIVE:
            note(advance(program, state, Continue())[1], at, place)
    return History(spans, last)


def critical_path(history: History) -> list[Span]:
    """Return the chain of effects that led to the end, first to last; those that take no time left out."""
    path: list[Span] = []
    place = history.last
    while place is not None:
        span = history.spans[place]
        if not span.is_instant:
            path.append(span)
        place = span.cause
    return path[::-1]


def _span(effect: Effect, at: int, cause: int | None) -> Span:
    is_instant = effect.kind in KINDS
    return Span(effect.name, effect.step, effect.routine, effect.function, is_instant, at, cause)
