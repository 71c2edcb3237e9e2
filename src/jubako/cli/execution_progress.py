"""The progress of one execution: a line that moves on a terminal, a line for each change in a pipe."""

import time
from collections.abc import Callable

from jubako.cli.context import basename
from jubako.cli.executions import Execution, elapsed, state
from jubako.cli.terminal import Live, Terminal, clip
from jubako.cli.times import clock

BAR_CELLS = 20
PLAIN_INTERVAL_S = 2.0


def counts(execution: Execution) -> str:
    """Return ``12 / 20 complete, 4 running, 1 failed``."""
    words = [f"{execution.get('succeededCount', 0)} / {execution.get('taskCount', 0)} complete"]
    for field, word in (
        ("runningCount", "running"),
        ("failedCount", "failed"),
        ("cancelledCount", "cancelled"),
        ("retriedCount", "retried"),
    ):
        if execution.get(field):
            words.append(f"{execution[field]} {word}")
    return ", ".join(words)


def bar(done: int, total: int, cells: int = BAR_CELLS) -> str:
    """Return a bar of ``cells`` characters, ``done`` of ``total`` of it filled."""
    filled = cells * done // total if total else 0
    return "█" * filled + "░" * (cells - filled)


class ExecutionProgress:
    """Shows an execution as it goes on."""

    def __init__(self, terminal: Terminal, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.terminal = terminal
        self.live = Live(terminal)
        self._monotonic = monotonic
        self._told = ""
        self._told_at = -PLAIN_INTERVAL_S

    def show(self, execution: Execution, told: str = "") -> None:
        """Show the execution as it is now; ``told`` is what its running tasks say how far they are."""
        if self.terminal.is_live:
            text = f"{self.line(execution)}  {told}".rstrip()
            self.live.draw([clip(text, self.terminal.columns - 1)])
        else:
            self._tell(execution)

    def line(self, execution: Execution) -> str:
        """Return the line for a terminal."""
        total = execution.get("taskCount", 0)
        done = sum(execution.get(field, 0) for field in ("succeededCount", "failedCount", "cancelledCount"))
        name = basename(execution["name"])
        return f"{name}  {bar(done, total)}  {counts(execution)}  {clock(elapsed(execution))}"

    def _tell(self, execution: Execution) -> None:
        text = f"{basename(execution['name'])}: {state(execution)}, {counts(execution)}"
        now = self._monotonic()
        is_over = bool(execution.get("completionTime"))
        if text != self._told and (is_over or now - self._told_at >= PLAIN_INTERVAL_S):
            self.terminal.print(text)
            self._told, self._told_at = text, now
