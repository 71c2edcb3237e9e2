"""What is removed in portions, so that a hundred thousand rows never hold up the writers: deletions and old executions.

1. Deleting a workflow takes its name at once. Its executions are cancelled in portions, each a transaction; the
   operation is done with the last one. A crash in between loses nothing: the deletion is a row until then.
2. An execution that ended long ago is removed with its journal, a journal of many outcomes in portions too.
"""

from datetime import datetime, timedelta
from functools import partial

from jubako.boxes.workflows import execution_rows
from jubako.boxes.workflows.resources import OperationMetadata
from jubako.core.clock import Clock
from jubako.core.timestamps import from_micros, to_micros
from jubako.store.port import Store, Tx
from jubako.wire import operations
from jubako.wire.google_types import Empty

TOPIC = "workflows.deletions"
PORTION = 200
"""Executions in one transaction."""
OUTCOMES_PORTION = 10_000
RETENTION = timedelta(days=90)
"""How long an execution can be read after its end. That it can for a limited time only is Google's
(cloud.google.com/workflows/docs/executing-workflow); how long is ours."""
SWEEP_EVERY = timedelta(days=1)
_OF_EXECUTION = (
    "workflow_journal",
    "workflow_arrivals",
    "workflow_execution_labels",
    "workflow_deleted_histories",
    "workflow_executions",
)


def begin_deletion(tx: Tx, uid: str, workflow: str, operation: str) -> None:
    """Have the executions of a workflow, which is deleted, cancelled; ``operation`` is finished with the last one."""
    tx.run(
        "INSERT INTO workflow_deletions (workflow_uid, workflow, operation, create_time) VALUES (?, ?, ?, ?)",
        uid,
        workflow,
        operation,
        to_micros(tx.now),
    )
    go_on_deleting(tx, uid)


def go_on_deleting(tx: Tx, uid: str) -> None:
    """Cancel a portion of the executions of a deleted workflow; with the last one the deletion is done."""
    if execution_rows.cancel_some(tx, uid, PORTION) == PORTION:
        tx.wake(TOPIC)
        return
    row = tx.one(
        "DELETE FROM workflow_deletions WHERE workflow_uid = ? RETURNING workflow, operation, create_time",
        uid,
    )
    if row is not None:
        workflow, operation, create_time = row
        metadata = operation_metadata(workflow, "delete", from_micros(create_time), tx.now)
        operations.finish(tx, operation, Empty(), metadata)


def operation_metadata(workflow: str, verb: str, begin: datetime, end: datetime | None) -> OperationMetadata:
    """Return what an operation on a workflow tells of itself; ``end`` is None while it is not done."""
    return OperationMetadata(create_time=begin, end_time=end, target=workflow, verb=verb, api_version="v1")


def sweep_some(tx: Tx) -> bool:
    """Remove a portion of what has ended long ago; return whether there may be more."""
    old = execution_rows.ended_before(tx, tx.now - RETENTION, PORTION)
    room = OUTCOMES_PORTION
    for execution in old:
        room -= _drop_outcomes(tx, execution, room)
        if room <= 0:
            return True
        for table in _OF_EXECUTION:
            tx.run(f"DELETE FROM {table} WHERE execution = ?", execution)  # noqa: S608 - names of ours
    return len(old) == PORTION


class Cleaner:
    """Goes on with deletions, and sweeps once a day."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def run(self) -> None:
        """Clean until cancelled."""
        with self._store.watch(TOPIC) as watch:
            next_sweep = self._clock.now()
            while True:
                for uid in await self._store.read(_deletions):
                    await self._store.write(partial(go_on_deleting, uid=uid))
                if self._clock.now() >= next_sweep:
                    while await self._store.write(sweep_some):
                        pass
                    next_sweep = self._clock.now() + SWEEP_EVERY
                await watch.wait_until(self._clock, next_sweep)


def _deletions(tx: Tx) -> list[str]:
    return [row[0] for row in tx.all("SELECT workflow_uid FROM workflow_deletions")]


def _drop_outcomes(tx: Tx, execution: str, most: int) -> int:
    row = tx.one("SELECT MIN(seq) FROM workflow_journal WHERE execution = ?", execution)
    if row is None or row[0] is None:
        return 0
    return tx.run("DELETE FROM workflow_journal WHERE execution = ? AND seq < ?", execution, row[0] + most)
