"""Cloud Run v1, jobs part, as gcloud calls it: jobs, executions and tasks as Kubernetes-shaped documents.

Paths: ``/apis/run.googleapis.com/v1/namespaces/PROJECT/{jobs,executions,tasks}[/NAME]``.
Every route translates, calls the v2 method, and translates back: there is one behaviour. The location is that of the
regional host name; without one lists go across locations, and a name is looked for in all of them.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from jubako.boxes.jobs import krm as documents
from jubako.boxes.jobs import places
from jubako.boxes.jobs.execution_handlers import ExecutionHandlers, TaskHandlers
from jubako.boxes.jobs.handlers import HandlerPorts, JobHandlers
from jubako.boxes.jobs.resources import (
    CancelExecutionRequest,
    CreateJobRequest,
    DeleteExecutionRequest,
    DeleteJobRequest,
    Execution,
    GetExecutionRequest,
    GetJobRequest,
    GetTaskRequest,
    Job,
    ListExecutionsRequest,
    ListJobsRequest,
    ListTasksRequest,
    RunJobRequest,
    UpdateJobRequest,
)
from jubako.boxes.jobs.rows import ExecutionKey, JobKey
from jubako.core.errors import NotFound
from jubako.store.port import Tx
from jubako.wire import codec, krm
from jubako.wire.codec import invalid
from jubako.wire.method import (
    Caller,
    Document,
    DocumentHandler,
    DocumentRequest,
    DocumentRoute,
    document_routes,
)

_BASE = "/apis/run.googleapis.com/v1/namespaces/{namespace}"
_INVOCATION = re.compile(r"\binvocation-id/([0-9a-f]{32})\b")
_TASK = re.compile(r"-task\d{1,9}\Z", re.ASCII)


class KrmRoutes:
    """Serves the routes above."""

    def __init__(self, ports: HandlerPorts) -> None:
        self._store = ports.store
        self._jobs = JobHandlers(ports)
        self._executions = ExecutionHandlers(ports)
        self._tasks = TaskHandlers(ports)

    def routes(self) -> list[DocumentRoute]:
        """Return the routes."""
        job, execution = f"{_BASE}/jobs/{{name}}", f"{_BASE}/executions/{{name}}"
        table: list[tuple[str, str, str, DocumentHandler]] = [
            ("GET", f"{_BASE}/jobs", "run.jobs.list", self.list_jobs),
            ("POST", f"{_BASE}/jobs", "run.jobs.create", self.create_job),
            ("GET", job, "run.jobs.get", self.get_job),
            ("PUT", job, "run.jobs.update", self.replace_job),
            ("DELETE", job, "run.jobs.delete", self.delete_job),
            ("POST", f"{job}:run", "run.jobs.run", self.run_job),
            ("GET", f"{_BASE}/executions", "run.executions.list", self.list_executions),
            ("GET", execution, "run.executions.get", self.get_execution),
            ("DELETE", execution, "run.executions.delete", self.delete_execution),
            ("POST", f"{execution}:cancel", "run.executions.cancel", self.cancel_execution),
            ("GET", f"{_BASE}/tasks", "run.tasks.list", self.list_tasks),
            ("GET", f"{_BASE}/tasks/{{name}}", "run.tasks.get", self.get_task),
        ]
        return document_routes(table)

    async def list_jobs(self, request: DocumentRequest, caller: Caller) -> Document:
        """Return jobs, by name."""
        project, listing = await self._project(request), krm.listing(request)
        parent = f"projects/{project}/locations/{request.location or '-'}"
        page = await self._jobs.list_jobs(
            ListJobsRequest(parent=parent, page_size=listing.size, page_token=listing.token), caller
        )
        items = [documents.job(job) for job in page.jobs]
        return _list("Job", items, listing, page.next_page_token)

    async def create_job(self, request: DocumentRequest, caller: Caller) -> Document:
        """Create a job."""
        job, given = documents.read_job(request.body)
        location = request.location or given.location
        if not location:
            raise invalid("metadata.labels", f"needs {krm.LOCATION_LABEL}, or ask the host of a region.")
        project = await self._project(request)
        parent = f"projects/{project}/locations/{location}"
        create = CreateJobRequest(parent=parent, job_id=given.name, job=job)
        operation = await self._jobs.create_job(create, _once(request, caller))
        return documents.job(codec.unpack(Job, operation.response or {}))

    async def get_job(self, request: DocumentRequest, caller: Caller) -> Document:
        """Return a job."""
        key = await self._job(request)
        return documents.job(await self._jobs.get_job(GetJobRequest(name=str(key)), caller))

    async def replace_job(self, request: DocumentRequest, caller: Caller) -> Document:
        """Replace a job that exists; a resourceVersion that is not the newest is refused with 409."""
        job, given = documents.read_job(request.body)
        request = replace(request, location=request.location or given.location or None)
        key = await self._job(request)
        if given.name and given.name != key.job:
            raise invalid("metadata.name", f"{given.name[:100]!r} is not the name in the path.")
        job.name = str(key)
        operation = await self._jobs.update_job(UpdateJobRequest(job=job), caller)
        return documents.job(codec.unpack(Job, operation.response or {}))

    async def delete_job(self, request: DocumentRequest, caller: Caller) -> Document:
        """Delete a job with its executions."""
        key = await self._job(request)
        operation = await self._jobs.delete_job(DeleteJobRequest(name=str(key)), caller)
        return krm.deleted(key.job, (operation.response or {}).get("uid", ""))

    async def run_job(self, request: DocumentRequest, caller: Caller) -> Document:
        """Start an execution and return it."""
        key = await self._job(request)
        run = RunJobRequest(name=str(key), overrides=documents.read_overrides(request.body))
        operation = await self._jobs.run_job(run, _once(request, caller))
        return documents.execution(codec.unpack(Execution, operation.metadata or {}))

    async def list_executions(self, request: DocumentRequest, caller: Caller) -> Document:
        """Return executions, newest first; of one job if the selector names it."""
        project, listing = await self._project(request), krm.listing(request)
        job = listing.equal.get(documents.JOB_LABEL, "-")
        parent = f"projects/{project}/locations/{request.location or '-'}/jobs/{job}"
        list_them = ListExecutionsRequest(parent=parent, page_size=listing.size, page_token=listing.token)
        try:
            if job != "-" and request.location is None:
                list_them.parent = str(await self._named(request, job))
            page = await self._executions.list_executions(list_them, caller)
        except NotFound:  # a selector that nothing fits is no error
            return krm.resource_list("Execution", documents.VERSION, [], "")
        items = [documents.execution(one) for one in page.executions]
        return _list("Execution", items, listing, page.next_page_token)

    async def get_execution(self, request: DocumentRequest, caller: Caller) -> Document:
        """Return an execution."""
        key = await self._execution(request)
        get = GetExecutionRequest(name=str(key))
        return documents.execution(await self._executions.get_execution(get, caller))

    async def delete_execution(self, request: DocumentRequest, caller: Caller) -> Document:
        """Delete an execution that has ended."""
        key = await self._execution(request)
        operation = await self._executions.delete_execution(DeleteExecutionRequest(name=str(key)), caller)
        return krm.deleted(key.execution, (operation.response or {}).get("uid", ""))

    async def cancel_execution(self, request: DocumentRequest, caller: Caller) -> Document:
        """Cancel an execution; the reply is how it stands now."""
        key = await self._execution(request)
        operation = await self._executions.cancel_execution(CancelExecutionRequest(name=str(key)), caller)
        return documents.execution(codec.unpack(Execution, operation.metadata or {}))

    async def list_tasks(self, request: DocumentRequest, caller: Caller) -> Document:
        """Return the tasks of the execution that the selector names, by index."""
        listing = krm.listing(request)
        execution = listing.equal.get(documents.EXECUTION_LABEL)
        if execution is None:
            raise invalid("labelSelector", f"must name an execution: {documents.EXECUTION_LABEL} = NAME.")
        try:
            parent = str(await self._execution(request, execution))
            list_them = ListTasksRequest(parent=parent, page_size=listing.size, page_token=listing.token)
            page = await self._tasks.list_tasks(list_them, caller)
        except NotFound:
            return krm.resource_list("Task", documents.VERSION, [], "")
        items = [documents.task(one) for one in page.tasks]
        return _list("Task", items, listing, page.next_page_token)

    async def get_task(self, request: DocumentRequest, caller: Caller) -> Document:
        """Return a task."""
        name = request.variables["name"]
        key = await self._execution(request, _TASK.sub("", name))
        return documents.task(await self._tasks.get_task(GetTaskRequest(name=f"{key}/tasks/{name}"), caller))

    async def _project(self, request: DocumentRequest) -> str:
        return await self._store.read(lambda tx: places.project_of(tx, request.variables["namespace"]))

    async def _job(self, request: DocumentRequest) -> JobKey:
        return await self._named(request, request.variables["name"])

    async def _named(self, request: DocumentRequest, job: str) -> JobKey:
        def fn(tx: Tx) -> JobKey:
            project = places.project_of(tx, request.variables["namespace"])
            return JobKey(project, request.location or places.location_of(tx, project, job), job)

        return await self._store.read(fn)

    async def _execution(self, request: DocumentRequest, name: str = "") -> ExecutionKey:
        """Return the key of an execution: its name is that of its job, a dash and a suffix."""
        name = name or request.variables["name"]
        job, dash, _ = name.rpartition("-")
        if not dash or not job:
            raise NotFound(f"Execution {name!r} does not exist.")
        key = await self._named(request, job)
        return ExecutionKey(key.project, key.location, key.job, name)


def _list(kind: str, items: list[Document], listing: krm.Listing, token: str) -> Document:
    """Return the page: what other labels exclude is left out of it, so that a page may be short."""
    labels: Callable[[Document], Mapping[str, str]] = lambda item: item["metadata"]["labels"]  # noqa: E731
    kept = [item for item in items if listing.wants(labels(item))]
    return krm.resource_list(kind, documents.VERSION, kept, token)


def _once(request: DocumentRequest, caller: Caller) -> Caller:
    """Return the caller with a key that makes gcloud's own repetitions happen once.

    gcloud repeats a POST whose reply was lost or a 503, with the same invocation id in its User-Agent.
    """
    found = _INVOCATION.search(request.agent)
    if caller.idempotency_key is not None or found is None:
        return caller
    return replace(caller, idempotency_key=f"gcloud-{found[1]}")
