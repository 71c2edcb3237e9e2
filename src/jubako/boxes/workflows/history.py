"""What an execution did and when, read from its journal: nothing is recorded twice, and a run pays nothing for it.

1. The machine is deterministic, so feeding the journalled outcomes again asks for the same effects. An effect begins
   at the commit of the turn that asked for it, and ends at the commit of its own outcome; the journal has both.
2. Feeding outcome n shows which effects it led to. So the cause of each is known, and the chain of causes back from the
   last outcome is the critical path; it is not guessed from times.
3. Steps that are no effects take no time: their entries have the time of the outcome that led to them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from jubako.boxes.workflows.gauge import Near, near_limits
from jubako.boxes.workflows.instant import KINDS
from jubako.boxes.workflows.language import (
    Continue,
    Effect,
    EffectFailed,
    EffectKind,
    Event,
    Program,
    Start,
    Status,
    advance,
    initial_state,
)
from jubako.boxes.workflows.language.data import Data
from jubako.boxes.workflows.language.tracing import traced
from jubako.boxes.workflows.seat import SLICE_STEPS, Outcome
from jubako.boxes.workflows.step_recorder import StepRecorder


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


class History:
    """The past of one execution; feed it as the journal grows.

    Attributes:
        spans: Effects in the order in which they were asked for.
        last: Position of the effect whose outcome ended the execution, or the newest one that has ended.
        steps: The step entries.
        near: The limits that it came near to.
        fed: How many outcomes it knows.

    """

    def __init__(self, program: Program, argument: Data, begin: int, *, detailed: bool = False) -> None:
        """Start: ``begin`` in microseconds since 1970; ``detailed`` as the StepRecorder has it."""
        self.steps = StepRecorder(program, detailed=detailed)
        self.spans: list[Span] = []
        self.last: int | None = None
        self.fed = 0
        self._program = traced(program, self.steps)
        self._places: dict[str, int] = {}
        self._state = initial_state(self._program, argument)
        self._take(Start(), begin, None)

    @property
    def near(self) -> list[Near]:
        """The limits that the execution came near to."""
        return list(near_limits(self._state))

    def feed(self, at: int, outcome: Outcome) -> None:
        """Go on: an outcome was committed at an instant, in microseconds since 1970."""
        self.fed += 1
        place = self._places.pop(outcome.name, None)
        if place is not None:
            self.last = place
            self.spans[place].end = at
            self.spans[place].has_failed = isinstance(outcome, EffectFailed)
        self._take(outcome, at, place)

    def _take(self, event: Event, at: int, cause: int | None) -> None:
        self.steps.now = at
        _, effects = advance(self._program, self._state, event, slice_steps=SLICE_STEPS)
        self._note(effects, at, cause)
        while self._state.ready and self._state.status is Status.ACTIVE:
            _, effects = advance(self._program, self._state, Continue(), slice_steps=SLICE_STEPS)
            self._note(effects, at, cause)
        self.steps.settle(self._state)

    def _note(self, effects: Sequence[Effect], at: int, cause: int | None) -> None:
        for effect in effects:
            if effect.kind is not EffectKind.ABANDON:
                self._places[effect.name] = len(self.spans)
                self.spans.append(_span(effect, at, cause))


def replay(program: Program, argument: Data, begin: int, outcomes: Sequence[tuple[int, Outcome]]) -> History:
    """Return what was done; ``outcomes`` are ``(time, outcome)`` in the order of the journal."""
    history = History(program, argument, begin)
    for at, outcome in outcomes:
        history.feed(at, outcome)
    return history


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
