"""The workflows box with a real store and machine; the outside is a small cloud that remembers idempotency keys."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from jubako.boxes.jobs.methods import JOBS
from jubako.boxes.workflows.connectors import connectors
from jubako.boxes.workflows.engine import WorkflowsEngine
from jubako.boxes.workflows.execution_handlers import Executions
from jubako.boxes.workflows.handlers import Workflows
from jubako.boxes.workflows.instant import Instant
from jubako.boxes.workflows.methods import EXECUTIONS
from jubako.boxes.workflows.parts import Parts, Programs
from jubako.boxes.workflows.performer import Performer, Services
from jubako.boxes.workflows.resources import (
    CreateExecutionRequest,
    CreateWorkflowRequest,
    Execution,
    GetExecutionRequest,
    Workflow,
)
from jubako.core.faults import NoFaults
from jubako.store.migrations import load
from jubako.store.outbox import Outbox
from jubako.store.port import Tx
from jubako.store.sqlite import SqliteStore
from jubako.store.timers import Timers
from jubako.testing.access import Everybody
from jubako.testing.clock import FakeClock
from jubako.testing.events import RecordedEvents
from jubako.testing.ids import SeededIds
from jubako.wire import operations
from jubako.wire.egress import Call
from jubako.wire.http import HttpRequest, HttpResponse
from jubako.wire.method import Api, Caller
from jubako.wire.rest import Router

PARENT = "projects/p/locations/l"
LOCAL = Caller(principal="user:local")
RUN = Api(name="run", version="v2", hosts=("run.googleapis.com",), methods=JOBS, handlers={})
JSON = {"content-type": "application/json"}


@dataclass
class Cloud:
    """Answers ``:run`` once for each key, holds operations open until ``release`` is set."""

    started: dict[str, str] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    fail_with: Exception | None = None
    bodies: list[bytes] = field(default_factory=list)
    """Of requests to example.com."""
    headers: list[Mapping[str, str]] = field(default_factory=list)
    """Of the same requests."""
    router: Router | None = None
    """Answers for workflowexecutions.googleapis.com."""
    answers: list[HttpResponse] = field(default_factory=list)
    """What example.com answers, before it echoes."""
    is_silent: bool = False
    """Whether example.com takes requests and never answers them."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, call: Call, caller: Caller) -> HttpResponse:
        url = call.url
        self._note(call)
        if self.fail_with is not None:
            raise self.fail_with
        if self.router is not None and "workflowexecutions" in url:
            path, _, query = url.removeprefix("https://workflowexecutions.googleapis.com").partition("?")
            request = HttpRequest(
                method=call.method, path=path, query=query, headers=call.headers, body=call.body
            )
            return await self.router.handle(request, caller)
        if "example.com" in url and (self.answers or self.is_silent):
            return await self._answer()
        if url.endswith(":run"):
            assert caller.idempotency_key is not None
            name = self.started.setdefault(caller.idempotency_key, f"{PARENT}/operations/{len(self.started)}")
            return self._operation(name, done=False)
        if "/operations/" in url:
            return self._operation(url.partition("/v2/")[2], done=self.release.is_set())
        if url.endswith(":hang"):
            await self.release.wait()
        if url.endswith(":cancel"):
            self.cancelled.append(url)
            self.changed.set()
        return HttpResponse(status=200, headers=JSON, body=json.dumps({"echo": call.body.decode()}).encode())

    async def _answer(self) -> HttpResponse:
        if self.is_silent:
            await asyncio.Event().wait()
        return self.answers.pop(0)

    def _note(self, call: Call) -> None:
        if "example.com" in call.url:
            self.bodies.append(call.body)
            self.headers.append(call.headers)
        self.requests.append((call.method, call.url))
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    def _operation(self, name: str, *, done: bool) -> HttpResponse:
        execution = {"name": f"{PARENT}/jobs/j/executions/{name.rpartition('/')[2]}"}
        told = {"name": name, "metadata": execution, "done": done}
        if done:
            told["response"] = {"@type": "type.googleapis.com/google.cloud.run.v2.Execution", **execution}
        return HttpResponse(status=200, headers=JSON, body=json.dumps(told).encode())


