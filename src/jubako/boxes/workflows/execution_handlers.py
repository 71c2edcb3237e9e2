"""The methods of Workflow Executions v1.

Source: google/cloud/workflows/executions/v1/executions.proto.
"""

import json
from collections.abc import Mapping, Sequence
from functools import partial

from jubako.boxes.workflows import execution_rows, rows
from jubako.boxes.workflows.backlog import Backlog
from jubako.boxes.workflows.execution_filters import filter_of_executions, is_by_start, order_of_executions
from jubako.boxes.workflows.language.errors import Raised
from jubako.boxes.workflows.language.limits import ARGUMENT_BYTES_MAX
from jubako.boxes.workflows.language.values import admitted
from jubako.boxes.workflows.listing import Filter, Order, behind, in_order
from jubako.boxes.workflows.resources import (
    CancelExecutionRequest,
    CreateExecutionRequest,
    Execution,
    ExecutionView,
    GetExecutionRequest,
    ListExecutionsRequest,
    ListExecutionsResponse,
)
from jubako.boxes.workflows.states import State
from jubako.core.ids import IdSource
from jubako.core.names import WORKFLOW
from jubako.store.port import Store, Tx
from jubako.wire import idempotency
from jubako.wire.codec import invalid
from jubako.wire.method import Caller, Handler, Read
from jubako.wire.paging import Page, cut, page_of

SERVICE = "google.cloud.workflows.executions.v1.Executions."
_BASIC = (
    "name",
    "create_time",
    "start_time",
    "end_time",
    "duration",
    "state",
    "workflow_revision_id",
    "labels",
)
CallLogLevel = Execution.CallLogLevel
_LATEST = (2**62, "~")
_EARLIEST = (-1, "")
ALL = 2**31
FULL_PAGE_MAX = 100
"""Source: executions.proto, ListExecutionsRequest.page_size."""


class Executions:
    """Handlers of the Workflow Executions API."""

    def __init__(self, store: Store, ids: IdSource, backlog: Backlog | None = None) -> None:
        self._backlog = backlog or Backlog()
        self._store = store
        self._ids = ids
        self.get = Read(store, _get)

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
        return await self.create_as(self.new_id(), request, caller)

    def new_id(self) -> str:
        """Return an id for ``create_as``."""
        return self._ids.uid()

    async def create_as(
        self, execution_id: str, request: CreateExecutionRequest, caller: Caller
    ) -> Execution:
        """See ``create``; a new execution gets this id, whose topic may be watched already."""
        WORKFLOW.parse(request.parent, "parent")
        given = request.execution or Execution()
        _check_argument(given.argument)
        return await self._store.write(
            partial(
                self._create,
                parent=request.parent,
                given=given,
                uid=execution_id,
                key=idempotency.key_of(caller, SERVICE + "CreateExecution", request.parent, request),
            )
        )

    def _create(
        self, tx: Tx, parent: str, given: Execution, uid: str, key: idempotency.Key | None
    ) -> Execution:
        earlier = idempotency.find(tx, key)
        if earlier is not None:
            return execution_rows.find_execution(tx, earlier)
        workflow_uid, workflow = rows.find_newest(tx, parent)
        state = self._backlog.state_of_new(
            tx, may_wait=not given.disable_concurrency_quota_overflow_buffering
        )
        execution = Execution(
            name=f"{parent}/executions/{uid}",
            create_time=tx.now,
            start_time=tx.now if state is State.ACTIVE else None,
            state=Execution.State[state],
            argument=given.argument or "null",
            workflow_revision_id=workflow.revision_id,
            call_log_level=given.call_log_level or CallLogLevel(workflow.call_log_level),
            execution_history_level=given.execution_history_level,
            disable_concurrency_quota_overflow_buffering=given.disable_concurrency_quota_overflow_buffering,
            labels={**workflow.labels, **given.labels},
        )
        execution_rows.create_execution(tx, workflow_uid, execution, workflow)
        idempotency.remember(tx, key, execution.name)
        return execution

    async def list(self, request: ListExecutionsRequest, caller: Caller) -> ListExecutionsResponse:  # noqa: ARG002
        """Return a page of executions, newest first and BASIC unless asked otherwise."""
        wanted, order = filter_of_executions(request.filter), order_of_executions(request.order_by)
        is_full = request.view is ExecutionView.FULL
        size = min(request.page_size, FULL_PAGE_MAX) if is_full else request.page_size
        page = page_of(size, request.page_token)
        look = _by_start if is_by_start(order) else _sorted
        found = await self._store.read(
            partial(look, parent=request.parent, page=page, wanted=wanted, order=order)
        )
        shown, token = cut(found, page, lambda row: row[0])
        executions = [execution if is_full else _basic(execution) for _, execution in shown]
        return ListExecutionsResponse(executions=executions, next_page_token=token)

    async def cancel(self, request: CancelExecutionRequest, caller: Caller) -> Execution:  # noqa: ARG002
        """Cancel an active execution; what it started is cancelled after it."""
        return await self._store.write(lambda tx: execution_rows.cancel(tx, request.name))


def _check_argument(argument: str) -> None:
    if len(argument.encode()) > ARGUMENT_BYTES_MAX:
        raise invalid("execution.argument", f"is larger than {ARGUMENT_BYTES_MAX} bytes.")
    try:
        admitted(json.loads(argument or "null"))
    except (ValueError, RecursionError):
        raise invalid("execution.argument", "is not a JSON text.") from None
    except Raised as raised:
        raise invalid("execution.argument", f"{raised.value['message']}.") from None


def _get(tx: Tx, request: GetExecutionRequest) -> Execution:
    """Return an execution; the view is FULL unless BASIC is asked for."""
    execution = execution_rows.find_execution(tx, request.name)
    return _basic(execution) if request.view is ExecutionView.BASIC else execution


def _basic(execution: Execution) -> Execution:
    return Execution(**{name: getattr(execution, name) for name in _BASIC})


def _by_start(
    tx: Tx, parent: str, page: Page, wanted: Filter[Execution], order: Sequence[Order[Execution]]
) -> list[tuple[str, Execution]]:
    """Return executions with their places, in the store's order, reading on until there are enough."""
    oldest_first = bool(order) and not order[0].is_descending
    before = _place(page.after) if page.after else (_EARLIEST if oldest_first else _LATEST)
    matching: list[tuple[str, Execution]] = []
    while len(matching) <= page.size:
        rows = execution_rows.list_executions(
            tx, parent, before, page.size + 1, wanted.labels, oldest_first=oldest_first
        )
        matching += [
            (f"{start}.{_id(execution)}", execution) for start, execution in rows if wanted.matches(execution)
        ]
        if len(rows) <= page.size:
            break
        before = (rows[-1][0], _id(rows[-1][1]))
    return matching[: page.size + 1]


def _sorted(
    tx: Tx, parent: str, page: Page, wanted: Filter[Execution], order: Sequence[Order[Execution]]
) -> list[tuple[str, Execution]]:
    """Return executions with their places, in an order that the store has no index for: all are looked at."""
    rows = execution_rows.list_executions(tx, parent, _LATEST, ALL, wanted.labels)
    found = in_order([execution for _, execution in rows if wanted.matches(execution)], order)
    shown = behind(found, page.after, _id)[: page.size + 1]
    return [(_id(execution), execution) for execution in shown]


def _id(execution: Execution) -> str:
    return execution.name.rpartition("/")[2]


def _place(after: str) -> tuple[int, str]:
    start, _, execution = after.partition(".")
    if not start.isdigit():
        raise invalid("pageToken", "is not one that this server gave.")
    return int(start), execution
