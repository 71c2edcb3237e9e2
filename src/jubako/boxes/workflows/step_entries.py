"""Step entries: what the history of an execution consists of.

Source of types, states and progress: workflowexecutions.googleapis.com v1, discovery document, StepEntry.
"""

from dataclasses import dataclass, field

IN_PROGRESS = "STATE_IN_PROGRESS"
SUCCEEDED = "STATE_SUCCEEDED"
FAILED = "STATE_FAILED"
CANCELLED = "STATE_CANCELLED"


@dataclass(slots=True, eq=False)
class Entry:
    """One step entry; times in microseconds since 1970."""

    id: int
    routine: str
    step: str
    type: str
    thread: str
    created: int
    updated: int
    parent: int = 0
    previous: int = 0
    next: int = 0
    children: list[int] = field(default_factory=list)
    state: str = IN_PROGRESS
    payload: str | None = None
    """Of the exception, once FAILED."""
    progress: tuple[str, int] | None = None
    expected: int | None = None
    variables: str | None = None
    """JSON of the variables in scope at the end, if they are recorded."""