class FakeTokens:
    """Makes readable tokens."""

    def access_token(self, email: str, scopes: Sequence[str] = ()) -> str:
        return f"access {email} {' '.join(scopes)}"

    def id_token(self, email: str, audience: str) -> str:
        return f"id {email} {audience}"


class House:
    """One server's worth of the box; ``restart`` forgets everything that is not in the store."""

    def __init__(self, store: SqliteStore, clock: FakeClock, cloud: Cloud) -> None:
        self.store, self.clock, self.cloud = store, clock, cloud
        self.events = RecordedEvents()
        self.ids = SeededIds()
        self.executions = Executions(store, self.ids)
        api = Api(
            name="workflowexecutions",
            version="v1",
            hosts=("workflowexecutions.googleapis.com",),
            methods=EXECUTIONS,
            handlers=self.executions.handlers(),
        )
        self.known = connectors([RUN, api])
        cloud.router = Router([api], Everybody(), self.events)
        self.workflows = Workflows(store, self.ids, frozenset(self.known), events=self.events)
        self.tasks: list[asyncio.Task[None]] = []
        self.start()

    def start(self) -> None:
        parts = Parts(
            store=self.store,
            clock=self.clock,
            events=self.events,
            faults=NoFaults(),
            programs=Programs(),
            instant=Instant(self.clock, self.ids, self.events),
            performer=Performer(
                self.cloud,
                self.known,
                self.clock,
                Services(store=self.store, base_url="http://here", tokens=FakeTokens()),
            ),
        )
        engine = self.engine = WorkflowsEngine(parts)
        timers = Timers(self.store, self.clock, engine.timer_handlers(), self.events, NoFaults())
        outbox = Outbox(self.store, self.clock, engine.deliveries(), self.events)
        self.tasks = [
            asyncio.create_task(service.run()) for service in (engine, engine.poller, timers, outbox)
        ]

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def restart(self) -> None:
        await self.stop()
        self.start()

    async def deploy(self, source: str, name: str = "w", account: str = "") -> None:
        workflow = Workflow(source_contents=source, service_account=account)
        request = CreateWorkflowRequest(parent=PARENT, workflow_id=name, workflow=workflow)
        await self.workflows.create(request, LOCAL)

    async def begin(self, argument: object = None, caller: Caller = LOCAL, name: str = "w") -> Execution:
        request = CreateExecutionRequest(
            parent=f"{PARENT}/workflows/{name}", execution=Execution(argument=json.dumps(argument))
        )
        return await self.executions.create(request, caller)

    async def get(self, execution: Execution) -> Execution:
        return await self.executions.get(GetExecutionRequest(name=execution.name), LOCAL)

    async def until_final(self, execution: Execution) -> Execution:
        with self.store.watch("workflows") as watch:
            while True:
                found = await self.get(execution)
                if found.state is not Execution.State.ACTIVE:
                    return found
                async with asyncio.timeout(10):
                    await watch.wait()

    async def release(self) -> None:
        """Have the cloud's operations end, and tell of it as this server tells of its own."""
        self.cloud.release.set()

        def tell(tx: Tx) -> None:
            for name in self.cloud.started.values():
                tx.wake(operations.topic(name))

        await self.store.write(tell)

    async def until_requests(self, count: int) -> None:
        await self.cloud.until(lambda: len(self.cloud.requests) >= count)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    clock = FakeClock()
    rooms = load("jubako.store", "jubako.telemetry", "jubako.wire", "jubako.boxes.workflows")
    store = SqliteStore(None, clock, rooms)
    house = House(store, clock, Cloud())
    yield house
    await house.stop()
    await store.close()
