"""The output of jobs as Cloud Logging's entries: what ``entries:list`` finds."""

import heapq
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from jubako.boxes.jobs import log_lines, rows, task_rows
from jubako.boxes.jobs.log_routes import entry_of, source_of
from jubako.boxes.jobs.logs import Line, Outputs, Position, Source
from jubako.boxes.jobs.rows import ExecutionRow, JobKey
from jubako.core.timestamps import to_micros
from jubako.store.port import Store, Tx
from jubako.telemetry.log_filter import Filter
from jubako.wire.method import Document
from jubako.wire.paging import Page

RESOURCE = "cloud_run_job"
EXECUTIONS_MAX = 1_000
"""How many executions, the newest first, are looked through."""
_CHUNK_LINES = 5_000


@dataclass(frozen=True, slots=True)
class _Found:
    row: ExecutionRow
    sources: Sequence[Source]


class JobLogEntries:
    """See wire.logging_api.EntrySource."""

    def __init__(self, store: Store, outputs: Outputs) -> None:
        self._store = store
        self._outputs = outputs

    async def newest(self, project: str, wanted: Filter, limit: int) -> list[Document]:
        """Return at most ``limit`` entries that meet the filter, the newest ones, in no order."""
        if wanted.equal("resource", "type") not in {None, RESOURCE}:
            return []
        kept: list[tuple[str, str, Document]] = []
        for found in await self._store.read(lambda tx: _executions(tx, project, wanted)):
            async for entry in self._entries(project, found, wanted):
                if wanted.holds(entry):
                    item = (entry["timestamp"], entry["insertId"], entry)
                    (heapq.heappush if len(kept) < limit else heapq.heappushpop)(kept, item)
        return [entry for _, _, entry in kept]

    async def _entries(self, project: str, found: _Found, wanted: Filter) -> AsyncIterator[Document]:
        since = wanted.since()
        after = None
        if since is not None:
            after = Position(time_us=to_micros(since), index=-1, attempt=-1, stream="", offset=-1)
        while True:
            lines = await self._outputs.lines(found.sources, after, 2**62, _CHUNK_LINES)
            for line in lines:
                yield _entry(project, found.row, line)
            if len(lines) < _CHUNK_LINES:
                return
            after = lines[-1].position


def _executions(tx: Tx, project: str, wanted: Filter) -> list[_Found]:
    """Return the executions that may have such entries, newest first."""
    job = wanted.equal("resource", "labels", "job_name") or "-"
    location = wanted.equal("resource", "labels", "location") or "-"
    name = wanted.equal("labels", "run.googleapis.com/execution_name")
    since = wanted.since()
    least = to_micros(since) if since is not None else 0
    listed = rows.list_executions(tx, JobKey(project, location, job), Page(EXECUTIONS_MAX, ""))
    return [
        _Found(row, [source_of(row, span) for span in task_rows.spans(tx, row.uid)])
        for row in listed
        if name in {None, row.key.execution} and (row.completed_us or 2**62) >= least
    ]


def _entry(project: str, row: ExecutionRow, line: Line) -> Document:
    entry = entry_of(row, line, log_lines.read(line.data))
    stream = entry.pop("stream")
    entry.pop("taskIndex")
    entry.pop("taskAttempt")
    return {
        **entry,
        "insertId": f"{row.uid}-{entry['insertId']}",
        "logName": f"projects/{project}/logs/run.googleapis.com%2F{stream}",
        "receiveTimestamp": entry["timestamp"],
        "resource": {
            "type": RESOURCE,
            "labels": {"project_id": project, "location": row.key.location, "job_name": row.key.job},
        },
    }
