"""An execution's past as stored: its journal with times, and the source it ran."""

from collections.abc import Sequence
from dataclasses import dataclass

from jubako.boxes.workflows.execution_rows import find_execution
from jubako.boxes.workflows.resources import Execution
from jubako.boxes.workflows.rows import find_revision
from jubako.core.names import WORKFLOW_EXECUTION
from jubako.store.port import Tx


@dataclass(frozen=True, slots=True)
class Told:
    """What a replay needs."""

    execution: Execution
    source: str
    outcomes: Sequence[tuple[int, str]]
    """When each was committed (microseconds since 1970), and the outcome as the journal keeps it."""


def execution_history(tx: Tx, name: str) -> Told:
    """Return the past of an execution.

    Raises:
        NotFound: There is none.

    """
    execution = find_execution(tx, name)
    place = WORKFLOW_EXECUTION.parse(name)
    row = tx.one("SELECT workflow_uid FROM workflow_executions WHERE execution = ?", place["execution"])
    assert row is not None, name
    source = find_revision(tx, row[0], execution.workflow_revision_id).source_contents or ""
    outcomes = tx.all(
        "SELECT time, outcome FROM workflow_journal WHERE execution = ? ORDER BY seq", place["execution"]
    )
    return Told(execution, source, [(row[0], row[1]) for row in outcomes])
