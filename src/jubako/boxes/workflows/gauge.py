"""Warns once an execution has used 80 % of what it may use, while there is still time to mend it."""

from collections.abc import Iterator
from dataclasses import dataclass

from jubako.boxes.workflows.language import State, current_steps
from jubako.boxes.workflows.language.limits import (
    ARGUMENT_BYTES_MAX,
    CALL_DEPTH_MAX,
    MEMORY_BYTES_MAX,
    STEPS_MAX,
)
from jubako.boxes.workflows.seat import Seat
from jubako.core.events import Events

SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Near:
    """A limit that an execution came near to, and the step (``routine/step``) at which that showed."""

    limit: str
    used: int
    most: int
    step: str


class Watch:
    """Finds the limits that a state is near to, each once; it looks while the machine rests."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def look(self, state: State) -> Iterator[Near]:
        """Yield what is near for the first time."""
        depth = max((len(thread.frames) for thread in state.threads.values()), default=0)
        for limit, used, most in (
            ("steps", state.steps, STEPS_MAX),
            ("memory_bytes", state.bytes, MEMORY_BYTES_MAX),
            ("call_depth", depth, CALL_DEPTH_MAX),
        ):
            if used >= SHARE * most and limit not in self._told:
                self._told.add(limit)
                yield Near(limit, used, most, _step(state))


def near_argument(argument: str) -> Iterator[Near]:
    """Yield what is near of an execution's argument, given as JSON text."""
    used = len(argument.encode())
    if used >= SHARE * ARGUMENT_BYTES_MAX:
        yield Near("argument_bytes", used, ARGUMENT_BYTES_MAX, "")


class Gauge:
    """Tells the operator, for one execution while it is in memory."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._watch = Watch()

    def look(self, seat: Seat, execution: str) -> None:
        """Tell of every limit that is near for the first time."""
        for near in self._watch.look(seat.state):
            self._events.emit(
                "workflow_execution.limit_near",
                "WARNING",
                execution=execution,
                limit=near.limit,
                used=near.used,
                most=near.most,
                step=near.step,
            )


def _step(state: State) -> str:
    steps = current_steps(state)
    return f"{steps[-1].routine}/{steps[-1].step}" if steps else ""
