"""The output of jobs as Cloud Logging's entries: what ``entries:list`` finds."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from jubako.boxes.jobs import rows, task_rows
from jubako.boxes.jobs.log_routes import entry_of, source_of
from jubako.boxes.jobs.rows import ExecutionRow, JobKey
from jubako.core.timestamps import to_micros
from jubako.store.port import Store, Tx
from jubako.telemetry import log_lines
from jubako.telemetry.log_entries import Best, Entry, merged
from jubako.telemetry.log_filter import Filter
from jubako.telemetry.outputs import ENDED_SLACK_US, STREAMS, Line, Outputs, Source, log_id
from jubako.wire.paging import Page

RESOURCE = "cloud_run_job"
EXECUTIONS_MAX = 1_000
"""How many executions, the newest first, are looked through."""


@dataclass(frozen=True, slots=True)
class _Found:
    row: ExecutionRow
    sources: Sequence[Source]


class JobLogEntries:
    """See EntrySource."""

    def __init__(self, store: Store, outputs: Outputs) -> None:
        self._store = store
        self._outputs = outputs

    async def first(self, project: str, wanted: Filter, limit: int, *, newest_first: bool) -> list[Entry]:
        """See EntrySource."""
        if (wanted.equal("resource", "type") or RESOURCE).lower() != RESOURCE:
            return []
        best = Best(limit, newest_first=newest_first)
        for found in await self._store.read(lambda tx: _executions(tx, project, wanted)):
            async for entry in self._entries(found, wanted):
                best.add(entry)
        return best.entries()

    async def ascending(self, project: str, wanted: Filter) -> AsyncGenerator[Entry, None]:
        """See EntrySource."""
        if (wanted.equal("resource", "type") or RESOURCE).lower() != RESOURCE:
            return
        executions = await self._store.read(lambda tx: _executions(tx, project, wanted))
        async with aclosing(merged([self._entries(found, wanted) for found in executions])) as entries:
            async for entry in entries:
                yield entry

    async def _entries(self, found: _Found, wanted: Filter) -> AsyncGenerator[Entry, None]:
        async for line in self._outputs.between(found.sources, wanted.since(), wanted.until()):
            entry = _entry(found.row, line)
            if wanted.holds(entry):
                yield entry

    async def log_ids(self, project: str) -> set[str]:
        """See EntrySource."""
        query = partial(rows.list_executions, key=JobKey(project, "-", "-"), page=Page(1, ""))
        return {log_id(stream) for stream in STREAMS} if await self._store.read(query) else set()


def _executions(tx: Tx, project: str, wanted: Filter) -> list[_Found]:
    """Return the executions that may have such entries, newest first."""
    job = (wanted.equal("resource", "labels", "job_name") or "-").lower()
    location = (wanted.equal("resource", "labels", "location") or "-").lower()
    name = wanted.equal("labels", "run.googleapis.com/execution_name")
    since = wanted.since()
    least = to_micros(since) - ENDED_SLACK_US if since is not None else 0
    listed = rows.list_executions(tx, JobKey(project, location, job), Page(EXECUTIONS_MAX, ""))
    return [
        _Found(row, [source_of(row, span) for span in task_rows.spans(tx, row.uid)])
        for row in listed
        if (name is None or name.lower() == row.key.execution) and (row.completed_us or 2**62) >= least
    ]


def _entry(row: ExecutionRow, line: Line) -> Entry:
    entry = entry_of(row, line, log_lines.read(line.data))
    stream = entry.pop("stream")
    entry.pop("taskIndex")
    entry.pop("taskAttempt")
    return {
        **entry,
        "insertId": f"{row.uid}-{entry['insertId']}",
        "logName": f"projects/{row.key.project}/logs/{log_id(stream)}",
        "receiveTimestamp": entry["timestamp"],
        "resource": {
            "type": RESOURCE,
            "labels": {"project_id": row.key.project, "location": row.key.location, "job_name": row.key.job},
        },
    }
