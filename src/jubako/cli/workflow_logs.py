"""``jubako workflows executions logs EXECUTION``: what an execution logged, and what call logging tells of it."""

import argparse
import json
from typing import Any

from jubako.cli.context import Context, basename
from jubako.cli.errors import OK
from jubako.cli.flags import at_least
from jubako.cli.formats import Text
from jubako.cli.log_entries import Entry, found
from jubako.cli.run_logs import payload_text
from jubako.cli.terminal import Terminal, clean
from jubako.cli.times import instant, local_time
from jubako.cli.workflow_names import execution_name

LIMIT = 1_000
_SYSTEM = "ExecutionsSystemLog"
_DETAILS = ("begun", "succeeded", "exceptionRaised", "exceptionHandled", "start", "success", "failure")


def add_logs(parser: argparse.ArgumentParser) -> None:
    """Add the flags of ``logs``."""
    parser.add_argument(
        "--limit", metavar="N", type=at_least(1), default=LIMIT, help=f"the newest so many ({LIMIT})"
    )


def read_logs(args: argparse.Namespace, context: Context) -> int:
    """``jubako workflows executions logs``: the oldest entry first."""
    name = execution_name(args, context)
    wanted = (
        'resource.type = "workflows.googleapis.com/Workflow" AND '
        f'labels."workflows.googleapis.com/execution_id" = "{basename(name)}"'
    )
    entries = list(found(context, wanted, "desc", args.limit))
    entries.reverse()
    entries.sort(key=place)
    context.show(entries, Text(lambda value, out: (line(entry, out) for entry in value)))
    return OK


def place(entry: Entry) -> tuple[float, int]:
    """Return by what entries are sorted: what happens in one instant is between the begin and the end of it."""
    payload: dict[str, Any] = entry.get("jsonPayload", {})
    rank = 0 if "start" in payload else 2 if "success" in payload or "failure" in payload else 1
    at = instant(entry, "timestamp")
    return at.timestamp() if at is not None else 0.0, rank if payload.get("@type", "").endswith(
        _SYSTEM
    ) else 1


def line(entry: Entry, out: Terminal) -> str:
    """Return an entry as one line: time, severity, and what it tells."""
    severity = entry.get("severity", "DEFAULT")
    shown = f"{severity:<7}"
    if severity in {"ERROR", "CRITICAL", "ALERT", "EMERGENCY"}:
        shown = out.paint(shown, "red")
    return f"{local_time(entry, 'timestamp')} {shown} {clean(_told(entry))}"


def _told(entry: Entry) -> str:
    payload: dict[str, Any] = entry.get("jsonPayload", {})
    if "@type" not in payload:
        return payload_text(entry)
    details: dict[str, Any] = next((payload[name] for name in _DETAILS if name in payload), {})
    shown = details.get(
        "namedArgs", {name: value for name, value in details.items() if name != "callStartTime"}
    )
    where = f"{payload['step']}: {payload['callee']} " if "step" in payload else "execution "
    return f"{where}{payload['state'].lower().replace('_', ' ')} {json.dumps(shown, ensure_ascii=False)}"
