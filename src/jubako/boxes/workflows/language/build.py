"""Source text to program: read, name, check, compile."""

from jubako.boxes.workflows.language import ast
from jubako.boxes.workflows.language.checks import CONNECTOR, Checker, Known
from jubako.boxes.workflows.language.compiler import RoutineCompiler
from jubako.boxes.workflows.language.problems import Findings
from jubako.boxes.workflows.language.program import Program
from jubako.boxes.workflows.language.scopes import Declarer
from jubako.boxes.workflows.language.steps import StepReader
from jubako.boxes.workflows.language.syntax import read


def compile_workflow(
    source_text: str, *, connectors: frozenset[str] | None = None, admits_foreign: bool = False
) -> Program:
    """Return the program of a source text, YAML or JSON; ``program.warnings`` lists what is doubtful.

    Args:
        source_text: The source, at most 128 KB.
        connectors: Full names of the connectors that exist; None admits all.
        admits_foreign: Whether those of services that ``connectors`` does not have are admitted too.

    Raises:
        SourceRefused: An InvalidArgument whose ``problems`` lists everything that is wrong, by line and column.

    """
    findings = Findings()
    reader = StepReader(findings)
    source = reader.source(read(source_text, findings))
    declarer = Declarer(findings)
    for routine in source.routines.values():
        declarer.routine(routine)
    known = Known(connectors, admits_foreign=admits_foreign)
    Checker(source, findings, known, is_whole=reader.is_whole).check()
    findings.settle()
    names = frozenset(source.routines)
    units = {name: RoutineCompiler(routine, names).compile() for name, routine in source.routines.items()}
    bodies = [step.body for routine in source.routines.values() for step in ast.every(routine.steps)]
    called = {body.function for body in bodies if isinstance(body, ast.Call)}
    return Program(
        units=units,
        warnings=tuple(sorted(findings.warnings)),
        connectors=tuple(sorted(name for name in called if name.startswith(CONNECTOR))),
    )
