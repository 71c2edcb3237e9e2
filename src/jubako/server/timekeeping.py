"""Virtual time, put together: which clock, and what a timekeeper asks of the boxes."""

from collections.abc import Callable
from datetime import datetime

from jubako.boxes.jobs import rows as job_rows
from jubako.boxes.workflows import execution_rows, poll_rows
from jubako.boxes.workflows.engine import WorkflowsEngine
from jubako.core.clock import Clock
from jubako.runtime.virtual import VirtualClock
from jubako.server.ground import Ground
from jubako.server.timekeeper import Probes, Timekeeper, ahead_of, refuse_if_ahead
from jubako.store import timers
from jubako.store.port import Store


async def take_up(store: Store, clock: Clock) -> None:
    """Have the clock go on from where it was.

    Raises:
        FailedPrecondition: It is the machine's, and this state has lived through virtual time.

    """
    if isinstance(clock, VirtualClock):
        clock.move(await ahead_of(store))
    else:
        await refuse_if_ahead(store)


def shifted(clock: Clock) -> Callable[[datetime], datetime] | None:
    """Return what turns the machine's time into that of the boxes; None if they are the same."""
    return clock.shifted if isinstance(clock, VirtualClock) else None


def timekeeper(ground: Ground, workflows: WorkflowsEngine) -> Timekeeper | None:
    """Return what moves the clock; None if it is the machine's."""
    if not isinstance(ground.clock, VirtualClock):
        return None
    probes = Probes(
        next_due=[timers.next_due, poll_rows.next_due],
        is_due=[timers.is_due, poll_rows.is_due, execution_rows.has_arrivals],
        is_real=[job_rows.any_open],
        at_rest=[workflows.is_at_rest, workflows.poller.is_at_rest],
    )
    return Timekeeper(ground.store, ground.clock, ground.wall, probes)
