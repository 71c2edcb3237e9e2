"""``jubako workflows check FILE``: what the compiler says, as ``FILE:LINE:COLUMN: sentence``, without a server."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from jubako.cli.context import Context
from jubako.cli.errors import FAILED, OK, UsageError
from jubako.cli.terminal import clean

if TYPE_CHECKING:
    from jubako.boxes.workflows.language import Problem


def check_file(args: argparse.Namespace, context: Context) -> int:
    """``jubako workflows check``."""
    from jubako.boxes.workflows import language  # noqa: PLC0415 - only this command needs the compiler

    try:
        program = language.compile_workflow(_read(args.file))
    except language.SourceRefused as refusal:
        for line in _lines(args.file, refusal.problems, ""):
            context.out.print(line)
        return FAILED
    for line in _lines(args.file, program.warnings, "warning: "):
        context.out.print(line)
    context.note(f"{args.file} is a workflow.")
    return OK


def _lines(path: Path, problems: Iterable["Problem"], kind: str) -> Iterator[str]:
    for problem in problems:
        step = f" (step {problem.step})" if problem.step else ""
        fix = f" {problem.fix}" if problem.fix else ""
        yield clean(f"{path}:{problem.line}:{problem.column}: {kind}{problem.message}{step}.{fix}")


def _read(path: Path) -> str:
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}.") from None
