"""What Google's API has no method for: logs, attempts, and the states of all tasks at a glance.

Routes below ``/jubako/v1/``; JSON unless said otherwise.

``GET EXECUTION/logs`` and ``GET TASK/logs``: lines of output in the order of time.
    Query: ``task`` (index), ``attempt``, ``stream`` (stdout, stderr), ``severity`` (at least), ``since`` and ``until``
    (timestamps), ``pageSize``, ``pageToken``. Reply: ``status`` (AVAILABLE, EMPTY, LOST, NOT_STARTED), ``lost``
    (attempts whose output is gone), ``entries``, ``nextPageToken`` (always: it also continues a log that grows),
    ``caughtUp`` (nothing more right now), ``final`` (nothing more ever, once caught up).
``GET TASK/logs?alt=media``: the bytes of one stream, from ``offset`` on, at most ``limit``; of ``attempt``, or the
    newest. Headers: ``x-jubako-log-status``, ``x-jubako-log-size`` (of the stream so far), ``x-jubako-log-attempt``.
``GET TASK/attempts``: every attempt with times, how it ended, and what there is of its output.
``GET EXECUTION/taskStates``: ``states``, one character per task: P pending, Q queued, R running, S succeeded,
    F failed, C cancelled.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec

from jubako.boxes.jobs import conditions, rows, task_rows
from jubako.boxes.jobs.execution_handlers import task_index
from jubako.boxes.jobs.launch import output_directory
from jubako.boxes.jobs.packed_states import READS_AT_ONCE, PackedStates
from jubako.boxes.jobs.resources import Execution
from jubako.boxes.jobs.rows import ExecutionKey, ExecutionRow
from jubako.boxes.jobs.states import EXECUTION_FINAL, Outcome, Task, TaskState
from jubako.core import names
from jubako.core.errors import NotFound
from jubako.core.limits import TASK_TIMEOUT_DEFAULT, TASKS_PER_EXECUTION_MAX
from jubako.core.timestamps import format_timestamp, from_micros, parse_timestamp, to_micros
from jubako.store.port import Store, Tx
from jubako.telemetry import log_lines
from jubako.telemetry.log_comparison import SEVERITIES
from jubako.telemetry.outputs import STREAMS, Line, Outputs, Position, Source, Status
from jubako.wire import codec
from jubako.wire.binding import parse_query
from jubako.wire.codec import invalid
from jubako.wire.extras import Extra
from jubako.wire.http import HttpRequest, HttpResponse
from jubako.wire.method import Caller

_EXECUTION = "/jubako/v1/{name=projects/*/locations/*/jobs/*/executions/*}"
_TASK = "/jubako/v1/{name=projects/*/locations/*/jobs/*/executions/*/tasks/*}"
PAGE_LINES_DEFAULT = 1_000
PAGE_LINES_MAX = 10_000
MEDIA_BYTES_MAX = 8 * 1024 * 1024
LOST_SHOWN_MAX = 100
HOLD_BACK = timedelta(seconds=1)
"""Lines younger than this wait while the execution goes on: an older one may still be on its way to the disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Query:
    """What a log request asks for."""

    task: int | None
    attempt: int | None
    stream: str | None
    severity: int
    lines: int
    is_first: bool
    """Whether this is the first page."""
    after: Position | None
    until_us: int

    def wants(self, line: Line, content: log_lines.Content) -> bool:
        """Say whether the line is to be shown."""
        is_severe = SEVERITIES.index(content.severity) >= self.severity
        return is_severe and self.stream in {None, line.position.stream}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What the rows say about the output that is asked for."""

    execution: ExecutionRow
    sources: Sequence[Source]
    until_us: int


class LogRoutes:
    """Serves the routes above."""

    def __init__(self, store: Store, outputs: Outputs) -> None:
        self._store = store
        self._outputs = outputs
        self._states = PackedStates()

    def routes(self) -> list[Extra]:
        """Return the routes."""
        logs = "logging.logEntries.list"
        return [
            Extra(verb="GET", template=f"{_EXECUTION}/logs", permission=logs, handler=self.execution_logs),
            Extra(verb="GET", template=f"{_TASK}/logs", permission=logs, handler=self.task_logs),
            Extra(
                verb="GET", template=f"{_TASK}/attempts", permission="run.tasks.get", handler=self.attempts
            ),
            Extra(
                verb="GET",
                template=f"{_EXECUTION}/taskStates",
                permission="run.tasks.list",
                handler=self.states,
            ),
        ]

    async def execution_logs(
        self, request: HttpRequest, variables: Mapping[str, str], caller: Caller
    ) -> HttpResponse:
        """Answer ``EXECUTION/logs``."""
        del caller
        given = dict(parse_query(request.query))
        return await self._entries(ExecutionKey(**names.EXECUTION.parse(variables["name"])), _query(given))

    async def task_logs(
        self, request: HttpRequest, variables: Mapping[str, str], caller: Caller
    ) -> HttpResponse:
        """Answer ``TASK/logs``."""
        del caller
        key, index = _task_of(variables["name"])
        given = {**dict(parse_query(request.query)), "task": str(index)}
        query = _query(given)
        if given.get("alt") == "media":
            return await self._media(key, index, query, given)
        return await self._entries(key, query)

    async def attempts(
        self, request: HttpRequest, variables: Mapping[str, str], caller: Caller
    ) -> HttpResponse:
        """Answer ``TASK/attempts``."""
        del request, caller
        key, index = _task_of(variables["name"])
        row, task, past, spans = await self._store.read(lambda tx: _attempt_rows(tx, key, index))
        statuses = await self._outputs.statuses([source_of(row, span) for span in spans])
        shown = _attempts(row, task, past)
        by_number = {span.number: status for span, status in zip(spans, statuses, strict=True)}
        for attempt in shown:
            attempt["output"] = by_number.get(attempt["attempt"], Status.NOT_STARTED)
        return _json({"attempts": shown})

    async def states(
        self, request: HttpRequest, variables: Mapping[str, str], caller: Caller
    ) -> HttpResponse:
        """Answer ``EXECUTION/taskStates``."""
        del request, caller
        key = ExecutionKey(**names.EXECUTION.parse(variables["name"]))
        packed = await self._store.peek(lambda tx: self._packed(tx, key, READS_AT_ONCE))
        if packed is None:
            packed = await self._store.read(lambda tx: self._packed(tx, key, TASKS_PER_EXECUTION_MAX))
        return _json({"states": packed})

    def _packed(self, tx: Tx, key: ExecutionKey, reads_max: int) -> str | None:
        return self._states.of(tx, rows.get_execution(tx, key), reads_max)

    async def _entries(self, key: ExecutionKey, query: _Query) -> HttpResponse:
        found = await self._store.read(lambda tx: _find(tx, key, query.task, query.attempt))
        until_us = min(found.until_us, query.until_us)
        lines = await self._outputs.lines(found.sources, query.after, until_us, query.lines)
        statuses = await self._outputs.statuses(found.sources) if query.is_first else []
        lost = [s for s, status in zip(found.sources, statuses, strict=False) if status is Status.LOST]
        last = lines[-1].position if lines else query.after
        return _json(
            {
                "status": _overall(statuses),
                "lost": [{"taskIndex": s.index, "taskAttempt": s.attempt} for s in lost[:LOST_SHOWN_MAX]],
                "entries": _shown(found.execution, lines, query),
                "nextPageToken": "" if last is None else _token(last),
                "caughtUp": len(lines) < query.lines,
                "final": found.execution.state in EXECUTION_FINAL or query.until_us <= found.until_us,
            }
        )

    async def _media(
        self, key: ExecutionKey, index: int, query: _Query, given: Mapping[str, str]
    ) -> HttpResponse:
        offset = _number(given, "offset", 2**62) or 0
        limit = _number(given, "limit", MEDIA_BYTES_MAX) or MEDIA_BYTES_MAX
        found = await self._store.read(lambda tx: _find(tx, key, index, query.attempt))
        if not found.sources:
            return _media_response(b"", Status.NOT_STARTED, 0, query.attempt or 0)
        source = found.sources[-1]
        piece = await self._outputs.read(source, query.stream or STREAMS[0], offset, limit)
        return _media_response(piece.data, piece.status, piece.size, source.attempt)


def _find(tx: Tx, key: ExecutionKey, index: int | None, attempt: int | None) -> _Found:
    row = rows.get_execution(tx, key)
    if index is not None and index >= row.task_count:
        raise NotFound(f"Execution {str(key)!r} has {row.task_count} tasks, and none with the index {index}.")
    spans = task_rows.spans(tx, row.uid, index)
    sources = [source_of(row, span) for span in spans if attempt in {None, span.number}]
    until = 2**62 if row.state in EXECUTION_FINAL else to_micros(tx.now - HOLD_BACK)
    return _Found(execution=row, sources=sources, until_us=until)


def _attempt_rows(
    tx: Tx, key: ExecutionKey, index: int
) -> tuple[ExecutionRow, Task, list[task_rows.PastAttempt], list[task_rows.AttemptSpan]]:
    row = rows.get_execution(tx, key)
    task = task_rows.get_task(tx, row.uid, index)
    if task is None:
        raise NotFound(f"Execution {str(key)!r} has {row.task_count} tasks, and none with the index {index}.")
    return row, task, task_rows.past_attempts(tx, row.uid, index), task_rows.spans(tx, row.uid, index)


def _attempts(row: ExecutionRow, task: Task, past: Sequence[task_rows.PastAttempt]) -> list[dict[str, Any]]:
    template = codec.decode(Execution, row.document).template
    timeout = (template.timeout if template else None) or TASK_TIMEOUT_DEFAULT

    def entry(number: int, started: int | None, ended: int | None, outcome: Outcome | None) -> dict[str, Any]:
        result = None if outcome is None else codec.to_json(conditions.attempt_result(outcome, timeout))
        return {
            "attempt": number,
            "startTime": _time(started),
            "completionTime": _time(ended),
            "reason": None if outcome is None else outcome.reason.upper(),
            "result": result,
        }

    shown = [entry(one.number, one.started_us, one.ended_us, one.outcome) for one in past]
    was_never_claimed = task.is_carried_over or (task.state is TaskState.CANCELLED and task.outcome is None)
    if task.state is not TaskState.PENDING and not was_never_claimed and task.attempt == len(past):
        own = None if task.completed_us is None else task.outcome
        shown.append(entry(task.attempt, task.attempt_started_us, task.completed_us, own))
    return shown


def source_of(row: ExecutionRow, span: task_rows.AttemptSpan) -> Source:
    """Return where the output of an attempt is."""
    return Source(
        folder=output_directory(row.uid, span.index, span.number),
        index=span.index,
        attempt=span.number,
        started_us=span.started_us,
        ended_us=span.ended_us,
        output_bytes=span.output_bytes,
    )


def _overall(statuses: Sequence[Status]) -> str:
    """Return the best that can be said of all attempts together; "" where it was not looked at."""
    for status in (Status.AVAILABLE, Status.EMPTY, Status.LOST):
        if status in statuses:
            return status
    return Status.NOT_STARTED


def _shown(execution: ExecutionRow, lines: Sequence[Line], query: _Query) -> list[dict[str, Any]]:
    read = ((line, log_lines.read(line.data)) for line in lines)
    return [entry_of(execution, line, content) for line, content in read if query.wants(line, content)]


def entry_of(execution: ExecutionRow, line: Line, content: log_lines.Content) -> dict[str, Any]:
    """Return a line in the shape of Cloud Logging's LogEntry, with the task beside it."""
    at = line.position
    what: dict[str, Any] = {"textPayload": content.text}
    if content.payload is not None:
        what = {"jsonPayload": content.payload}
    entry = {
        "timestamp": _time(at.time_us if at.time_us < 2**62 else execution.updated_us),
        "severity": content.severity,
        **what,
        "labels": {
            **content.labels,
            "run.googleapis.com/execution_name": execution.key.execution,
            "run.googleapis.com/task_index": str(at.index),
            "run.googleapis.com/task_attempt": str(at.attempt),
        },
        "taskIndex": at.index,
        "taskAttempt": at.attempt,
        "stream": at.stream,
        "insertId": f"{at.index}-{at.attempt}-{at.stream}-{at.offset}",
    }
    return {**entry, "trace": content.trace} if content.trace else entry


