"""``jubako workflows check FILE...``: what the compiler says, as ``FILE:LINE:COLUMN: sentence`` or as JSON, offline.

Exit code 0: every file is a workflow (warnings do not count); 1: at least one is refused; 2: one cannot be read.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jubako.cli.context import Context
from jubako.cli.errors import FAILED, OK, ApiError, CliError, UsageError
from jubako.cli.terminal import clean

if TYPE_CHECKING:
    from jubako.boxes.workflows.language import Problem


WARNING = "warning: "
_REFUSED = "failed to build: "
"""How a server's answer about a source begins; the problems follow, one a line."""


def check_files(args: argparse.Namespace, context: Context) -> int:
    """``jubako workflows check``."""
    texts = [(path, read_workflow(path)) for path in args.files]
    found = [(path, *_compiled(text, admits_foreign=args.google)) for path, text in texts]
    if args.check_format == "json":
        documents = [
            _document(path, problem, severity)
            for path, errors, warnings in found
            for severity, problems in (("error", errors), ("warning", warnings))
            for problem in problems
        ]
        context.out.print(json.dumps(documents, indent=2, ensure_ascii=False))
    else:
        for path, errors, warnings in found:
            for line in (*problem_lines(path, errors), *problem_lines(path, warnings, WARNING)):
                context.out.print(line)
            if not errors:
                context.note(f"{path} is a workflow.")
    return FAILED if any(errors for _, errors, _ in found) else OK


def _compiled(text: str, *, admits_foreign: bool) -> tuple[list["Problem"], list["Problem"]]:
    """Return what is wrong with a source, and what is doubtful."""
    from jubako.boxes.workflows import language  # noqa: PLC0415 - only these commands need the compiler
    from jubako.boxes.workflows.connector_names import CONNECTORS  # noqa: PLC0415

    try:
        program = language.compile_workflow(text, connectors=CONNECTORS, admits_foreign=admits_foreign)
        return [], list(program.warnings)
    except language.SourceRefused as refusal:
        return list(refusal.problems), []


def warnings_of(path: Path, text: str) -> Iterator[str]:
    """Yield what is doubtful in a source that can be deployed, as editors read it."""
    return problem_lines(path, _compiled(text, admits_foreign=True)[1], WARNING)


def refused(error: ApiError, path: Path | None) -> CliError:
    """Return the error of a deployment for people: where the source was refused, each line begins with its file."""
    if path is None or not error.reason.startswith(_REFUSED):
        return error
    lines = [clean(f"{path}:{line}") for line in error.reason.removeprefix(_REFUSED).splitlines()]
    return CliError("\n".join([f"{path} cannot be deployed.", *lines]))


def _document(path: Path, problem: "Problem", severity: str) -> dict[str, Any]:
    return {
        "file": str(path),
        "line": problem.line,
        "column": problem.column,
        "severity": severity,
        "message": problem.message,
        "step": problem.step,
        "fix": problem.fix,
    }


def problem_lines(path: Path, problems: Iterable["Problem"], kind: str = "") -> Iterator[str]:
    """Yield the problems of a file as editors read them."""
    for problem in problems:
        yield clean(f"{path}:{problem.told(kind)}")


def read_workflow(path: Path) -> str:
    """Return the text of a file, or of standard input for ``-``.

    Raises:
        UsageError: It cannot be read.

    """
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}.") from None
