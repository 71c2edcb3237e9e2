"""Workflows and their revisions as stored, and the transaction functions that move them."""

from dataclasses import dataclass
from functools import lru_cache

from jubako.boxes.workflows.resources import Workflow
from jubako.core.errors import AlreadyExists, NotFound
from jubako.core.names import WORKFLOW
from jubako.store.port import Row, Tx
from jubako.wire.codec import decode, encode


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWorkflow:
    """A workflow as it is now."""

    uid: str
    revisions: int
    """How many revisions were ever made; the next one gets the number behind it."""
    document: Workflow


def create_workflow(tx: Tx, uid: str, workflow: Workflow) -> None:
    """Add a workflow and its first revision.

    Raises:
        AlreadyExists: The name is taken.

    """
    name = WORKFLOW.parse(workflow.name)
    added = tx.run(
        "INSERT INTO workflows (project, location, workflow, uid, revisions, document) VALUES (?, ?, ?, ?, 1, ?) "
        "ON CONFLICT (project, location, workflow) DO NOTHING",
        *name.values(),
        uid,
        _json(workflow),
    )
    if not added:
        raise AlreadyExists(f"Workflow {workflow.name} already exists.")
    _add_revision(tx, uid, workflow)


def find_workflow(tx: Tx, name: str) -> StoredWorkflow:
    """Return the workflow.

    Raises:
        InvalidArgument: ``name`` is no workflow's name.
        NotFound: There is none.

    """
    uid, revisions, document = _workflow_row(tx, name)
    return StoredWorkflow(uid=uid, revisions=revisions, document=decode(Workflow, document))


def replace_workflow(tx: Tx, stored: StoredWorkflow, workflow: Workflow, *, new_revision: bool) -> None:
    """Put ``workflow`` in the place of ``stored``."""
    tx.run(
        "UPDATE workflows SET document = ?, revisions = ? WHERE uid = ?",
        _json(workflow),
        stored.revisions + new_revision,
        stored.uid,
    )
    if new_revision:
        _add_revision(tx, stored.uid, workflow)


def delete_workflow(tx: Tx, stored: StoredWorkflow) -> None:
    """Remove the workflow; revisions stay for the executions that are pinned to them."""
    tx.run("DELETE FROM workflows WHERE uid = ?", stored.uid)


def list_workflows(tx: Tx, project: str, location: str, after: str, limit: int) -> list[Workflow]:
    """Return at most ``limit`` workflows behind the id ``after``, by id."""
    rows = tx.all(
        "SELECT document FROM workflows WHERE project = ? AND location = ? AND workflow > ? ORDER BY workflow LIMIT ?",
        project,
        location,
        after,
        limit,
    )
    return [decode(Workflow, row[0]) for row in rows]


def list_revisions(tx: Tx, uid: str) -> list[Workflow]:
    """Return all revisions, newest first."""
    rows = tx.all(
        "SELECT document FROM workflow_revisions WHERE workflow_uid = ? ORDER BY revision_id DESC", uid
    )
    return [decode(Workflow, row[0]) for row in rows]


def find_revision(tx: Tx, uid: str, revision_id: str) -> Workflow:
    """Return one revision, which is shared: nobody may change it.

    Raises:
        NotFound: There is none.

    """
    row = tx.one(
        "SELECT document FROM workflow_revisions WHERE workflow_uid = ? AND revision_id = ?", uid, revision_id
    )
    if row is None:
        raise NotFound(f"Revision {revision_id!r} does not exist.")
    return _revision(row[0])


def find_newest(tx: Tx, name: str) -> tuple[str, Workflow]:
    """Return the uid and the newest revision of a workflow, which is shared: nobody may change it.

    Raises:
        InvalidArgument: ``name`` is no workflow's name.
        NotFound: There is none.

    """
    uid, _, document = _workflow_row(tx, name)
    return uid, _revision(document)


def _workflow_row(tx: Tx, name: str) -> Row:
    """Return the uid, the count of revisions and the stored document."""
    row = tx.one(
        "SELECT uid, revisions, document FROM workflows WHERE project = ? AND location = ? AND workflow = ?",
        *WORKFLOW.parse(name).values(),
    )
    if row is None:
        raise NotFound(f"Workflow {name} does not exist.")
    return row


@lru_cache(maxsize=64)
def _revision(document: str) -> Workflow:
    return decode(Workflow, document)


def _add_revision(tx: Tx, uid: str, workflow: Workflow) -> None:
    tx.run(
        "INSERT INTO workflow_revisions (workflow_uid, revision_id, document) VALUES (?, ?, ?)",
        uid,
        workflow.revision_id,
        _json(workflow),
    )


def _json(workflow: Workflow) -> str:
    return encode(workflow).decode()
