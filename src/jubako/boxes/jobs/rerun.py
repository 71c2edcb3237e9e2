"""``POST /jubako/v1/EXECUTION:rerun``: a new execution that runs only some tasks of one that has ended.

Google's API has no such method. Body: ``{"tasks": "3,7-9"}``, or nothing for all tasks that did not succeed. The new
execution has the template and the task count of the first, so that every index means the same work; the other tasks
are carried over with the end they had, and are shown so. Reply: the operation, as ``:run`` gives it.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec

from jubako.boxes.jobs import moves, preflight, rows, task_rows
from jubako.boxes.jobs.handlers import HandlerPorts, account, draw_names, insert_named, new_row
from jubako.boxes.jobs.operations import ExecutionOperations, operation_name
from jubako.boxes.jobs.resources import Execution, TaskTemplate
from jubako.boxes.jobs.rows import ExecutionKey, ExecutionRow
from jubako.boxes.jobs.states import EXECUTION_FINAL, Task, TaskState
from jubako.core import names
from jubako.core.errors import FailedPrecondition
from jubako.store.port import Tx
from jubako.wire import codec, idempotency
from jubako.wire.codec import invalid
from jubako.wire.extras import Extra
from jubako.wire.google_types import Operation
from jubako.wire.http import HttpRequest, HttpResponse
from jubako.wire.method import Caller
from jubako.wire.schema import Field, Message

RERUN_OF = "jubako.dev/rerun-of"
"""Annotation of the new execution: the full name of the first."""
CARRIED_OVER = "jubako.dev/carried-over"
"""Annotation of the new execution: how many tasks are carried over."""
_TASKS_TEXT_MAX = 100_000


class RerunRequest(Message):
    """The body, and what must be the same when an ``Idempotency-Key`` comes again."""

    __proto__ = "jubako.v1.RerunRequest"

    tasks: Annotated[str, Field(1)] = ""


class RerunRoutes:
    """Serves the route above."""

    def __init__(self, ports: HandlerPorts) -> None:
        self._ports = ports
        self._operations = ExecutionOperations(ports.base_url, ports.capabilities)

    def routes(self) -> list[Extra]:
        """Return the route."""
        template = "/jubako/v1/{name=projects/*/locations/*/jobs/*/executions/*}:rerun"
        return [Extra(verb="POST", template=template, permission="run.jobs.run", handler=self.rerun)]

    async def rerun(self, request: HttpRequest, variables: Mapping[str, str], caller: Caller) -> HttpResponse:
        """Answer the route."""
        key = ExecutionKey(**names.EXECUTION.parse(variables["name"]))
        body = codec.decode(RerunRequest, request.body or b"{}")
        wanted = parse_indexes(body.tasks)
        idem = idempotency.key_of(caller, "jubako.rerun", str(key), body)
        uid, draws = self._ports.ids.uid(), draw_names(key.job_key, self._ports.ids)
        name = operation_name(key.project, key.location, self._ports.ids.uid())
        await self._require(key, idem)

        def fn(tx: Tx) -> Operation:
            if (known := idempotency.find(tx, idem)) is not None:
                return self._operations.get(tx, known)
            before = rows.get_execution(tx, key)
            again, kept = _chosen(before, task_rows.list_tasks(tx, before.uid, 0, before.task_count), wanted)
            document = _document(before, account(caller), len(kept))
            row = insert_named(tx, key.job_key, draws, lambda new: new_row(tx, new, uid, name, document))
            row = moves.carry_over(tx, row, kept)
            assert row.counts.pending == len(again), row
            idempotency.remember(tx, idem, name)
            operation = self._operations.start(tx, row, name)
            moves.launch(tx, row, self._ports.settings.slots)
            return operation

        operation = await self._ports.store.write(fn)
        headers = {"content-type": "application/json; charset=UTF-8"}
        return HttpResponse(status=200, headers=headers, body=codec.encode(operation))

    async def _require(self, key: ExecutionKey, idem: idempotency.Key | None) -> None:
        """Refuse to run what cannot be started here any more; a repeated request was accepted before."""

        def fn(tx: Tx) -> TaskTemplate | None:
            if idempotency.find(tx, idem) is not None:
                return None
            return codec.decode(Execution, rows.get_execution(tx, key).document).template

        template = await self._ports.store.peek(fn)
        if template is not None:
            await preflight.require(template, key.project, self._ports.settings)


def _document(before: ExecutionRow, creator: str, carried: int) -> Execution:
    document = codec.decode(Execution, before.document)
    return msgspec.structs.replace(
        document,
        annotations={**document.annotations, RERUN_OF: str(before.key), CARRIED_OVER: str(carried)},
        creator=creator,
        task_count=before.task_count,
        parallelism=before.parallelism,
    )


def _chosen(
    before: ExecutionRow, tasks: Sequence[Task], wanted: set[int] | None
) -> tuple[list[Task], list[Task]]:
    """Return the tasks to run again and those to carry over."""
    if before.state not in EXECUTION_FINAL:
        raise FailedPrecondition(
            f"Execution {str(before.key)!r} is under way: cancel it, or wait for its end."
        )
    if wanted is None:
        wanted = {task.index for task in tasks if task.state is not TaskState.SUCCEEDED}
        if not wanted:
            raise FailedPrecondition(f"Execution {str(before.key)!r} has no task that did not succeed.")
    if max(wanted) >= before.task_count:
        raise invalid("tasks", f"{max(wanted)} is not an index from 0 to {before.task_count - 1}.")
    again = [task for task in tasks if task.index in wanted]
    return again, [task for task in tasks if task.index not in wanted]


def parse_indexes(text: str) -> set[int] | None:
    """Return the indexes of a text such as ``3,7-9``; None for an empty one.

    Raises:
        InvalidArgument: It has another form.

    """
    if not text:
        return None
    if len(text) > _TASKS_TEXT_MAX:
        raise invalid("tasks", f"has {len(text)} characters; at most {_TASKS_TEXT_MAX} are allowed.")
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        bounds = [first, last if dash else first]
        if not all(bound.isascii() and bound.isdecimal() and len(bound) <= 5 for bound in bounds):
            raise invalid("tasks", f"{part[:100]!r} is not an index such as 3, or a range such as 7-9.")
        if int(bounds[0]) > int(bounds[1]):
            raise invalid("tasks", f"{part[:100]!r} ends before it begins.")
        found.update(range(int(bounds[0]), int(bounds[1]) + 1))
    return found
