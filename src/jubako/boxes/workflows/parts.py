"""What the runners of all executions share."""

from collections import OrderedDict
from dataclasses import dataclass

from jubako.boxes.workflows.instant import Instant
from jubako.boxes.workflows.language import Program, compile_workflow
from jubako.boxes.workflows.performer import Performer
from jubako.boxes.workflows.resources import Workflow
from jubako.core.clock import Clock
from jubako.core.events import Events
from jubako.core.faults import Faults
from jubako.store.port import Store

PROGRAMS_MAX = 128
HOLD_S = 0.005
"""How long a turn on which nothing depends may be held back for the outcomes that follow (ADR 0024)."""


class Programs:
    """Compiled sources, the most recently used ones."""

    def __init__(self) -> None:
        self._programs: OrderedDict[str, Program] = OrderedDict()

    def of(self, workflow: Workflow) -> Program:
        """Return the program of a revision."""
        source = workflow.source_contents or ""
        program = self._programs.get(source)
        if program is None:
            program = self._programs[source] = compile_workflow(source)
        self._programs.move_to_end(source)
        if len(self._programs) > PROGRAMS_MAX:
            self._programs.popitem(last=False)
        return program


@dataclass(frozen=True, slots=True)
class Parts:
    """Ports and services of the engine."""

    store: Store
    clock: Clock
    events: Events
    faults: Faults
    programs: Programs
    instant: Instant
    performer: Performer
    hold_s: float = HOLD_S
