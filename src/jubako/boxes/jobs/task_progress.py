"""How far running tasks are, by what they say themselves.

A task reports by a structured line with ``"progress": {"stage": TEXT, "done": N, "total": N}`` on standard output (the
sdk's ``progress``). ``GET /jubako/v1/EXECUTION/progress`` gives the last one of every running task:
``{"tasks": [{"taskIndex", "taskAttempt", "stage", "done", "total"}, ...]}``. Only the last 64 KiB that a task wrote are
looked through, and only so many tasks.
"""

from collections.abc import Mapping, Sequence

import msgspec

from jubako.boxes.jobs import rows, task_rows
from jubako.boxes.jobs.log_routes import source_of
from jubako.boxes.jobs.rows import ExecutionKey
from jubako.core import names
from jubako.store.port import Store, Tx
from jubako.telemetry.outputs import STREAMS, Outputs, Source
from jubako.wire.extras import Extra
from jubako.wire.http import HttpRequest, HttpResponse
from jubako.wire.method import Caller

TASKS_MAX = 1_000
_TAIL_BYTES = 65_536


class _Progress(msgspec.Struct):
    done: int
    total: int
    stage: str = ""


class _Line(msgspec.Struct):
    progress: _Progress


_DECODER = msgspec.json.Decoder(_Line)


class ProgressRoutes:
    """Serves the route above."""

    def __init__(self, store: Store, outputs: Outputs) -> None:
        self._store = store
        self._outputs = outputs

    def routes(self) -> list[Extra]:
        """Return the route."""
        template = "/jubako/v1/{name=projects/*/locations/*/jobs/*/executions/*}/progress"
        return [Extra(verb="GET", template=template, permission="run.tasks.list", handler=self.progress)]

    async def progress(
        self, request: HttpRequest, variables: Mapping[str, str], caller: Caller
    ) -> HttpResponse:
        """Answer the route."""
        del request, caller
        key = ExecutionKey(**names.EXECUTION.parse(variables["name"]))
        running = await self._store.read(lambda tx: _running(tx, key))
        tails = await self._outputs.tails(running, STREAMS[0], _TAIL_BYTES)
        found = [
            {"taskIndex": source.index, "taskAttempt": source.attempt, **msgspec.to_builtins(told)}
            for source, tail in zip(running, tails, strict=True)
            if (told := last_told(tail)) is not None
        ]
        headers = {"content-type": "application/json; charset=UTF-8"}
        return HttpResponse(status=200, headers=headers, body=msgspec.json.encode({"tasks": found}))


def last_told(output: bytes) -> _Progress | None:
    """Return the progress in the last line of ``output`` that tells one; None if none does."""
    for line in reversed(output.split(b"\n")):
        if line.startswith(b"{") and b'"progress"' in line:
            try:
                return _DECODER.decode(line).progress
            except (msgspec.DecodeError, msgspec.ValidationError):
                continue
    return None


def _running(tx: Tx, key: ExecutionKey) -> Sequence[Source]:
    row = rows.get_execution(tx, key)
    return [source_of(row, span) for span in task_rows.running(tx, row.uid, TASKS_MAX)]
