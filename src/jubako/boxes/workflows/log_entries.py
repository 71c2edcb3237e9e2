"""What workflows log, as Cloud Logging's entries.

1. ``sys.log`` is stored in the commit of its turn, under the effect's name: once, whatever dies when. So are the
   entries of call logging.
2. Start and end of an execution are read off its row; nothing is stored for them.

Sources: cloud.google.com/workflows/docs/log-workflow; google/cloud/workflows/type/executions_system.proto;
Cloud Logging, "Platform logs", Workflows.
"""

import json
from collections.abc import AsyncGenerator, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from jubako.boxes.workflows.call_log import CallEvent
from jubako.boxes.workflows.language import Effect
from jubako.boxes.workflows.language.values import to_data
from jubako.boxes.workflows.performer import Context
from jubako.boxes.workflows.resources import Execution
from jubako.core.names import WORKFLOW_EXECUTION
from jubako.core.timestamps import format_timestamp, from_micros, to_micros
from jubako.store.port import Store, Tx
from jubako.telemetry.log_entries import Best, Entry, place
from jubako.telemetry.log_filter import Filter
from jubako.telemetry.log_rows import LogRow
from jubako.wire import codec

RESOURCE = "workflows.googleapis.com/Workflow"
CUSTOM_LOG = "Workflows"
SYSTEM_LOG = "workflows.googleapis.com%2Fexecutions_system"
CALL_LOG = "workflows.googleapis.com%2Fengine_call"
CALL_TYPE = "type.googleapis.com/google.cloud.workflows.type.EngineCallLog"
SYSTEM_TYPE = "type.googleapis.com/google.cloud.workflows.type.ExecutionsSystemLog"
EXECUTIONS_MAX = 1_000
"""How many executions, the newest first, are looked through."""
PAYLOAD_CHARS_MAX = 60_000
"""Of a longer payload the beginning is kept. Source: Cloud Logging quotas, size of a log entry (256 KB)."""


def row_of(effect: Effect, context: Context, now: datetime) -> LogRow:
    """Return what a ``sys.log`` leaves behind."""
    args: dict[str, Any] = to_data(dict(effect.args))
    time = format_timestamp(now)
    entry = {
        **_common(context.name, context.env["GOOGLE_CLOUD_WORKFLOW_REVISION_ID"], CUSTOM_LOG),
        "insertId": f"{context.id}-{effect.name}"[:512],
        "timestamp": time,
        "receiveTimestamp": time,
        "severity": args["severity"],
        **_payload(args),
    }
    return LogRow(
        project=context.name.split("/")[1],
        time_us=to_micros(now),
        insert_id=entry["insertId"],
        log_id=CUSTOM_LOG,
        resource_type=RESOURCE,
        document=_text(entry),
    )


def row_of_call(event: CallEvent, context: Context) -> LogRow:
    """Return what call logging leaves behind."""
    time = format_timestamp(from_micros(event.time))
    entry = {
        **_common(context.name, context.env["GOOGLE_CLOUD_WORKFLOW_REVISION_ID"], CALL_LOG),
        "insertId": f"{context.id}-{event.number}-{event.state}",
        "timestamp": time,
        "receiveTimestamp": time,
        "severity": "ERROR" if event.state == "EXCEPTION_RAISED" else "INFO",
        "jsonPayload": {
            "@type": CALL_TYPE,
            "executionId": context.id,
            "activityTime": time,
            "state": event.state,
            "step": event.step,
            "callee": event.callee,
            **event.details,
        },
    }
    return LogRow(
        project=WORKFLOW_EXECUTION.parse(context.name)["project"],
        time_us=event.time,
        insert_id=entry["insertId"],
        log_id=CALL_LOG,
        resource_type=RESOURCE,
        document=json.dumps(entry, ensure_ascii=False).encode("utf-8", "replace").decode(),
    )


