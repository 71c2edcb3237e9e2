"""The steps of an execution that runs: as a tree on a terminal, as a line for each change in a pipe."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jubako.cli.context import basename
from jubako.cli.execution_progress import PLAIN_INTERVAL_S
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


class PlainProgress:
    """Tells where an execution stands, at most every two seconds; of a short one the result alone is told."""

    def __init__(self, terminal: Terminal, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.terminal = terminal
        self._monotonic = monotonic
        self._told = ""
        self._told_at = monotonic()

    def show(self, execution: Mapping[str, Any]) -> None:
        """Print a line if it stands somewhere else than at the last one."""
        steps = execution.get("status", {}).get("currentSteps", [])
        where = ", ".join(f"{step.get('routine', '')}/{step.get('step', '')}" for step in steps)
        text = clean(f"{basename(execution['name'])}: {execution.get('state', '').lower()} at {where}")
        now = self._monotonic()
        if steps and text != self._told and now - self._told_at >= PLAIN_INTERVAL_S:
            self.terminal.print(text)
            self._told, self._told_at = text, now
