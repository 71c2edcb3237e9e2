"""``jubako logging read [FILTER]`` and ``logging write LOG MESSAGE``: log entries of everything that runs here.

Source of the words: ``gcloud logging read`` and ``gcloud logging write`` of the Cloud SDK.
"""

import argparse
import json
from collections.abc import Iterator
from typing import Any

from jubako.cli.context import Context
from jubako.cli.errors import OK, UsageError
from jubako.cli.flags import at_least, moment
from jubako.cli.formats import Text
from jubako.cli.parsing import Group
from jubako.cli.run_logs import SEVERITIES, payload_text
from jubako.cli.terminal import clean

PAGE = 1_000
LIMIT = 1_000
_TASK = ("run.googleapis.com/execution_name", "run.googleapis.com/task_index")
_PLACES = ("service_name", "workflow_id", "job_name")
Entry = dict[str, Any]


def register(top: Group, word: str, summary: str) -> None:
    """Add the commands below ``logging``."""
    group = top.group(word, summary)
    read = group.command(
        "read",
        read_entries,
        "Print log entries, the newest first.",
        example="jubako logging read 'resource.labels.job_name = hello AND severity >= ERROR' --limit 20",
    )
    read.add_argument(
        "log_filter", metavar="FILTER", nargs="?", default="", help="in the Logging query language"
    )
    read.add_argument(
        "--limit", metavar="N", type=at_least(1), default=LIMIT, help=f"at most so many ({LIMIT})"
    )
    read.add_argument(
        "--freshness", metavar="AGE", type=moment, help="not older than this, such as 10m or 1d (any age)"
    )
    read.add_argument("--order", choices=("asc", "desc"), default="desc", help="by time (desc)")
    write = group.command(
        "write", write_entry, "Write a log entry.", example="jubako logging write my-log 'It is done'"
    )
    write.add_argument("log", metavar="LOG", help="name of the log; it need not exist")
    write.add_argument("message", metavar="MESSAGE", help="text, or a JSON object")
    write.add_argument(
        "--payload-type", choices=("text", "json"), default="text", help="what MESSAGE is (text)"
    )
    write.add_argument("--severity", choices=SEVERITIES, type=str.upper, default="DEFAULT", help="(DEFAULT)")


def read_entries(args: argparse.Namespace, context: Context) -> int:
    """``jubako logging read``."""
    wanted = args.log_filter
    if args.freshness:
        wanted = f'({wanted or "severity>=DEFAULT"}) AND timestamp>="{args.freshness}"'
    entries = list(found(context, wanted, args.order, args.limit))
    context.show(entries, Text(lambda value, _: (_line(entry) for entry in value)))
    return OK


def write_entry(args: argparse.Namespace, context: Context) -> int:
    """``jubako logging write``."""
    entry: Entry = {"severity": args.severity, "textPayload": args.message}
    if args.payload_type == "json":
        entry = {"severity": args.severity, "jsonPayload": _json(args.message)}
    body = {
        "logName": f"projects/{context.project}/logs/{args.log.replace('/', '%2F')}",
        "resource": {"type": "global", "labels": {"project_id": context.project}},
        "entries": [entry],
    }
    context.client.call("POST", "/v2/entries:write", body=body)
    context.note("Created log entry.")
    return OK


def _json(message: str) -> Entry:
    try:
        payload = json.loads(message)
    except ValueError as error:
        raise UsageError(f"MESSAGE is not JSON: {error}.") from None
    if not isinstance(payload, dict):
        raise UsageError("MESSAGE is not a JSON object.")
    return payload


def found(context: Context, log_filter: str, order: str, limit: int) -> Iterator[Entry]:
    """Yield at most ``limit`` entries of the project that meet a filter, in the order of time."""
    body: Entry = {
        "resourceNames": [f"projects/{context.project}"],
        "filter": log_filter,
        "orderBy": f"timestamp {order}",
    }
    left = limit
    while left:
        page = context.client.call(
            "POST", "/v2/entries:list", body={**body, "pageSize": min(left, PAGE)}, is_repeatable=True
        )
        entries = page.get("entries", [])
        yield from entries
        left -= len(entries)
        body["pageToken"] = page.get("nextPageToken", "")
        if not body["pageToken"]:
            return


def _line(entry: Entry) -> str:
    severity = entry.get("severity", "DEFAULT")
    return clean(f"{entry['timestamp']} {severity} {_place(entry)} {payload_text(entry)}")


def _place(entry: Entry) -> str:
    """Return who wrote it: a task, a service, a workflow; else the log."""
    labels, resource = entry.get("labels", {}), entry.get("resource", {}).get("labels", {})
    if _TASK[0] in labels:
        return f"{labels[_TASK[0]]}/{labels.get(_TASK[1], '')}"
    log = str(entry.get("logName", "")).rsplit("/", 1)[-1]
    return next((str(resource[name]) for name in _PLACES if name in resource), log)
