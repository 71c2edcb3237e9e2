"""``jubako clock show|advance``: the time of a server that runs with ``--clock virtual`` or ``manual``."""

import argparse
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from jubako.cli.context import Context
from jubako.cli.errors import OK
from jubako.cli.formats import Text
from jubako.cli.parsing import Group
from jubako.cli.terminal import Terminal

_PART = re.compile(r"(\d+(?:\.\d+)?)([smhdw]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
PATH = "/jubako/v1/clock"


def register(top: Group, word: str, summary: str) -> None:
    """Add the commands below ``clock``."""
    clock = top.group(word, summary)
    clock.command("show", show, "Show the server's time, and when something is due next.")
    advance = clock.command(
        "advance",
        advance_clock,
        "Let time pass: what is due meanwhile happens.",
        example="jubako clock advance 30d",
    )
    advance.add_argument("duration", metavar="DURATION", type=duration, help="such as 30d, 1h30m or 90")


def duration(text: str) -> timedelta:
    """Return a duration such as ``30d``, ``1h30m`` or ``90`` (seconds); raise ValueError for anything else."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 30d, 1h30m or 90")
    return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in parts))


def show(args: argparse.Namespace, context: Context) -> int:
    """``jubako clock show``."""
    del args
    context.show(context.client.get(PATH), Text(_told))
    return OK


def advance_clock(args: argparse.Namespace, context: Context) -> int:
    """``jubako clock advance``."""
    body = {"duration": f"{args.duration.total_seconds():f}s"}
    context.show(context.client.call("POST", f"{PATH}:advance", body=body), Text(_told))
    return OK


def ahead(text: str) -> str:
    """Return a duration such as ``31449600.5s`` as ``364 days``, ``1 day 2:03:04`` or ``0:00:07``."""
    rest = timedelta(seconds=max(round(float(text.removesuffix("s"))), 0))
    days, time = rest.days, str(rest - timedelta(days=rest.days))
    told = [f"{days:,} day{'s' if days > 1 else ''}"] if days else []
    return " ".join(told + ([] if days and time == "0:00:00" else [time]))


def _told(clock: dict[str, Any], terminal: Terminal) -> Iterator[str]:
    yield terminal.paint(clock["now"], "bold")
    yield {
        "real": "  as the machine's clock",
        "virtual": f"  {ahead(clock['ahead'])} ahead; jumps by itself when nothing real is under way",
        "manual": f"  {ahead(clock['ahead'])} ahead; jumps when told: jubako clock advance 30d",
    }[clock["mode"]]
    if "nextDue" in clock:
        yield f"  next due: {clock['nextDue']}"
