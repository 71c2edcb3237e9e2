"""How many executions go on at once: what comes beyond that is QUEUED, and beyond that refused.

An execution that waits costs a row and no more, so the limit is far above Google's; it is there so that a loop that
starts workflows does not fill the disk (ADR 0016).
Source: cloud.google.com/workflows/docs/concurrency, "Execution backlogging".
"""

from dataclasses import dataclass

from jubako.boxes.workflows.states import State
from jubako.core.errors import ResourceExhausted
from jubako.store.port import Tx


@dataclass(frozen=True, slots=True)
class Backlog:
    """Limits on executions that have not ended."""

    active_max: int = 200_000
    queued_max: int = 100_000
    """Source: Workflows, "Quotas and limits", backlogged executions."""

    def state_of_new(self, tx: Tx, *, may_wait: bool = True) -> State:
        """Return in which state an execution begins; with ``may_wait`` false it begins at once or not at all.

        Raises:
            ResourceExhausted: There are as many as may be.

        """
        row = tx.one("SELECT number FROM workflow_active WHERE one = 1")
        assert row is not None
        if row[0] < self.active_max:
            return State.ACTIVE
        if not may_wait:
            raise ResourceExhausted(
                f"{row[0]} executions are active, and this one is not to wait for its turn."
            )
        queued = tx.one("SELECT COUNT(*) FROM workflow_executions WHERE state = 'QUEUED'")
        assert queued is not None
        if queued[0] >= self.queued_max:
            raise ResourceExhausted(
                f"{row[0]} executions are active and {queued[0]} wait for their turn; start this one later."
            )
        return State.QUEUED


def count_active(tx: Tx, more: int) -> None:
    """Record that ``more`` executions are active than before."""
    tx.run("UPDATE workflow_active SET number = number + ? WHERE one = 1", more)


def next_queued(tx: Tx) -> str | None:
    """Return the id of the execution whose turn is next."""
    row = tx.one(
        "SELECT execution FROM workflow_executions WHERE state = 'QUEUED' ORDER BY start_time LIMIT 1"
    )
    return None if row is None else str(row[0])