class WorkflowLogEntries:
    """The starts and ends of executions; see EntrySource."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def first(self, project: str, wanted: Filter, limit: int, *, newest_first: bool) -> list[Entry]:
        """See EntrySource."""
        best = Best(limit, newest_first=newest_first)
        for entry in await self._found(project, wanted):
            best.add(entry)
        return best.entries()

    async def ascending(self, project: str, wanted: Filter) -> AsyncGenerator[Entry, None]:
        """See EntrySource."""
        for entry in sorted(await self._found(project, wanted), key=place):
            yield entry

    async def _found(self, project: str, wanted: Filter) -> list[Entry]:
        """Return the entries that meet the filter."""
        if (wanted.equal("resource", "type") or RESOURCE).casefold() != RESOURCE.casefold():
            return []
        since = wanted.since()
        return [
            entry
            for execution in await self._store.read(lambda tx: _executions(tx, project))
            if since is None or execution.end_time is None or execution.end_time >= since
            for entry in _system_entries(execution)
            if wanted.holds(entry)
        ]

    async def log_ids(self, project: str) -> set[str]:
        """See EntrySource."""
        sql = "SELECT 1 FROM workflow_executions WHERE project = ? LIMIT 1"
        return {SYSTEM_LOG} if await self._store.read(lambda tx: tx.one(sql, project)) else set()


def _executions(tx: Tx, project: str) -> list[Execution]:
    rows = tx.all(
        "SELECT document FROM workflow_executions WHERE project = ? ORDER BY start_time DESC LIMIT ?",
        project,
        EXECUTIONS_MAX,
    )
    return [codec.decode(Execution, row[0]) for row in rows]


def _system_entries(execution: Execution) -> Iterator[Entry]:
    if execution.start_time is not None:
        yield _system_entry(
            execution, execution.start_time, "ACTIVE", {"start": {"argument": execution.argument}}
        )
    if execution.end_time is not None:
        yield _system_entry(execution, execution.end_time, execution.state.name, _end(execution))


def _end(execution: Execution) -> dict[str, Any]:
    if execution.error is not None:
        return {"failure": {"source": execution.error.context, "exception": execution.error.payload}}
    return {"success": {"result": execution.result or ""}}


def _system_entry(execution: Execution, at: datetime, state: str, details: Mapping[str, Any]) -> Entry:
    time = format_timestamp(at)
    return {
        **_common(execution.name, execution.workflow_revision_id, SYSTEM_LOG),
        "insertId": f"{WORKFLOW_EXECUTION.parse(execution.name)['execution']}-{state}",
        "timestamp": time,
        "receiveTimestamp": time,
        "severity": "ERROR" if execution.error is not None and state != "ACTIVE" else "INFO",
        "jsonPayload": {"@type": SYSTEM_TYPE, "activityTime": time, "state": state, **details},
    }


def _text(entry: Mapping[str, Any]) -> str:
    try:
        return msgspec.json.encode(entry).decode()
    except UnicodeEncodeError:  # half a surrogate pair, which another server's JSON may hold, has no UTF-8
        return json.dumps(entry, ensure_ascii=False).encode("utf-8", "replace").decode()


@lru_cache(maxsize=1024)
def _common(execution: str, revision: str, log_id: str) -> dict[str, Any]:
    place = WORKFLOW_EXECUTION.parse(execution)
    return {
        "logName": f"projects/{place['project']}/logs/{log_id}",
        "labels": {
            "workflows.googleapis.com/execution_id": place["execution"],
            "workflows.googleapis.com/revision_id": revision,
        },
        "resource": {
            "type": RESOURCE,
            "labels": {
                "project_id": place["project"],
                "location": place["location"],
                "workflow_id": place["workflow"],
            },
        },
    }


def _payload(args: Mapping[str, Any]) -> dict[str, Any]:
    """Return a map as jsonPayload, everything else as textPayload."""
    value = next((args[name] for name in ("text", "json", "data") if name in args), "")
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict) and len(text) <= PAYLOAD_CHARS_MAX:
        return {"jsonPayload": value}
    return {"textPayload": text[:PAYLOAD_CHARS_MAX]}
