"""``jubako run services logs read|tail SERVICE``: what its instances wrote, in the order of time.

Source of the words: ``gcloud run services logs read``.
"""

import argparse
import json
from collections.abc import Iterator

from jubako.cli.client import Client
from jubako.cli.context import Context, segment
from jubako.cli.errors import INTERRUPTED, OK
from jubako.cli.executions import FOLLOW_PATIENCE_S
from jubako.cli.flags import at_least
from jubako.cli.formats import Text
from jubako.cli.log_entries import LIMIT, Entry, found
from jubako.cli.parsing import Group
from jubako.cli.run_logs import STYLES, TAIL_POLL_S, payload_text
from jubako.cli.terminal import Terminal, clean
from jubako.cli.times import local_time

READ_LIMIT = 100


def register(services: Group) -> None:
    """Add the commands below ``run services logs``."""
    logs = services.group("logs", "Read what the instances of a service wrote.")
    for word, command, summary in (
        ("read", read_logs, "Print the newest entries, the oldest of them first."),
        ("tail", tail_logs, "Print what is written from now on, until Ctrl-C."),
    ):
        parser = logs.command(word, command, summary, example=f"jubako run services logs {word} web")
        parser.add_argument("service", metavar="SERVICE")
        parser.add_argument(
            "--log-filter", metavar="FILTER", default="", help="only those, in the Logging query language"
        )
        if word == "read":
            parser.add_argument(
                "--limit", metavar="N", type=at_least(1), default=READ_LIMIT, help=f"so many ({READ_LIMIT})"
            )


def read_logs(args: argparse.Namespace, context: Context) -> int:
    """``jubako run services logs read``."""
    entries = list(found(context, _filter(args, context), "desc", args.limit))[::-1]
    context.show(entries, Text(lambda value, out: (line(entry, out) for entry in value)))
    return OK


def tail_logs(args: argparse.Namespace, context: Context) -> int:
    """``jubako run services logs tail``."""
    context.client.patience_s = FOLLOW_PATIENCE_S
    try:
        for entry in _following(context, _filter(args, context)):
            context.out.print(line(entry, context.out) if context.format is None else json.dumps(entry))
    except KeyboardInterrupt:
        return INTERRUPTED
    return OK


def _following(context: Context, log_filter: str) -> Iterator[Entry]:
    """Yield entries that come after the newest one of now."""
    newest = list(found(context, log_filter, "desc", 1))
    since = newest[0]["timestamp"] if newest else ""
    seen = {entry["insertId"] for entry in newest}
    while True:
        bound = f'{log_filter} AND timestamp >= "{since}"' if since else log_filter
        entries = list(found(context, bound, "asc", LIMIT))
        yield from (entry for entry in entries if entry["insertId"] not in seen)
        if entries:
            since = entries[-1]["timestamp"]
            # Entries of the bound's own instant come again.
            seen = {entry["insertId"] for entry in entries if entry["timestamp"] == since} | (
                seen if entries[0]["timestamp"] == since else set()
            )
        _pause(context.client)


def _pause(client: Client) -> None:
    client.sleep(TAIL_POLL_S)


def _filter(args: argparse.Namespace, context: Context) -> str:
    own = (
        'resource.type = "cloud_run_revision" AND '
        f'resource.labels.service_name = "{segment(args.service, "service")}" AND '
        f'resource.labels.location = "{context.location}"'
    )
    return f"{own} AND ({args.log_filter})" if args.log_filter else own


def line(entry: Entry, terminal: Terminal) -> str:
    """Return an entry as one line: time, severity if it is worth a word, and what was written."""
    severity = entry.get("severity", "DEFAULT")
    word = f"{severity} " if severity not in {"DEFAULT", "INFO"} else ""
    text = f"{local_time(dict(entry), 'timestamp')} {word}{clean(payload_text(entry))}"
    style = STYLES.get(severity)
    return terminal.paint(text, style) if style else text
