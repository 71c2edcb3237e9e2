"""A real listener on a port picked by the system, with toy boxes behind it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from jubako.boxes.jobs import methods
from jubako.boxes.jobs.resources import (
    CreateJobRequest,
    DeleteJobRequest,
    GetJobRequest,
    Job,
    ListJobsRequest,
    ListJobsResponse,
)
from jubako.core.errors import AlreadyExists, NotFound, Unauthenticated, Unavailable
from jubako.runtime.system import SystemClock
from jubako.store.migrations import load
from jubako.store.port import Tx
from jubako.store.sqlite import SqliteStore
from jubako.testing.events import RecordedEvents
from jubako.wire import operations
from jubako.wire.extras import Extra, Extras
from jubako.wire.front import Doors, Front
from jubako.wire.gateway import ServiceCall, ServiceName
from jubako.wire.google_types import LaunchStage, Operation
from jubako.wire.grpc_door import Checks, GrpcDoor
from jubako.wire.http import HttpRequest, HttpResponse, StreamedResponse
from jubako.wire.listener import Listener
from jubako.wire.method import Api, Caller
from jubako.wire.operations_api import OperationsHandlers, operations_api
from jubako.wire.origins import Origins
from jubako.wire.rest import Router


class OpenAccess:
    async def check(self, permission: str, caller: Caller, resource: str = "") -> None:
        assert permission


class HeaderCallers:
    """Says local without credentials and refuses bad ones."""

    def caller(self, headers: Mapping[str, str]) -> Caller:
        if "authorization" in headers:
            raise Unauthenticated("The token is not ours.")
        return Caller(principal="user:local")

    def holds(self, permission: str, caller: Caller) -> bool:
        return False


@dataclass
class ToyJobs:
    """Jobs in memory; each creation is an operation in the store that a later transaction finishes."""

    store: SqliteStore
    jobs: dict[str, Job] = field(default_factory=dict)
    callers: list[Caller] = field(default_factory=list)
    finishing: set[asyncio.Task[None]] = field(default_factory=set)

    async def create(self, request: CreateJobRequest, caller: Caller) -> Operation:
        self.callers.append(caller)
        name = f"{request.parent}/jobs/{request.job_id}"
        if name in self.jobs:
            raise AlreadyExists(f"Job {name} exists.")
        job = request.job or Job()
        job.name, job.generation, job.launch_stage = name, 1, LaunchStage.GA
        self.jobs[name] = job
        return await self.operation(request.parent, request.job_id, job)

    async def delete(self, request: DeleteJobRequest, caller: Caller) -> Operation:
        job = self.jobs.pop(request.name, None)
        if job is None:
            raise NotFound(f"Job {request.name} does not exist.")
        parent, _, name = request.name.rpartition("/jobs/")
        return await self.operation(parent, f"delete-{name}", job)

    async def operation(self, parent: str, name: str, job: Job) -> Operation:
        full = f"{parent}/operations/{name}"
        start = operations.Start(name=full, api="run", metadata=job, target_kind="job", target=job.name)
        operation = await self.store.write(lambda tx: operations.start(tx, start))
        self.finishing.add(asyncio.create_task(self.finish(full, job)))
        return operation

    async def finish(self, name: str, job: Job) -> None:
        await self.store.write(lambda tx: operations.finish(tx, name, job))

    async def get(self, request: GetJobRequest, caller: Caller) -> Job:
        if request.name not in self.jobs:
            raise NotFound(f"Job {request.name} does not exist.")
        return self.jobs[request.name]

    async def list(self, request: ListJobsRequest, caller: Caller) -> ListJobsResponse:
        return ListJobsResponse(jobs=list(self.jobs.values()))

    def describe(self, tx: Tx, target: str) -> Job | None:
        return self.jobs.get(target)

    def handlers(self) -> dict[str, Any]:
        prefix = "google.cloud.run.v2.Jobs."
        return {
            f"{prefix}CreateJob": self.create,
            f"{prefix}DeleteJob": self.delete,
            f"{prefix}GetJob": self.get,
            f"{prefix}ListJobs": self.list,
        }


@dataclass
class ToyGateway:
    """A service ``echo`` that tells what it got, and ``forever`` that never stops talking."""

    calls: list[ServiceCall] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    received: int = 0
    located: str = "echo"
    breaks: bool = False

    async def locate(self, host: str) -> ServiceName | None:
        return ServiceName("p", "l", self.located) if host.startswith("echo-") else None

    async def forward(self, call: ServiceCall) -> StreamedResponse:
        self.calls.append(call)
        if call.service.service == "forever":
            async for _ in call.body:
                pass
            return StreamedResponse(status=200, headers=(), chunks=self.forever())
        if call.service.service != "echo":
            raise NotFound(f"Service {call.service.service} does not exist.")
        headers = (("set-cookie", "a=1"), ("set-cookie", "b=2"), ("connection", "close"))
        return StreamedResponse(status=207, headers=headers, chunks=self.echo(call.body))

    async def echo(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        if self.breaks:
            yield b"half"
            raise Unavailable("The instance died.")
        async for piece in body:
            self.received += len(piece)
            yield piece[:1]

    async def forever(self) -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"tick\n"
                await asyncio.sleep(0)
        finally:
            self.gone.set()


@dataclass
class Place:
    """What a test may look at."""

    port: int
    listener: Listener
    router: Router
    jobs: ToyJobs
    gateway: ToyGateway
    events: RecordedEvents
    doors: Doors
    apis: list[Api]

    def grpc(self, socket: Path, apis: list[Api] | None = None) -> GrpcDoor:
        """What serves the same jobs over gRPC."""
        checks = Checks(
            access=OpenAccess(), callers=self.doors.callers, is_ours=self.doors.origins.answers_to
        )
        return GrpcDoor(self.apis if apis is None else apis, checks, self.events, lambda: socket)


async def whoami(request: HttpRequest, variables: Mapping[str, str], caller: Caller) -> HttpResponse:
    return HttpResponse(status=200, body=f"{variables['name']} {caller.idempotency_key}".encode())


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    clock, events, access = SystemClock(), RecordedEvents(), OpenAccess()
    store = SqliteStore(None, clock, load("jubako.store", "jubako.wire"))
    jobs, gateway = ToyJobs(store), ToyGateway()
    api = Api(
        name="run",
        version="v2",
        hosts=("run.googleapis.com",),
        methods=methods.JOBS,
        handlers=jobs.handlers(),
    )
    handlers = OperationsHandlers(store, clock, "run", {"job": jobs.describe})
    apis = [api, operations_api(handlers, "v2", api.hosts)]
    router = Router(apis, access, events)
    extra = Extra(verb="POST", template="/jubako/v1/whoami/{name}", permission="x.y.z", handler=whoami)
    doors = Doors(
        router=router,
        extras=Extras([extra], access),
        gateway=gateway,
        callers=HeaderCallers(),
        origins=Origins(["jubako.example"]),
    )
    listener = Listener(Front(doors, events))
    port = await listener.start("127.0.0.1", 0)
    yield Place(port, listener, router, jobs, gateway, events, doors, apis)
    await listener.close()
    await asyncio.gather(*jobs.finishing)
    await store.close()
