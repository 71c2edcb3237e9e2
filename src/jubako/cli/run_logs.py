"""``jubako run jobs logs read|tail``: what tasks wrote, in the order of time.

Read from the server's own route (``/jubako/v1/EXECUTION/logs``), whose entries have the shape of Cloud Logging's.
"""

import argparse
import json
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from jubako.cli.client import Query
from jubako.cli.context import Context, basename
from jubako.cli.errors import INTERRUPTED, OK, CliError, UsageError
from jubako.cli.executions import FOLLOW_PATIENCE_S, full_name
from jubako.cli.flags import at_least, moment
from jubako.cli.formats import Text
from jubako.cli.parsing import Group
from jubako.cli.terminal import Terminal, clean
from jubako.cli.times import local_time

Entry = Mapping[str, Any]
SEVERITIES = ("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY")
STYLES = {
    "WARNING": "yellow",
    "ERROR": "red",
    "CRITICAL": "red",
    "ALERT": "red",
    "EMERGENCY": "red",
    "DEBUG": "dim",
}
TAIL_POLL_S = 0.5


def register(jobs: Group) -> None:
    """Add the commands below ``run jobs logs``."""
    logs = jobs.group("logs", "Read what tasks wrote.")
    for word, command, summary in (
        ("read", read_logs, "Print what the tasks of an execution wrote so far."),
        ("tail", tail_logs, "Print it as it is written, until the execution is over."),
    ):
        parser = logs.command(word, command, summary, example=f"jubako run jobs logs {word} hello --task 3")
        parser.add_argument("job", metavar="JOB", nargs="?", help="its last execution")
        parser.add_argument("--execution", metavar="EXECUTION", help="this execution")
        parser.add_argument("--task", metavar="INDEX", type=at_least(0), help="this task only")
        parser.add_argument(
            "--attempt", metavar="N", type=at_least(0), help="this attempt only, 0 is the first"
        )
        parser.add_argument("--severity", choices=SEVERITIES, type=str.upper, help="at least this severity")
        parser.add_argument("--stream", choices=("stdout", "stderr"), help="this stream only")
        if word == "read":
            parser.add_argument("--limit", metavar="N", type=at_least(1), help="the last N entries only")
        for flag, text in (("--since", "from this time on"), ("--until", "before this time")):
            parser.add_argument(
                flag,
                metavar="TIME",
                type=moment,
                help=f"{text}: 2026-11-24T09:00:00Z, or 10m for 10 minutes ago",
            )


def read_logs(args: argparse.Namespace, context: Context) -> int:
    """``jubako run jobs logs read``."""
    execution = _execution(args, context)
    entries = _entries(context, execution, _query(args), is_following=False)
    if args.limit:
        entries = iter(deque(entries, args.limit))
    if context.format is not None:
        context.show(list(entries), Text(lambda value, _: iter(value)))
        return OK
    for entry in entries:
        context.out.print(line(entry, context.out))
    return OK


def tail_logs(args: argparse.Namespace, context: Context) -> int:
    """``jubako run jobs logs tail``."""
    execution = _execution(args, context)
    context.client.patience_s = FOLLOW_PATIENCE_S
    try:
        for entry in _entries(context, execution, _query(args), is_following=True):
            context.out.print(line(entry, context.out) if context.format is None else json.dumps(entry))
    except KeyboardInterrupt:
        return INTERRUPTED
    return OK


def _execution(args: argparse.Namespace, context: Context) -> str:
    if args.execution:
        return full_name(context.parent, args.execution)
    if not args.job:
        raise UsageError("Whose logs?", "Give a JOB, for its last execution, or --execution EXECUTION.")
    name = context.resource("jobs", args.job)
    latest = context.client.get(f"/v2/{name}").get("latestCreatedExecution", {}).get("name")
    if not latest:
        raise CliError(
            f"Job [{args.job}] has not been executed yet.", f"Execute it: jubako run jobs execute {args.job}"
        )
    return f"{name}/executions/{basename(latest)}"


def _query(args: argparse.Namespace) -> dict[str, str | int | None]:
    names = ("task", "attempt", "severity", "stream", "since", "until")
    return {name: getattr(args, name) for name in names}


def _entries(context: Context, execution: str, query: Query, *, is_following: bool) -> Iterator[Entry]:
    """Yield the entries of every page; the token of the last one also continues a log that grows."""
    token: str | None = None
    while True:
        page = context.client.get(f"/jubako/v1/{execution}/logs", {**query, "pageToken": token})
        if token is None:
            _tell_losses(context, page)
        yield from page.get("entries", [])
        token = page.get("nextPageToken") or token
        if page.get("caughtUp"):
            if page.get("final") or not is_following:
                return
            context.client.sleep(TAIL_POLL_S)


def _tell_losses(context: Context, page: Mapping[str, Any]) -> None:
    for lost in page.get("lost", []):
        context.err.print(f"The output of task {lost['taskIndex']}, attempt {lost['taskAttempt']}, is gone.")


def line(entry: Entry, terminal: Terminal) -> str:
    """Return an entry as one line: time, task and attempt, severity if it is worth a word, and what was written."""
    severity = entry.get("severity", "DEFAULT")
    attempt = entry.get("taskAttempt", 0)
    task = f"{entry.get('taskIndex', 0)}" + (f".{attempt}" if attempt else "")
    word = f"{severity} " if severity not in {"DEFAULT", "INFO"} else ""
    text = f"{local_time(dict(entry), 'timestamp')} [{task}] {word}{clean(payload_text(entry))}"
    style = STYLES.get(severity)
    return terminal.paint(text, style) if style else text


def payload_text(entry: Entry) -> str:
    """Return what was written: the text, or the message of an object and its other fields."""
    payload = entry.get("jsonPayload")
    if payload is None:
        return str(entry.get("textPayload", ""))
    rest = " ".join(
        f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in payload.items() if key != "message"
    )
    return " ".join(part for part in (str(payload.get("message", "")), rest) if part)
