"""The methods of Workflow Executions v1.

Source: google/cloud/workflows/executions/v1/executions.proto.
"""

import json
from collections.abc import Mapping
from functools import partial

from jubako.boxes.workflows import execution_rows, rows
from jubako.boxes.workflows.backlog import Backlog
from jubako.boxes.workflows.execution_filters import Filter, is_oldest_first, parse_filter
from jubako.boxes.workflows.language.limits import ARGUMENT_BYTES_MAX
from jubako.boxes.workflows.resources import (
    CancelExecutionRequest,
    CreateExecutionRequest,
    Execution,
    ExecutionView,
    GetExecutionRequest,
    ListExecutionsRequest,
    ListExecutionsResponse,
)
from jubako.core.ids import IdSource
from jubako.core.names import WORKFLOW
from jubako.store.port import Store, Tx
from jubako.wire import idempotency
from jubako.wire.codec import invalid
from jubako.wire.method import Caller, Handler
from jubako.wire.paging import cut, page_of

SERVICE = "google.cloud.workflows.executions.v1.Executions."
_BASIC = ("name", "start_time", "end_time", "duration", "state", "workflow_revision_id", "labels")
_LATEST = (2**62, "~")
_EARLIEST = (-1, "")


class Executions:
    """Handlers of the Workflow Executions API."""

    def __init__(self, store: Store, ids: IdSource, backlog: Backlog | None = None) -> None:
        self._backlog = backlog or Backlog()
        self._store = store
        self._ids = ids

    def handlers(self) -> Mapping[str, Handler]:
        """Return the handlers by full method name."""
        return {
            SERVICE + "CreateExecution": self.create,
            SERVICE + "GetExecution": self.get,
            SERVICE + "ListExecutions": self.list,
            SERVICE + "CancelExecution": self.cancel,
        }

    async def create(self, request: CreateExecutionRequest, caller: Caller) -> Execution:
        """Start an execution of the workflow's newest revision; the same idempotency key gives the same one."""
        WORKFLOW.parse(request.parent, "parent")
        given = request.execution or Execution()
        _check_argument(given.argument)
        return await self._store.write(
            partial(
                self._create,
                parent=request.parent,
                given=given,
                uid=self._ids.uid(),
                key=idempotency.key_of(caller, SERVICE + "CreateExecution", request.parent, request),
            )
        )

    def _create(
        self, tx: Tx, parent: str, given: Execution, uid: str, key: idempotency.Key | None
    ) -> Execution:
        earlier = idempotency.find(tx, key)
        if earlier is not None:
            return execution_rows.find_execution(tx, earlier)
        stored = rows.find_workflow(tx, parent)
        execution = Execution(
            name=f"{parent}/executions/{uid}",
            start_time=tx.now,
            state=Execution.State[self._backlog.state_of_new(tx)],
            argument=given.argument or "null",
            workflow_revision_id=stored.document.revision_id,
            call_log_level=given.call_log_level,
            labels={**stored.document.labels, **given.labels},
        )
        execution_rows.create_execution(tx, stored.uid, execution)
        idempotency.remember(tx, key, execution.name)
        return execution

    async def get(self, request: GetExecutionRequest, caller: Caller) -> Execution:  # noqa: ARG002
        """Return an execution; the view is FULL unless BASIC is asked for."""
        execution = await self._store.read(lambda tx: execution_rows.find_execution(tx, request.name))
        return _basic(execution) if request.view is ExecutionView.BASIC else execution

    async def list(self, request: ListExecutionsRequest, caller: Caller) -> ListExecutionsResponse:  # noqa: ARG002
        """Return a page of executions, newest first and BASIC unless asked otherwise."""
        wanted = parse_filter(request.filter)
        oldest_first = is_oldest_first(request.order_by)
        page = page_of(request.page_size, request.page_token)
        before = _before(page.after) if page.after else (_EARLIEST if oldest_first else _LATEST)
        found = await self._store.read(
            partial(
                _matching,
                parent=request.parent,
                before=before,
                limit=page.size + 1,
                wanted=wanted,
                oldest_first=oldest_first,
            )
        )
        shown, token = cut(found, page, lambda row: f"{row[0]}.{row[1].name.rpartition('/')[2]}")
        executions = [execution for _, execution in shown]
        if request.view is not ExecutionView.FULL:
            executions = [_basic(execution) for execution in executions]
        return ListExecutionsResponse(executions=executions, next_page_token=token)

    async def cancel(self, request: CancelExecutionRequest, caller: Caller) -> Execution:  # noqa: ARG002
        """Cancel an active execution; what it started is cancelled after it."""
        return await self._store.write(lambda tx: execution_rows.cancel(tx, request.name))


def _check_argument(argument: str) -> None:
    if len(argument.encode()) > ARGUMENT_BYTES_MAX:
        raise invalid("execution.argument", f"is larger than {ARGUMENT_BYTES_MAX} bytes.")
    try:
        json.loads(argument or "null")
    except (ValueError, RecursionError):
        raise invalid("execution.argument", "is not a JSON text.") from None


def _basic(execution: Execution) -> Execution:
    return Execution(**{name: getattr(execution, name) for name in _BASIC})


def _matching(
    tx: Tx, parent: str, before: tuple[int, str], limit: int, wanted: Filter, *, oldest_first: bool
) -> list[tuple[int, Execution]]:
    """Return the first executions that a filter lets through, reading on until there are enough."""
    matching: list[tuple[int, Execution]] = []
    while len(matching) < limit:
        rows = execution_rows.list_executions(
            tx, parent, before, limit, wanted.labels, oldest_first=oldest_first
        )
        matching += [row for row in rows if wanted.matches(row[1])]
        if len(rows) < limit:
            break
        before = (rows[-1][0], rows[-1][1].name.rpartition("/")[2])
    return matching[:limit]


def _before(after: str) -> tuple[int, str]:
    start, _, execution = after.partition(".")
    if not start.isdigit():
        raise invalid("pageToken", "is not one that this server gave.")
    return int(start), execution
