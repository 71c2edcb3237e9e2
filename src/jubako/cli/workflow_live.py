"""The steps of an execution that runs, as a tree on the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from jubako.cli.terminal import Terminal, clean, clip
from jubako.cli.workflow_timeline import span

_MARKS = {
    "STATE_SUCCEEDED": ("\N{CHECK MARK}", "green"),
    "STATE_FAILED": ("\N{BALLOT X}", "red"),
    "STATE_CANCELLED": ("\N{CIRCLED DIVISION SLASH}", "red"),
    "STATE_IN_PROGRESS": ("\N{BLACK RIGHT-POINTING TRIANGLE}", "yellow"),
}
_PARTS = {
    "STEP_FOR_ITERATION": "iteration",
    "STEP_CONDITION": "case",
    "STEP_RETRY": "retry",
    "STEP_TRY": "try",
    "STEP_EXCEPT": "except",
}
"""Entries that are a part of a step: what they are called under its name."""


def tree(steps: Sequence[Mapping[str, Any]], terminal: Terminal, rows: int) -> list[str]:
    """Return the answer of ``:steps`` as at most ``rows`` lines; what is under way is always among the last of them."""
    lines = [_line(step, terminal) for step in steps[-rows:]]
    if len(steps) > rows:
        lines[0] = terminal.paint("  \N{HORIZONTAL ELLIPSIS}", "dim")
    return lines


def _line(step: Mapping[str, Any], terminal: Terminal) -> str:
    mark, colour = _MARKS.get(step["state"], (" ", "dim"))
    name = _PARTS.get(step["type"], clean(step["step"]))
    if step["number"] and step["type"] in _PARTS:
        name = f"{name} {step['number']}"
    taken = span(step["seconds"]) if step["seconds"] >= _SHOWN_SECONDS else ""
    indent = "  " * (step["depth"] + 1)
    text = clip(f"{name}  {taken}".rstrip(), terminal.columns - len(indent) - 3)
    return f"{indent}{terminal.paint(mark, colour)} {text}"


_SHOWN_SECONDS = 0.001
"""Shorter steps show no time: an assignment takes none."""
