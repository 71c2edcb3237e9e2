"""What the engine needs to go on with an execution."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from jubako.boxes.workflows.resources import Execution, Workflow
from jubako.boxes.workflows.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """An execution as it stands in the store."""

    name: str
    id: str
    state: State
    workflow: Workflow
    """The pinned revision."""
    argument: str
    snapshot: str | None
    seq: int
    """Outcomes that were fed already."""
    outcomes: Sequence[str]
    """Journalled outcomes behind the snapshot, in order."""
    arrivals: Sequence[tuple[str, str]]
    """``(effect, outcome)`` of what waits to be fed."""
    current_steps: str
    call_log_level: Execution.CallLogLevel
    start_time: datetime

    @classmethod
    def of_new(cls, execution: Execution, revision: Workflow) -> "Loaded":
        """Return what would be read of an active execution that was just created."""
        assert execution.start_time is not None
        return cls(
            name=execution.name,
            id=execution.name.rpartition("/")[2],
            state=State.ACTIVE,
            workflow=revision,
            argument=execution.argument,
            snapshot=None,
            seq=0,
            outcomes=(),
            arrivals=(),
            current_steps="[]",
            call_log_level=execution.call_log_level,
            start_time=execution.start_time,
        )
