"""The API's methods on executions and tasks: one function each."""

from collections.abc import Mapping

from jubako.boxes.jobs import moves, operations, retention, rows, states, task_pages, task_rows, views
from jubako.boxes.jobs.handlers import HandlerPorts
from jubako.boxes.jobs.operations import ExecutionOperations, operation_name
from jubako.boxes.jobs.resources import (
    CancelExecutionRequest,
    DeleteExecutionRequest,
    Execution,
    GetExecutionRequest,
    GetTaskRequest,
    ListExecutionsRequest,
    ListExecutionsResponse,
    ListTasksRequest,
    ListTasksResponse,
    Task,
)
from jubako.boxes.jobs.rows import ExecutionKey, ExecutionRow, JobKey
from jubako.core import names
from jubako.core.errors import Aborted, FailedPrecondition, NotFound
from jubako.store.port import Tx
from jubako.store.rehearsal import write
from jubako.wire.google_types import Operation
from jubako.wire.method import Caller, Handler, Read
from jubako.wire.paging import cut, page_of


class ExecutionHandlers:
    """``google.cloud.run.v2.Executions``."""

    def __init__(self, ports: HandlerPorts) -> None:
        self._ports = ports
        self._store = ports.store
        self._operations = ExecutionOperations(ports.base_url, ports.capabilities)
        self.get_execution = Read(ports.store, self._get_execution, ports.capabilities)

    def methods(self) -> Mapping[str, Handler]:
        """Return the handlers by full method name."""
        service = "google.cloud.run.v2.Executions"
        return {
            f"{service}.GetExecution": self.get_execution,
            f"{service}.ListExecutions": self.list_executions,
            f"{service}.CancelExecution": self.cancel_execution,
            f"{service}.DeleteExecution": self.delete_execution,
        }

    def _get_execution(self, tx: Tx, request: GetExecutionRequest) -> Execution:
        """Return the execution."""
        key = ExecutionKey(**names.EXECUTION.parse(request.name))
        return self._operations.resource(tx, rows.get_execution(tx, key))

    async def list_executions(self, request: ListExecutionsRequest, caller: Caller) -> ListExecutionsResponse:
        """Return a page of executions of a job (``jobs/-``: of all jobs), newest first."""
        del caller
        key = JobKey(**names.JOB.parse(request.parent, "parent"))
        page = page_of(request.page_size, request.page_token)

        def fn(tx: Tx) -> ListExecutionsResponse:
            if key.job != "-":
                rows.get_job(tx, key)
            shown, token = cut(rows.list_executions(tx, key, page), page, rows.execution_page_key)
            return ListExecutionsResponse(
                executions=[self._operations.resource(tx, row) for row in shown], next_page_token=token
            )

        return await self._store.read(fn)

    async def cancel_execution(self, request: CancelExecutionRequest, caller: Caller) -> Operation:
        """End the execution: what has not started at once, what runs by SIGTERM and SIGKILL of its whole tree.

        Asking again, also after a lost reply, returns the operation of the first time.
        """
        del caller
        key = ExecutionKey(**names.EXECUTION.parse(request.name))
        name = operation_name(key.project, key.location, self._ports.ids.uid())

        def fn(tx: Tx) -> Operation:
            row = rows.get_execution(tx, key)
            if row.cancel_operation:
                return self._operations.get(tx, row.cancel_operation)
            _check_etag(request.etag, row)
            if row.state in states.EXECUTION_FINAL:
                raise FailedPrecondition(
                    f"Execution {str(key)!r} has {row.state} already: nothing can be cancelled."
                )
            self._operations.start(tx, row, name)
            moves.cancel(tx, row, name, self._operations.finish)
            return self._operations.get(tx, name)

        operation = await write(self._store, fn, is_rehearsal=request.validate_only)
        if request.validate_only:
            return operations.rehearsed(operation)
        self._ports.faults.point("jobs.cancel.after_commit")
        return operation

    async def delete_execution(self, request: DeleteExecutionRequest, caller: Caller) -> Operation:
        """Delete an execution and its output; refused while it is under way."""
        del caller
        key = ExecutionKey(**names.EXECUTION.parse(request.name))
        name = operation_name(key.project, key.location, self._ports.ids.uid())

        def fn(tx: Tx) -> tuple[Operation, str]:
            row = rows.get_execution(tx, key)
            _check_etag(request.etag, row)
            if row.state not in states.EXECUTION_FINAL:
                raise FailedPrecondition(
                    f"Execution {str(key)!r} is under way: cancel it, or wait for its end."
                )
            resource = self._operations.resource(tx, row)
            resource.delete_time = tx.now
            rows.delete_execution(tx, row.uid)
            return operations.done(tx, name, resource), row.uid

        operation, uid = await write(self._store, fn, is_rehearsal=request.validate_only)
        if not request.validate_only:
            self._ports.faults.point("jobs.delete.after_commit")
            await retention.forget(self._store, self._ports.outputs, [uid])
        return operation


class TaskHandlers:
    """``google.cloud.run.v2.Tasks``."""

    def __init__(self, ports: HandlerPorts) -> None:
        self._store = ports.store
        self._base_url = ports.base_url
        self.get_task = Read(ports.store, self._get_task)

    def methods(self) -> Mapping[str, Handler]:
        """Return the handlers by full method name."""
        return {
            "google.cloud.run.v2.Tasks.GetTask": self.get_task,
            "google.cloud.run.v2.Tasks.ListTasks": self.list_tasks,
        }

    def _get_task(self, tx: Tx, request: GetTaskRequest) -> Task:
        """Return the task."""
        parts = dict(names.TASK.parse(request.name))
        task_id = parts.pop("task")
        key = ExecutionKey(**parts)
        row = rows.get_execution(tx, key)
        item = task_rows.get_task(tx, row.uid, task_index(key, task_id))
        if item is None:
            raise NotFound(f"Task {request.name!r} does not exist.")
        return views.task(row, item, self._base_url)

    async def list_tasks(self, request: ListTasksRequest, caller: Caller) -> ListTasksResponse:
        """Return a page of tasks, by index; of ``executions/-`` those of all executions, the newest one's first."""
        del caller
        key = ExecutionKey(**names.EXECUTION.parse(request.parent, "parent"))
        page = page_of(request.page_size, request.page_token)

        def fn(tx: Tx) -> ListTasksResponse:
            shown, token = cut(task_pages.find(tx, key, page), page, task_pages.key_of)
            tasks = [views.task(row, item, self._base_url) for row, item in shown]
            return ListTasksResponse(tasks=tasks, next_page_token=token)

        return await self._store.read(fn)


def task_index(key: ExecutionKey, task_id: str) -> int:
    """Return the index in a task's id, ``EXECUTION-taskINDEX``; -1, which no task has, if it is no such id."""
    digits = task_id.removeprefix(f"{key.execution}-task")
    is_index = digits != task_id and digits.isascii() and digits.isdecimal() and len(digits) < 10
    return int(digits) if is_index and str(int(digits)) == digits else -1


def _check_etag(given: str, row: ExecutionRow) -> None:
    if given and given != views.etag(row.uid, row.generation, row.updated_us):
        raise Aborted(f"Execution {str(row.key)!r} changed meanwhile: etag {given} is not its etag any more.")
