"""A program that tells somebody what each of its operations does; the program itself stays as fast as it was.

The copy shares everything with the original but the operations, which are wrapped. So whoever does not trace pays
nothing, and a state may be driven by one and by the other in turn.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from jubako.boxes.workflows.language.errors import Raised
from jubako.boxes.workflows.language.program import Operation, Program, Suspend, Unit
from jubako.boxes.workflows.language.state import Frame

if TYPE_CHECKING:
    from jubako.boxes.workflows.language.machine import Machine


class Tracer(Protocol):
    """Is told of every operation; must change nothing."""

    def before(self, machine: "Machine", frame: Frame, pc: int) -> None:
        """Hear that an operation runs now: for the first time, or again because an answer has come."""
        ...

    def after(self, machine: "Machine", frame: Frame, pc: int, following: int) -> None:
        """Hear that it has ended; ``following`` is what it returned."""
        ...

    def asked(self, machine: "Machine", frame: Frame, pc: int, question: Suspend) -> None:
        """Hear that it needs an answer first."""
        ...

    def raised(self, machine: "Machine", frame: Frame, pc: int, error: Raised) -> None:
        """Hear that it raised an error of the language."""
        ...


def traced(program: Program, tracer: Tracer) -> Program:
    """Return a copy of ``program`` whose operations are told to ``tracer``."""
    units = {name: _traced_unit(unit, tracer) for name, unit in program.units.items()}
    return replace(program, units=units)


def _traced_unit(unit: Unit, tracer: Tracer) -> Unit:
    return replace(unit, code=[_told(operation, pc, tracer) for pc, operation in enumerate(unit.code)])


def _told(operation: Operation, pc: int, tracer: Tracer) -> Callable[["Machine", Frame], int]:
    def run(machine: "Machine", frame: Frame) -> int:
        tracer.before(machine, frame, pc)
        try:
            following = operation(machine, frame)
        except Suspend as question:
            tracer.asked(machine, frame, pc, question)
            raise
        except Raised as error:
            tracer.raised(machine, frame, pc, error)
            raise
        tracer.after(machine, frame, pc, following)
        return following

    return run
