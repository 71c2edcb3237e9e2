"""The API's methods on jobs: one function each.

1. What comes by chance (uids, suffixes) is drawn before the transaction, because a transaction may run twice.
2. ``validate_only`` runs the same transaction and takes it back, so that it cannot promise what would not happen.
3. A request with an ``Idempotency-Key`` finds the operation of the first one, also after a restart.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from jubako.boxes.jobs import checks, moves, operations, preflight, retention, rows, views
from jubako.boxes.jobs.launch import LaunchSettings
from jubako.boxes.jobs.operations import ExecutionOperations, operation_name
from jubako.boxes.jobs.resources import (
    CreateJobRequest,
    DeleteJobRequest,
    Execution,
    GetJobRequest,
    Job,
    ListJobsRequest,
    ListJobsResponse,
    RunJobRequest,
    TaskTemplate,
    UpdateJobRequest,
)
from jubako.boxes.jobs.rows import ExecutionKey, ExecutionRow, JobKey, JobRow
from jubako.boxes.jobs.running import execution_of
from jubako.boxes.jobs.states import Counts, ExecutionState
from jubako.core import names
from jubako.core.errors import Aborted, AlreadyExists, FailedPrecondition
from jubako.core.faults import Faults
from jubako.core.ids import IdSource
from jubako.core.limits import JOB_NAME_LENGTH_MAX, TASK_RETRIES_DEFAULT, TASK_TIMEOUT_DEFAULT
from jubako.core.timestamps import to_micros
from jubako.identity.acting import Admit, AnyAccess, everybody
from jubako.runtime.bundles import Bundles
from jubako.runtime.port import Capabilities
from jubako.store.port import Store, Tx
from jubako.store.rehearsal import write
from jubako.wire import codec, idempotency, images
from jubako.wire.codec import invalid
from jubako.wire.dispatch import Access
from jubako.wire.google_types import Operation
from jubako.wire.method import Caller, Handler, Read
from jubako.wire.paging import cut, page_of

T = TypeVar("T")
EXECUTIONS_KEPT = 1_000
"""Of one job. Source: Cloud Run, "Manage job executions", retention."""
SUFFIX_LENGTH = 5
RUN_WITH_OVERRIDES = "run.jobs.runWithOverrides"
"""Source: Cloud Run, "Execute jobs", required roles."""
_NAME_DRAWS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerPorts:
    """What the handlers stand on."""

    store: Store
    ids: IdSource
    outputs: retention.Outputs
    faults: Faults
    settings: LaunchSettings
    """How tasks are started: what a run needs is looked for by it."""
    capabilities: Callable[[], Capabilities]
    """Of the runtime, as they are now."""
    admit: Admit = everybody
    """Who may have programs run as which account."""
    access: Access = field(default_factory=AnyAccess)
    """For what a method needs beyond its own permission."""
    base_url: str
    """Where this server is reached, such as ``http://127.0.0.1:8123``; for ``logUri``."""
    leftovers: retention.Leftovers = field(default_factory=retention.Leftovers)
    """Takes what a run makes superfluous."""
    executions_kept: int = EXECUTIONS_KEPT
    """How many final executions of a job are kept; older ones go with their output."""


