"""Warns once an execution has used 80 % of what it may use, while there is still time to mend it."""

from collections.abc import Iterator
from dataclasses import dataclass

from jubako.boxes.workflows.language import State
from jubako.boxes.workflows.language.limits import ARGUMENT_BYTES_MAX, is_near
from jubako.boxes.workflows.seat import Seat
from jubako.core.events import Events


@dataclass(frozen=True, slots=True)
class Near:
    """A limit that an execution came near to, and the step (``routine/step``) at which that showed."""

    limit: str
    used: int
    most: int
    step: str


def near_limits(state: State) -> Iterator[Near]:
    """Yield the limits that a state came near to."""
    for limit, (used, most, step) in state.near.items():
        yield Near(limit, used, most, step)


def near_argument(argument: str) -> Iterator[Near]:
    """Yield what is near of an execution's argument, given as JSON text."""
    used = len(argument.encode())
    if is_near(used, ARGUMENT_BYTES_MAX):
        yield Near("argument_bytes", used, ARGUMENT_BYTES_MAX, "")


class Gauge:
    """Tells the operator, for one execution while it is in memory."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._told: set[str] = set()

    def look(self, seat: Seat, execution: str) -> None:
        """Tell of every limit that is near for the first time."""
        for near in near_limits(seat.state):
            if near.limit in self._told:
                continue
            self._told.add(near.limit)
            self._events.emit(
                "workflow_execution.limit_near",
                "WARNING",
                execution=execution,
                limit=near.limit,
                used=near.used,
                most=near.most,
                step=near.step,
            )
