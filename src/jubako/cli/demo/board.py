"""The picture of a check under way: a bar for each branch, a cell for each shard, how long each takes."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from jubako.cli.demo.watch import LIVE, Branch, Shard, Snapshot
from jubako.cli.execution_progress import bar
from jubako.cli.terminal import Live, Terminal, clean, clip, pad
from jubako.cli.times import clock, seconds

LABELS = {"ocr": "read captions", "speech": "listen", "report": "compare"}
CELLS = {
    "Pending": ("·", "dim"),
    "Running": ("▁", "cyan"),
    "Retrying": ("↻", "yellow"),
    "Succeeded": ("█", "green"),
    "Failed": ("✗", "red"),
    "Cancelled": ("−", "yellow"),
}
FILLING = "▁▂▃▄▅▆▇"
"""A running shard's cell, by how much of it is done."""
URGENCY = ("Failed", "Retrying", "Running", "Cancelled", "Pending", "Succeeded")
"""Which state a cell shows that stands for several shards: the first of these that one of them has."""
UNKNOWN = ("?", "red")
CELLS_MAX = 40
PLAIN_INTERVAL_S = 1.0


def frame(snapshot: Snapshot, terminal: Terminal) -> list[str]:
    """Return the picture, its lines no wider than the terminal."""
    room = terminal.columns - 1
    title = f"Checking {clean(snapshot.name)} ({snapshot.duration:.0f} s), reception {snapshot.id}"
    lines = [terminal.paint(clip(title, room), "bold"), ""]
    lines += [_branch_line(branch, snapshot.now, terminal) for branch in snapshot.branches]
    return [*lines, "", terminal.paint(clip(_footer(snapshot), room), "dim"), ""]


def _footer(snapshot: Snapshot) -> str:
    if snapshot.state == "RUNNING":
        return "Ctrl-C stops everything; the same command goes on where it was."
    return snapshot.state.capitalize()


def _branch_line(branch: Branch, now: datetime, terminal: Terminal) -> str:
    label = pad(LABELS.get(branch.name, branch.name), 14)
    count = pad(f"{branch.done}/{branch.total}", 7, right=True)
    taken = pad(_taken(branch, now), 6, right=True)
    left = f"  {label} {bar(round(branch.part * 1000), 1000)} {count}  {taken}  "
    room = min(terminal.columns - 1 - len(left), CELLS_MAX)
    return left + _cells(branch, max(room, 0), terminal) if room > 0 else clip(left, terminal.columns - 1)


def _taken(branch: Branch, now: datetime) -> str:
    starts = [shard.start for shard in branch.shards if shard.start]
    if not starts:
        return "-"
    ends = [shard.end for shard in branch.shards]
    last = max((end for end in ends if end), default=now) if all(ends) else now
    return clock(max(last - min(starts), timedelta()))


def _cells(branch: Branch, room: int, terminal: Terminal) -> str:
    shards = branch.shards or [Shard(index=index, state="Pending") for index in range(branch.total)]
    if len(shards) <= room:
        return "".join(terminal.paint(*_cell(shard)) for shard in shards)
    states = compressed([shard.state for shard in shards], room)
    return "".join(terminal.paint(*CELLS.get(state, UNKNOWN)) for state in states)


def _cell(shard: Shard) -> tuple[str, str]:
    character, style = CELLS.get(shard.state, UNKNOWN)
    if shard.state == "Running":
        character = FILLING[min(int(shard.part * len(FILLING)), len(FILLING) - 1)]
    return character, style


def compressed(states: Sequence[str], room: int) -> list[str]:
    """Return at most ``room`` states; where several share a cell, the most urgent is shown."""
    if len(states) <= room:
        return list(states)
    groups = (states[len(states) * cell // room : len(states) * (cell + 1) // room] for cell in range(room))
    return [next((state for state in URGENCY if state in group), "Pending") for group in groups]


def sentence(snapshot: Snapshot) -> str:
    """Return the same in one line, without times: it changes only when something has happened."""
    parts = []
    for branch in snapshot.branches:
        running = sum(shard.state in LIVE for shard in branch.shards)
        parts.append(
            f"{branch.name} {branch.done}/{branch.total}" + (f" ({running} running)" if running else "")
        )
    return f"{snapshot.state.lower()}: {', '.join(parts)}"


class Board:
    """Shows snapshots as they come."""

    def __init__(
        self, terminal: Terminal, *, is_quiet: bool, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._terminal = terminal
        self._live = Live(terminal)
        self._is_quiet = is_quiet
        self._monotonic = monotonic
        self._began = monotonic()
        self._told = ""
        self._told_at = -PLAIN_INTERVAL_S
        self._last: Snapshot | None = None

    def show(self, snapshot: Snapshot) -> None:
        """Show where the check stands."""
        self._last = snapshot
        if self._is_quiet:
            return
        if self._terminal.is_live:
            self._live.draw(frame(snapshot, self._terminal))
        else:
            self._tell(snapshot, is_last=False)

    def pause(self) -> None:
        """Take the picture away; something else is about to be printed."""
        self._live.clear()

    def finish(self) -> None:
        """Let the last picture stand."""
        self._live.leave()
        if self._last is not None and not self._is_quiet and not self._terminal.is_live:
            self._tell(self._last, is_last=True)

    def _tell(self, snapshot: Snapshot, *, is_last: bool) -> None:
        text, now = sentence(snapshot), self._monotonic()
        if text != self._told and (is_last or now - self._told_at >= PLAIN_INTERVAL_S):
            self._terminal.print(f"{seconds(timedelta(seconds=now - self._began)):>7}  {text}")
            self._told, self._told_at = text, now