class JobHandlers:
    """``google.cloud.run.v2.Jobs``."""

    def __init__(self, ports: HandlerPorts) -> None:
        self._ports = ports
        self._store = ports.store
        self._operations = ExecutionOperations(ports.base_url, ports.capabilities)
        self.get_job = Read(ports.store, _get_job)

    def methods(self) -> Mapping[str, Handler]:
        """Return the handlers by full method name."""
        service = "google.cloud.run.v2.Jobs"
        return {
            f"{service}.CreateJob": self.create_job,
            f"{service}.GetJob": self.get_job,
            f"{service}.ListJobs": self.list_jobs,
            f"{service}.UpdateJob": self.update_job,
            f"{service}.DeleteJob": self.delete_job,
            f"{service}.RunJob": self.run_job,
        }

    async def create_job(self, request: CreateJobRequest, caller: Caller) -> Operation:
        """Store a new job; the operation is done at once."""
        parent = names.LOCATION.parse(request.parent, "parent")
        names.dns_label(request.job_id, "jobId", JOB_NAME_LENGTH_MAX)
        key = JobKey(parent["project"], parent["location"], request.job_id)
        job = _checked(request.job)
        await self._admit(job, key, caller)
        document = _document(job, account(caller), account(caller))
        uid, operation = self._ports.ids.uid(), self._operation(key)
        idem = idempotency.key_of(caller, "CreateJob", str(key), request)

        def fn(tx: Tx) -> Operation:
            if (known := idempotency.find(tx, idem)) is not None:
                return self._operations.get(tx, known)
            row = rows.insert_job(tx, key, uid, document)
            idempotency.remember(tx, idem, operation)
            return operations.done(tx, operation, views.job(row, None))

        return await write(self._store, fn, is_rehearsal=request.validate_only)

    async def _admit(self, job: Job, key: JobKey, caller: Caller) -> None:
        """Return if the caller may have the job's tasks run as its service account."""
        tasks = job.template.template if job.template else None
        await self._ports.admit(tasks.service_account if tasks else "", key.project, caller)

    async def list_jobs(self, request: ListJobsRequest, caller: Caller) -> ListJobsResponse:
        """Return a page of jobs, by name. Nothing is deleted softly, so ``show_deleted`` adds nothing."""
        del caller
        parent = names.LOCATION.parse(request.parent, "parent")
        page = page_of(request.page_size, request.page_token)

        def fn(tx: Tx) -> ListJobsResponse:
            found = rows.list_jobs(tx, parent["project"], parent["location"], page)
            shown, token = cut(found, page, rows.job_page_key)
            return ListJobsResponse(jobs=[_view(tx, row) for row in shown], next_page_token=token)

        return await self._store.read(fn)

    async def update_job(self, request: UpdateJobRequest, caller: Caller) -> Operation:
        """Replace what the job says; executions under way keep what they began with."""
        job = _checked(request.job)
        key = JobKey(**names.JOB.parse(job.name, "job.name"))
        uid, operation = self._ports.ids.uid(), self._operation(key)
        modifier = account(caller)
        await self._admit(job, key, caller)

        def fn(tx: Tx) -> Operation:
            before = rows.find_job(tx, key) if request.allow_missing else rows.get_job(tx, key)
            if before is None:
                names.dns_label(key.job, "job.name", JOB_NAME_LENGTH_MAX)
                row = rows.insert_job(tx, key, uid, _document(job, modifier, modifier))
            else:
                _check_etag(job.etag, before)
                creator = codec.decode(Job, before.document).creator
                row = rows.update_job(tx, key, _document(job, creator, modifier))
            return operations.done(tx, operation, _view(tx, row))

        return await write(self._store, fn, is_rehearsal=request.validate_only)

    async def delete_job(self, request: DeleteJobRequest, caller: Caller) -> Operation:
        """Delete the job with its executions and their output; refused while one of them is under way."""
        del caller
        key = JobKey(**names.JOB.parse(request.name))
        operation = self._operation(key)

        def fn(tx: Tx) -> tuple[Operation, list[str]]:
            row = rows.get_job(tx, key)
            _check_etag(request.etag, row)
            under_way = rows.count_under_way(tx, key)
            if under_way:
                raise FailedPrecondition(
                    f"Job {str(key)!r} has {under_way} executions under way: cancel them, or wait for their end."
                )
            resource = _view(tx, row)
            resource.delete_time = tx.now
            return operations.done(tx, operation, resource), rows.delete_job(tx, key)

        result, uids = await write(self._store, fn, is_rehearsal=request.validate_only)
        if not request.validate_only:
            self._ports.faults.point("jobs.delete.after_commit")
            await retention.forget(self._store, self._ports.outputs, uids)
        return result

    async def run_job(self, request: RunJobRequest, caller: Caller) -> Operation:
        """Start an execution. The operation ends with it: see ``operations``."""
        key = JobKey(**names.JOB.parse(request.name))
        if request.overrides is not None:
            await self._ports.access.check(RUN_WITH_OVERRIDES, caller, str(key))
        idem = idempotency.key_of(caller, "RunJob", str(key), request)
        uid, operation = self._ports.ids.uid(), self._operation(key)
        draws = draw_names(key, self._ports.ids)
        await self._require(request, key, idem)

        def fn(tx: Tx) -> tuple[Operation, list[str]]:
            if (known := idempotency.find(tx, idem)) is not None:
                return self._operations.get(tx, known), []
            job = rows.get_job(tx, key)
            _check_etag(request.etag, job)
            memory = self._ports.capabilities().memory_bytes
            document = execution_of(
                views.parsed(Job, job.document), request.overrides, account(caller), memory
            )
            _pin(document, self._ports.settings.bundles)
            row = insert_named(tx, key, draws, lambda name: new_row(tx, name, uid, operation, document))
            idempotency.remember(tx, idem, operation)
            pruned = []
            if job.execution_count >= self._ports.executions_kept:
                pruned = rows.prune_executions(tx, key, self._ports.executions_kept)
            started = self._operations.start(tx, row, operation)
            moves.launch(tx, row, self._ports.settings.slots)
            return started, pruned

        result, pruned = await write(self._store, fn, is_rehearsal=request.validate_only)
        if request.validate_only:
            return operations.rehearsed(result)
        self._ports.faults.point("jobs.run.after_commit")
        self._ports.leftovers.leave(pruned)
        return result

    async def _require(self, request: RunJobRequest, key: JobKey, idem: idempotency.Key | None) -> None:
        """Refuse to run what cannot be started here; a repeated request was accepted before."""

        def fn(tx: Tx) -> TaskTemplate | None:
            row = rows.find_job(tx, key)
            if row is None or idempotency.find(tx, idem) is not None:
                return None
            return execution_of(views.parsed(Job, row.document), request.overrides, "").template

        template = await self._store.peek(fn)
        if template is not None:
            await preflight.require(template, key.project, self._ports.settings)

    def _operation(self, key: JobKey) -> str:
        return operation_name(key.project, key.location, self._ports.ids.uid())


