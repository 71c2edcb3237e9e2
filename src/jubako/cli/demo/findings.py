"""The end of a check, in the terminal."""

from jubako.cli.demo.clip import Clip
from jubako.cli.demo.watch import Snapshot
from jubako.cli.terminal import Terminal


def show_findings(out: Terminal, report: dict[str, object], snapshot: Snapshot, clip: Clip) -> None:
    """Print what was found."""
    del report, snapshot, clip
    out.print("done")