def _query(given: Mapping[str, str]) -> _Query:
    severity = given.get("severity", SEVERITIES[0]).upper()
    if severity not in SEVERITIES:
        raise invalid("severity", f"is not one of {', '.join(SEVERITIES)}.")
    stream = given.get("stream")
    if stream is not None and stream not in STREAMS:
        raise invalid("stream", f"is not one of {', '.join(STREAMS)}.")
    return _Query(
        task=_number(given, "task", 10**9),
        attempt=_number(given, "attempt", 10**9),
        stream=stream,
        severity=SEVERITIES.index(severity),
        lines=_number(given, "pageSize", PAGE_LINES_MAX) or PAGE_LINES_DEFAULT,
        is_first=not given.get("pageToken"),
        after=_position(given.get("pageToken", "")) or _beginning(given),
        until_us=to_micros(parse_timestamp(given["until"], "until")) if "until" in given else 2**62,
    )


def _beginning(given: Mapping[str, str]) -> Position | None:
    """Return the position before all lines of the time ``since``."""
    if "since" not in given:
        return None
    time_us = to_micros(parse_timestamp(given["since"], "since"))
    return Position(time_us=time_us, index=-1, attempt=-1, stream="", offset=-1)


def _number(given: Mapping[str, str], field: str, most: int) -> int | None:
    text = given.get(field)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= most):
        raise invalid(field, f"is not a number from 0 to {most}.")
    return int(text)