def _pin(document: Execution, bundles: Bundles) -> None:
    """Have all tasks of an execution run what the job's image means now."""
    template = document.template
    assert template is not None, document.job
    containers = [images.pinned(container, bundles) for container in template.containers]
    document.template = msgspec.structs.replace(template, containers=containers)


def _checked(job: Job | None) -> Job:
    if job is None:
        raise invalid("job", "is missing.")
    checks.job(job)
    return job


def _document(job: Job, creator: str, modifier: str) -> str:
    """Return what is stored of a checked job: what the caller says, with Cloud Run's defaults filled in."""
    template = job.template
    assert template is not None, job.name
    assert template.template is not None, job.name
    kept = Job(
        labels=job.labels,
        annotations=job.annotations,
        client=job.client,
        client_version=job.client_version,
        launch_stage=job.launch_stage,
        binary_authorization=job.binary_authorization,
        template=msgspec.structs.replace(
            template, task_count=template.task_count or 1, template=_with_defaults(template.template)
        ),
        creator=creator,
        last_modifier=modifier,
    )
    return codec.encode(kept).decode()


def _with_defaults(template: TaskTemplate) -> TaskTemplate:
    retries = TASK_RETRIES_DEFAULT if template.max_retries is None else template.max_retries
    return msgspec.structs.replace(
        template, max_retries=retries, timeout=template.timeout or TASK_TIMEOUT_DEFAULT
    )


def _get_job(tx: Tx, request: GetJobRequest) -> Job:
    """Return the job."""
    return _view(tx, rows.get_job(tx, JobKey(**names.JOB.parse(request.name))))


def _view(tx: Tx, row: JobRow) -> Job:
    return views.job(row, rows.newest_execution(tx, row.key))


def _check_etag(given: str, row: JobRow) -> None:
    if given and given != views.etag(row.uid, row.generation, row.updated_us):
        raise Aborted(f"Job {str(row.key)!r} was changed meanwhile: etag {given} is not its etag any more.")


def draw_names(key: JobKey, ids: IdSource) -> list[str]:
    """Return names for an execution of the job; more than one, because the first may be taken."""
    return [f"{key.job}-{ids.suffix(SUFFIX_LENGTH)}" for _ in range(_NAME_DRAWS)]


def account(caller: Caller) -> str:
    """Return the caller as ``creator`` and ``last_modifier`` say it: without the kind of account."""
    return caller.principal.partition(":")[2] or caller.principal


def insert_named(
    tx: Tx, key: JobKey, draws: Iterable[str], row_of: Callable[[ExecutionKey], ExecutionRow]
) -> ExecutionRow:
    """Store the execution under the first of the drawn names that is free."""
    for name in draws:
        row = row_of(ExecutionKey(key.project, key.location, key.job, name))
        try:
            rows.insert_execution(tx, row)
        except AlreadyExists:
            continue
        return row
    raise Aborted(f"Job {str(key)!r}: no free name for an execution was found; try again.")


def new_row(tx: Tx, key: ExecutionKey, uid: str, operation: str, document: Execution) -> ExecutionRow:
    """Return the row of an execution that begins now."""
    now, template = to_micros(tx.now), document.template
    assert template is not None, key
    assert template.max_retries is not None, key
    return ExecutionRow(
        key=key,
        uid=uid,
        generation=1,
        created_us=now,
        updated_us=now,
        started_us=None,
        completed_us=None,
        state=ExecutionState.ACTIVE,
        task_count=document.task_count,
        parallelism=document.parallelism,
        retries_max=template.max_retries,
        counts=Counts(pending=document.task_count),
        failed_task=None,
        run_operation=operation,
        cancel_operation="",
        document=codec.encode(document).decode(),
    )
