"""The long-running operations of jobs and executions: started, described, finished.

1. Operations on jobs are done at once.
2. ``RunJob``'s operation ends with its execution: with the Execution as response if it succeeded or was cancelled
   (as Google's does: a cancelled run has ``response`` and ``cancelledCount``, no ``error``), with ``error`` if it
   failed, so that ``operation.result()`` raises. Metadata is the Execution in all cases.
3. ``CancelExecution``'s operation ends when the execution is final: every process tree is gone by then.
"""

from collections.abc import Callable

from jubako.boxes.jobs import task_rows, views
from jubako.boxes.jobs.resources import Execution, Job
from jubako.boxes.jobs.rows import ExecutionRow, find_execution
from jubako.boxes.jobs.states import ExecutionState
from jubako.core.errors import JubakoError
from jubako.core.names import OPERATION
from jubako.runtime.port import Capabilities
from jubako.store.port import Tx
from jubako.wire import operations
from jubako.wire.google_types import Operation

API = "run"
TARGET_KIND = "run.execution"


class ExecutionOperations:
    """Knows executions as resources: what ``base_url`` their logs are under."""

    def __init__(self, base_url: str, capabilities: Callable[[], Capabilities]) -> None:
        """Take where this server is reached, such as ``http://127.0.0.1:8123``, and what its runtime can do."""
        self._base_url = base_url
        self._capabilities = capabilities

    def resource(self, tx: Tx, row: ExecutionRow) -> Execution:
        """Return the execution as it is now."""
        failed = None if row.failed_task is None else task_rows.get_task(tx, row.uid, row.failed_task)
        return views.execution(row, failed, self._base_url, self._capabilities())

    def describe(self, tx: Tx, target: str) -> Execution | None:
        """Return the metadata of an operation on the execution with the uid ``target``: see wire's Describer."""
        row = find_execution(tx, target)
        return None if row is None else self.resource(tx, row)

    def start(self, tx: Tx, row: ExecutionRow, name: str) -> Operation:
        """Start the operation ``name`` on an execution."""
        return operations.start(
            tx,
            operations.Start(
                name=name, api=API, metadata=self.resource(tx, row), target_kind=TARGET_KIND, target=row.uid
            ),
        )

    def get(self, tx: Tx, name: str) -> Operation:
        """Return an operation on an execution, with metadata of now."""
        return operations.get(tx, name, {TARGET_KIND: self.describe})

    def finish(self, tx: Tx, row: ExecutionRow) -> None:
        """End the operations that wait for an execution that has become final."""
        resource = self.resource(tx, row)
        if row.state is ExecutionState.FAILED:
            operations.fail(tx, row.run_operation, JubakoError(resource.conditions[0].message), resource)
        else:
            operations.finish(tx, row.run_operation, resource, resource)
        if row.cancel_operation:
            operations.finish(tx, row.cancel_operation, resource, resource)


def done(tx: Tx, name: str, resource: Job | Execution) -> Operation:
    """Record an operation that is done already, and return it."""
    operations.start(tx, operations.Start(name=name, api=API, metadata=resource))
    operations.finish(tx, name, resource)
    return operations.get(tx, name, {})


def rehearsed(operation: Operation) -> Operation:
    """Return what a request that was only validated answers: nobody can ask for its operation again, so it is done."""
    return (
        operation
        if operation.done
        else Operation(
            name=operation.name, done=True, metadata=operation.metadata, response=operation.metadata
        )
    )


def operation_name(project: str, location: str, uid: str) -> str:
    """Return the full name of an operation."""
    return OPERATION.format(project=project, location=location, operation=uid)
