"""Warns once an execution has used 80 % of what it may use, while there is still time to mend it."""

from jubako.boxes.workflows.language import current_steps
from jubako.boxes.workflows.language.limits import MEMORY_BYTES_MAX, STEPS_MAX
from jubako.boxes.workflows.seat import Seat
from jubako.core.events import Events

SHARE = 0.8


class Gauge:
    """Watches one execution while it is in memory."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._told: set[str] = set()

    def look(self, seat: Seat, execution: str) -> None:
        """Tell of every limit that is near for the first time, and of the step at which it is."""
        for limit, used, most in (
            ("steps", seat.state.steps, STEPS_MAX),
            ("memory_bytes", seat.state.bytes, MEMORY_BYTES_MAX),
        ):
            if used >= SHARE * most and limit not in self._told:
                self._told.add(limit)
                self._events.emit(
                    "workflow_execution.limit_near",
                    "WARNING",
                    execution=execution,
                    limit=limit,
                    used=used,
                    most=most,
                    step=_step(seat),
                )


def _step(seat: Seat) -> str:
    steps = current_steps(seat.state)
    return f"{steps[-1].routine}/{steps[-1].step}" if steps else ""
