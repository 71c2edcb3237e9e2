"""A compiled workflow: for each routine a flat list of operations, each a closure over what is known beforehand."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jubako.boxes.workflows.language.problems import Problem

if TYPE_CHECKING:
    from jubako.boxes.workflows.language.machine import Machine
    from jubako.boxes.workflows.language.state import Frame

Value = Callable[["Frame"], Any]
"""A compiled value: computes it for a frame; raises Raised or Suspend."""

Operation = Callable[["Machine", "Frame"], int]
"""One operation: returns the index of the next, or one of the marks below."""

SWITCH = -1
"""The thread's top frame has changed; go on there."""
PARK = -2
"""The thread waits for its branches, or has ended."""


class Suspend(Exception):
    """An operation needs an answer first: of a subworkflow, or of an effect.

    Attributes:
        key: Where in the memo the answer belongs; ``call`` for that of a call step.
        function: Routine or library function.
        given: Arguments by name, or in order.

    """

    def __init__(self, key: str, function: str, args: dict[str, Any] | list[Any]) -> None:
        super().__init__(function)
        self.key = key
        self.function = function
        self.given = args


@dataclass(frozen=True, slots=True)
class Where:
    """The place in the source that an operation comes from; ``path`` names its effects within the frame."""

    step: str
    line: int
    column: int
    length: int
    path: str
    kind: str
    callee: str = ""
    """What a call step calls."""


@dataclass(slots=True, eq=False)
class Unit:
    """A compiled routine.

    Attributes:
        name: Name of the routine.
        params: Parameters with their defaults (a compiled value), or None where the argument is required.
        code: The operations; execution begins at 0.
        labels: A stable unique name for each operation.
        positions: The inverse of ``labels``.
        wheres: The source place of each operation.
        handlers: For each try block's label, the operation that takes its errors.
        loop_keys: For each loop's label, the variables that end with it.
        branches: For each parallel step's label, the name of each branch and the label it begins at; a parallel loop
            has one without a name.

    """

    name: str
    params: dict[str, Value | None]
    code: list[Operation] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)
    wheres: list[Where] = field(default_factory=list)
    handlers: dict[str, int] = field(default_factory=dict)
    loop_keys: dict[str, tuple[str, ...]] = field(default_factory=dict)
    branches: dict[str, list[tuple[str, str]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled source; ``warnings`` are findings that do not stop a deployment."""

    units: dict[str, Unit]
    warnings: tuple[Problem, ...] = ()
    connectors: tuple[str, ...] = ()
    """Names of the connectors it calls, sorted."""
