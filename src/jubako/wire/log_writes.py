"""What ``entries:write`` may store: entries completed and checked. Pure.

Source: google/logging/v2/logging.proto and log_entry.proto; Cloud Logging, "Quotas and limits".
"""

import re
from datetime import datetime, timedelta

import msgspec

from jubako.core.timestamps import to_micros
from jubako.telemetry.log_rows import RETENTION, LogRow
from jubako.wire import codec
from jubako.wire.codec import invalid
from jubako.wire.logging_types import LogEntry, WriteLogEntriesRequest

ENTRY_BYTES_MAX = 256 * 1024
FUTURE_MAX = timedelta(hours=24)
LABELS_MAX = 64
LABEL_KEY_MAX = 512
LABEL_VALUE_MAX = 64 * 1024
INSERT_ID_MAX = 512
_LOG_NAME = re.compile(r"projects/([^/]+)/logs/([A-Za-z0-9/_.%-]{1,511})\Z")


def row_of(request: WriteLogEntriesRequest, at: int, now: datetime, batch: str) -> LogRow:
    """Return the entry at index ``at`` of a request as it is stored.

    Args:
        request: The request, whose common parts fill in what the entry leaves out.
        at: Index.
        now: When it was received.
        batch: Of this request; entries without an insert id get one by it, and so stay in their order.

    Raises:
        InvalidArgument: It cannot be stored; the message names the field.

    """
    field = f"entries[{at}]"
    entry = _completed(request, at, now, batch)
    project, log_id = log_of(entry.log_name, f"{field}.logName")
    if entry.resource is None or not entry.resource.type:
        raise invalid(f"{field}.resource", "is missing: a monitored resource has a type.")
    assert entry.timestamp is not None
    if not now - RETENTION <= entry.timestamp <= now + FUTURE_MAX:
        raise invalid(f"{field}.timestamp", "is more than 30 days ago or more than 24 hours ahead.")
    if len(entry.insert_id) > INSERT_ID_MAX:
        raise invalid(f"{field}.insertId", f"has more than {INSERT_ID_MAX} characters.")
    _check_labels(entry.labels, f"{field}.labels")
    document = codec.encode(entry)
    if len(document) > ENTRY_BYTES_MAX:
        raise invalid(field, f"has {len(document)} bytes; an entry has at most {ENTRY_BYTES_MAX}.")
    return LogRow(
        project=project,
        time_us=to_micros(entry.timestamp),
        insert_id=entry.insert_id,
        log_id=log_id,
        resource_type=entry.resource.type,
        document=document.decode(),
    )


def log_of(name: str, field: str) -> tuple[str, str]:
    """Return project and log id of a log's name; a slash in the id is percent-encoded.

    Raises:
        InvalidArgument: It is not the name of a project's log.

    """
    match = _LOG_NAME.match(name)
    if match is None:
        raise invalid(field, f"{name[:200]!r} is not of the form projects/PROJECT/logs/LOG_ID.")
    return match[1], match[2].replace("/", "%2F")


def _completed(request: WriteLogEntriesRequest, at: int, now: datetime, batch: str) -> LogEntry:
    """Return the entry with what the request says for all, and what the server says."""
    entry = request.entries[at]
    return msgspec.structs.replace(
        entry,
        log_name=entry.log_name or request.log_name,
        resource=entry.resource or request.resource,
        labels={**request.labels, **entry.labels},
        timestamp=entry.timestamp or now,
        receive_timestamp=now,
        insert_id=entry.insert_id or f"{batch}-{at:06}",
    )


def _check_labels(labels: dict[str, str], field: str) -> None:
    if len(labels) > LABELS_MAX:
        raise invalid(field, f"has more than {LABELS_MAX} labels.")
    for key, value in labels.items():
        if not key or len(key) > LABEL_KEY_MAX or len(value) > LABEL_VALUE_MAX:
            raise invalid(
                field,
                f"{key[:100]!r}: a key has 1 to {LABEL_KEY_MAX} characters, a value at most {LABEL_VALUE_MAX}.",
            )
