"""The methods of Workflows v1.

Source: google/cloud/workflows/v1/workflows.proto; the rules for ids and revisions are in its comments.
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial

from jubako.boxes.workflows import cleaning, rows
from jubako.boxes.workflows.cleaning import operation_metadata
from jubako.boxes.workflows.execution_filters import filter_of_workflows, order_of_workflows
from jubako.boxes.workflows.google_calls import GoogleCalls, check_foreign
from jubako.boxes.workflows.language import compile_workflow
from jubako.boxes.workflows.listing import behind, in_order
from jubako.boxes.workflows.resources import (
    CreateWorkflowRequest,
    DeleteWorkflowRequest,
    GetWorkflowRequest,
    ListWorkflowRevisionsRequest,
    ListWorkflowRevisionsResponse,
    ListWorkflowsRequest,
    ListWorkflowsResponse,
    UpdateWorkflowRequest,
    Workflow,
)
from jubako.core.events import Events, NoEvents
from jubako.core.ids import IdSource
from jubako.core.names import LOCATION, WORKFLOW
from jubako.identity.accounts import email_of
from jubako.identity.acting import Admit, everybody
from jubako.store.port import Store, Tx
from jubako.wire import operations
from jubako.wire.codec import invalid
from jubako.wire.google_types import Operation
from jubako.wire.method import Caller, Handler, Read
from jubako.wire.paging import cut, page_of

SERVICE = "google.cloud.workflows.v1.Workflows."
_ID = re.compile(r"[A-Za-z]([-_A-Za-z0-9]{0,62}[A-Za-z0-9])?\Z")
_UPDATABLE = frozenset({"description", "labels", "service_account", "source_contents", "call_log_level",
                        "user_env_vars", "execution_history_level", "crypto_key_name", "tags"})  # fmt: skip
ALL = 2**31
WARNINGS_MAX = 10
"""How many warnings of one source the operator is told."""
_MAKES_REVISION = frozenset({"source_contents", "service_account"})


class Workflows:
    """Handlers of the Workflows API; a source may call ``connectors``, and what ``google`` can call."""

    def __init__(
        self,
        store: Store,
        ids: IdSource,
        connectors: frozenset[str],
        admit: Admit = everybody,
        google: GoogleCalls | None = None,
        events: Events | None = None,
    ) -> None:
        self._google = google
        self._events = events or NoEvents()
        self._admit = admit
        self._store = store
        self._ids = ids
        self._connectors = connectors
        self.get = Read(store, _get)

    def handlers(self) -> Mapping[str, Handler]:
        """Return the handlers by full method name."""
        return {
            SERVICE + "CreateWorkflow": self.create,
            SERVICE + "GetWorkflow": self.get,
            SERVICE + "ListWorkflows": self.list,
            SERVICE + "UpdateWorkflow": self.update,
            SERVICE + "DeleteWorkflow": self.delete,
            SERVICE + "ListWorkflowRevisions": self.list_revisions,
        }

    async def create(self, request: CreateWorkflowRequest, caller: Caller) -> Operation:
        """Deploy a new workflow."""
        place = LOCATION.parse(request.parent, "parent")
        if not _ID.match(request.workflow_id):
            raise invalid(
                "workflowId",
                "must begin with a letter, hold letters, digits, hyphens and underscores, end with a letter or "
                "digit, and have at most 64 characters.",
            )
        workflow = request.workflow or Workflow()
        workflow.name = f"{request.parent}/workflows/{request.workflow_id}"
        await self._check_source(workflow)
        email_of(workflow.service_account, "p", "workflow.serviceAccount")
        await self._admit(workflow.service_account, place["project"], caller)
        return await self._store.write(
            partial(self._create, workflow=workflow, uid=self._ids.uid(), suffix=self._ids.suffix(3))
        )

    def _create(self, tx: Tx, workflow: Workflow, uid: str, suffix: str) -> Operation:
        workflow.state = Workflow.State.ACTIVE
        workflow.create_time = workflow.update_time = workflow.revision_create_time = tx.now
        workflow.revision_id = f"000001-{suffix}"
        rows.create_workflow(tx, uid, workflow)
        return _done(tx, workflow, "create", f"{uid}-1", workflow)

    async def list(self, request: ListWorkflowsRequest, caller: Caller) -> ListWorkflowsResponse:  # noqa: ARG002
        """Return a page of workflows, by id unless asked otherwise."""
        wanted, order = filter_of_workflows(request.filter), order_of_workflows(request.order_by)
        place = LOCATION.parse(request.parent, "parent")
        page = page_of(request.page_size, request.page_token)
        is_by_id = not wanted.terms and not order
        after, limit = (page.after, page.size + 1) if is_by_id else ("", ALL)
        found: Sequence[Workflow] = await self._store.read(
            lambda tx: rows.list_workflows(tx, place["project"], place["location"], after, limit)
        )
        if not is_by_id:
            matching = in_order([workflow for workflow in found if wanted.matches(workflow)], order)
            found = behind(matching, page.after, _id)[: page.size + 1]
        shown, token = cut(found, page, _id)
        return ListWorkflowsResponse(workflows=shown, next_page_token=token)

    async def update(self, request: UpdateWorkflowRequest, caller: Caller) -> Operation:
        """Change the fields of ``update_mask`` (all settable ones if it is empty)."""
        given = request.workflow or Workflow()
        paths = frozenset(request.update_mask or ()) or _UPDATABLE
        if unknown := paths - _UPDATABLE:
            raise invalid("updateMask", f"{', '.join(sorted(unknown))} cannot be updated.")
        if "source_contents" in paths:
            await self._check_source(given)
        email_of(given.service_account, "p", "workflow.serviceAccount")
        if "service_account" in paths:
            await self._admit(given.service_account, WORKFLOW.parse(given.name)["project"], caller)
        return await self._store.write(
            partial(self._update, given=given, paths=paths, suffix=self._ids.suffix(3))
        )

    def _update(self, tx: Tx, given: Workflow, paths: frozenset[str], suffix: str) -> Operation:
        stored = rows.find_workflow(tx, given.name)
        workflow = stored.document
        changed = {path for path in paths if getattr(workflow, path) != getattr(given, path)}
        for path in changed:
            setattr(workflow, path, getattr(given, path))
        new_revision = bool(changed & _MAKES_REVISION)
        workflow.update_time = tx.now
        if new_revision:
            workflow.revision_id = f"{stored.revisions + 1:06d}-{suffix}"
            workflow.revision_create_time = tx.now
        rows.replace_workflow(tx, stored, workflow, new_revision=new_revision)
        return _done(tx, workflow, "update", f"{stored.uid}-{suffix}", workflow)

    async def delete(self, request: DeleteWorkflowRequest, caller: Caller) -> Operation:  # noqa: ARG002
        """Delete a workflow and cancel its executions."""

        def write(tx: Tx) -> Operation:
            stored = rows.find_workflow(tx, request.name)
            rows.delete_workflow(tx, stored)
            name = _start(tx, stored.document, "delete", f"{stored.uid}-delete")
            cleaning.begin_deletion(tx, stored.uid, stored.document.name, name)
            return operations.get(tx, name, {})

        return await self._store.write(write)

    async def list_revisions(
        self,
        request: ListWorkflowRevisionsRequest,
        caller: Caller,  # noqa: ARG002
    ) -> ListWorkflowRevisionsResponse:
        """Return all revisions, newest first."""
        found = await self._store.read(
            lambda tx: rows.list_revisions(tx, rows.find_workflow(tx, request.name).uid)
        )
        return ListWorkflowRevisionsResponse(workflows=found)

    async def _check_source(self, workflow: Workflow) -> None:
        if not workflow.source_contents:
            raise invalid("workflow.sourceContents", "must not be empty.")
        program = compile_workflow(
            workflow.source_contents, connectors=self._connectors, admits_foreign=self._google is not None
        )
        if self._google is not None:
            await check_foreign(program, self._connectors, self._google)
        for doubt in program.warnings[:WARNINGS_MAX]:
            self._events.emit(
                "workflow.source_doubted", "WARNING", workflow=workflow.name, problem=doubt.told("warning: ")
            )


def _id(workflow: Workflow) -> str:
    return WORKFLOW.parse(workflow.name)["workflow"]


def _done(tx: Tx, workflow: Workflow, verb: str, key: str, response: Workflow) -> Operation:
    """Record an operation that is finished at once: everything was done in this transaction."""
    name = _start(tx, workflow, verb, key)
    operations.finish(tx, name, response, operation_metadata(workflow.name, verb, tx.now, tx.now))
    return operations.get(tx, name, {})


def _start(tx: Tx, workflow: Workflow, verb: str, key: str) -> str:
    """Record an operation and return its name."""
    place = WORKFLOW.parse(workflow.name)
    name = f"projects/{place['project']}/locations/{place['location']}/operations/{key}"
    metadata = operation_metadata(workflow.name, verb, tx.now, None)
    operations.start(tx, operations.Start(name=name, api="workflows", metadata=metadata))
    return name


def _get(tx: Tx, request: GetWorkflowRequest) -> Workflow:
    """Return a workflow as it is now, or one of its revisions."""
    stored = rows.find_workflow(tx, request.name)
    return rows.find_revision(tx, stored.uid, request.revision_id) if request.revision_id else stored.document
