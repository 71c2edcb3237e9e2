"""What the engine needs to go on with an execution."""

from collections.abc import Sequence
from dataclasses import dataclass

from jubako.boxes.workflows.resources import Execution, Workflow
from jubako.boxes.workflows.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """An execution as it stands in the store."""

    id: str
    document: Execution
    """Without its steps; it does not change until the execution ends."""
    state: State
    workflow: Workflow
    """The pinned revision."""
    snapshot: str | None
    seq: int
    """Outcomes that were fed already."""
    outcomes: Sequence[str]
    """Journalled outcomes behind the snapshot, in order."""
    arrivals: Sequence[tuple[str, str]]
    """``(effect, outcome)`` of what waits to be fed."""
    current_steps: str
    is_new: bool = False
    """Whether it was created just now, so that the store has nothing of it but its row."""

    @classmethod
    def of_new(cls, execution: Execution, revision: Workflow) -> "Loaded":
        """Return what would be read of an active execution that was just created."""
        return cls(
            id=execution.name.rpartition("/")[2],
            document=execution,
            state=State.ACTIVE,
            workflow=revision,
            snapshot=None,
            seq=0,
            outcomes=(),
            arrivals=(),
            current_steps="[]",
            is_new=True,
        )
