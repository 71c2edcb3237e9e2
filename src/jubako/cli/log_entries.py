"""``jubako logging read [FILTER]``: log entries of all jobs, by Cloud Logging's filters.

Source of the words: ``gcloud logging read`` of the Cloud SDK.
"""

import argparse
import json
from collections.abc import Iterator
from typing import Any

from jubako.cli.context import Context
from jubako.cli.errors import OK
from jubako.cli.flags import at_least
from jubako.cli.formats import Text
from jubako.cli.parsing import Group
from jubako.cli.terminal import clean

PAGE = 1_000
LIMIT = 1_000


def register(top: Group, word: str, summary: str) -> None:
    """Add the commands below ``logging``."""
    group = top.group(word, summary)
    read = group.command(
        "read",
        read_entries,
        "Print log entries, the newest first.",
        example="jubako logging read 'resource.labels.job_name = hello AND severity >= ERROR' --limit 20",
    )
    read.add_argument("log_filter", metavar="FILTER", nargs="?", default="", help="conditions joined by AND")
    read.add_argument(
        "--limit", metavar="N", type=at_least(1), default=LIMIT, help=f"at most so many ({LIMIT})"
    )
    read.add_argument("--order", choices=("asc", "desc"), default="desc", help="by time (desc)")


def read_entries(args: argparse.Namespace, context: Context) -> int:
    """``jubako logging read``."""
    entries = list(_entries(args, context))
    context.show(entries, Text(lambda value, _: (_line(entry) for entry in value)))
    return OK


def _entries(args: argparse.Namespace, context: Context) -> Iterator[dict[str, Any]]:
    body: dict[str, Any] = {
        "resourceNames": [f"projects/{context.project}"],
        "filter": args.log_filter,
        "orderBy": f"timestamp {args.order}",
    }
    left = args.limit
    while left:
        page = context.client.call(
            "POST", "/v2/entries:list", body={**body, "pageSize": min(left, PAGE)}, is_repeatable=True
        )
        yield from page["entries"]
        left -= len(page["entries"])
        body["pageToken"] = page.get("nextPageToken", "")
        if not body["pageToken"]:
            return


def _line(entry: dict[str, Any]) -> str:
    payload = entry.get("jsonPayload")
    text = entry.get("textPayload", "") if payload is None else json.dumps(payload, ensure_ascii=False)
    place = entry["labels"].get("run.googleapis.com/execution_name", "")
    task = entry["labels"].get("run.googleapis.com/task_index", "")
    return clean(f"{entry['timestamp']} {entry.get('severity', 'DEFAULT')} {place}/{task} {text}")