def _task_of(name: str) -> tuple[ExecutionKey, int]:
    """Return execution and index of a task's name; its last part may also be the index alone."""
    parts = dict(names.TASK.parse(name))
    task_id = parts.pop("task")
    key = ExecutionKey(**parts)
    index = int(task_id) if task_id.isascii() and task_id.isdecimal() and len(task_id) < 10 else -1
    index = index if index >= 0 else task_index(key, task_id)
    if index < 0:
        raise NotFound(f"Task {name!r} does not exist.")
    return key, index


def _token(position: Position) -> str:
    fields = [position.time_us, position.index, position.attempt, position.stream, position.offset]
    return base64.urlsafe_b64encode(msgspec.json.encode(fields)).decode()


def _position(token: str) -> Position | None:
    if not token:
        return None
    try:
        fields = msgspec.json.decode(
            base64.urlsafe_b64decode(token.encode("ascii")), type=tuple[int, int, int, str, int]
        )
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise invalid("pageToken", "is not a token that this server gave out.") from None
    time_us, index, attempt, stream, offset = fields
    return Position(time_us=time_us, index=index, attempt=attempt, stream=stream, offset=offset)


def _time(time_us: int | None) -> str | None:
    return None if time_us is None else format_timestamp(from_micros(time_us))


def _json(value: Mapping[str, Any]) -> HttpResponse:
    headers = {"content-type": "application/json; charset=UTF-8"}
    return HttpResponse(status=200, headers=headers, body=msgspec.json.encode(value))


def _media_response(data: bytes, status: Status, size: int, attempt: int) -> HttpResponse:
    return HttpResponse(
        status=200,
        headers={
            # Untrusted bytes: no browser may guess that they are a page.
            "content-type": "text/plain; charset=utf-8",
            "x-content-type-options": "nosniff",
            "x-jubako-log-status": status,
            "x-jubako-log-size": str(size),
            "x-jubako-log-attempt": str(attempt),
        },
        body=data,
    )
