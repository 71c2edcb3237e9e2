"""An execution's past as stored: its journal with times, and the source it ran."""

from collections.abc import Sequence
from dataclasses import dataclass

from jubako.boxes.workflows.execution_rows import find_execution
from jubako.boxes.workflows.resources import Execution, Workflow
from jubako.boxes.workflows.rows import find_revision
from jubako.boxes.workflows.states import FINAL, State
from jubako.core.errors import FailedPrecondition
from jubako.core.names import WORKFLOW_EXECUTION
from jubako.store.port import Tx


@dataclass(frozen=True, slots=True)
class Told:
    """What a replay needs."""

    execution: Execution
    workflow: Workflow
    """The revision it runs."""
    is_deleted: bool
    """Whether its history was deleted; there are no outcomes then."""
    outcomes: Sequence[tuple[int, str]]
    """When each was committed (microseconds since 1970), and the outcome as the journal keeps it."""


def execution_history(tx: Tx, name: str, after: int) -> Told:
    """Return the past of an execution, without the first ``after`` outcomes.

    Raises:
        NotFound: There is none.

    """
    execution = find_execution(tx, name)
    own = _id(name)
    row = tx.one(
        "SELECT workflow_uid, EXISTS (SELECT 1 FROM workflow_deleted_histories d WHERE d.execution = e.execution) "
        "FROM workflow_executions e WHERE execution = ?",
        own,
    )
    assert row is not None, name
    workflow = find_revision(tx, row[0], execution.workflow_revision_id)
    outcomes = tx.all(
        "SELECT time, outcome FROM workflow_journal WHERE execution = ? AND seq > ? ORDER BY seq", own, after
    )
    return Told(execution, workflow, bool(row[1]), [(time, outcome) for time, outcome in outcomes])


def delete_history(tx: Tx, name: str) -> None:
    """Forget what an execution that has ended did; a second time changes nothing.

    Raises:
        NotFound: There is none.
        FailedPrecondition: It has not ended: its history is what it goes on from.

    """
    execution = find_execution(tx, name)
    if State(execution.state.name) not in FINAL:
        raise FailedPrecondition(
            f"Execution {name} is {execution.state.name}; its history can be deleted once it has ended."
        )
    tx.run("DELETE FROM workflow_journal WHERE execution = ?", _id(name))
    tx.run(
        "INSERT INTO workflow_deleted_histories (execution) VALUES (?) ON CONFLICT (execution) DO NOTHING",
        _id(name),
    )


def _id(name: str) -> str:
    return WORKFLOW_EXECUTION.parse(name)["execution"]
