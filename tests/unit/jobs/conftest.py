"""The jobs box as the server wires it, on an in-memory store and a runtime without processes."""

from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jubako.boxes.jobs.engine import JobsEngine
from jubako.boxes.jobs.execution_handlers import ExecutionHandlers, TaskHandlers
from jubako.boxes.jobs.handlers import HandlerPorts, JobHandlers
from jubako.boxes.jobs.krm_routes import KrmRoutes
from jubako.boxes.jobs.launch import LaunchSettings
from jubako.boxes.jobs.log_routes import LogRoutes
from jubako.boxes.jobs.methods import EXECUTIONS, JOBS, TASKS
from jubako.boxes.jobs.operations import TARGET_KIND, ExecutionOperations
from jubako.boxes.jobs.rerun import RerunRoutes
from jubako.boxes.jobs.rows import TOPIC
from jubako.core.errors import NotFound
from jubako.core.faults import NoFaults
from jubako.identity.access import LoopbackAccess
from jubako.identity.secret_routes import SecretRoutes
from jubako.identity.secrets import SecretStore
from jubako.server.attempts import AttemptStream
from jubako.store.migrations import load
from jubako.store.sqlite import SqliteStore
from jubako.telemetry.outputs import Outputs
from jubako.testing.clock import FakeClock
from jubako.testing.events import RecordedEvents
from jubako.testing.ids import SeededIds
from jubako.testing.runtime import FakeRuntime
from jubako.wire import operations
from jubako.wire.extras import Extras
from jubako.wire.http import HttpRequest, HttpResponse
from jubako.wire.method import Api, Caller
from jubako.wire.rest import Router

PARENT = "projects/p/locations/l"
BASE_URL = "http://127.0.0.1:8123"


class Box:
    """What tests hold in their hands."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.events = RecordedEvents()
        self.store = SqliteStore(
            None, self.clock, load("jubako.store", "jubako.telemetry", "jubako.wire", "jubako.boxes.jobs")
        )
        self.runtime = FakeRuntime(self.clock)
        self.output_root = folder / "output"
        self.outputs = Outputs(self.output_root)
        self.execution_operations = ExecutionOperations(BASE_URL, self.runtime.capabilities)
        self.ids = SeededIds()
        self.vault = SecretStore(folder / "secrets")
        self.mounts_missing = ""
        self.access = LoopbackAccess()
        self.listening = ExitStack()
        self.start()

    def start(self, **changes: Any) -> None:
        """Make everything that a new process makes; the store and the runtime are what outlives it."""
        self.listening.close()
        self.news = self.listening.enter_context(self.store.gather(TOPIC))
        settings = LaunchSettings(
            vault=self.vault,
            slots=2,
            output_root=str(self.output_root),
            environment={"PATH": "/bin", "LANG": "C.UTF-8"},
            working_dir="/srv",
            mounts_missing=lambda: self.mounts_missing,
        )
        ports = HandlerPorts(
            store=self.store,
            ids=self.ids,
            outputs=self.outputs,
            faults=NoFaults(),
            settings=settings,
            capabilities=self.runtime.capabilities,
            base_url=BASE_URL,
            **changes,
        )
        handlers = {
            **JobHandlers(ports).methods(),
            **ExecutionHandlers(ports).methods(),
            **TaskHandlers(ports).methods(),
        }
        api = Api(
            name="run",
            version="v2",
            hosts=("run.googleapis.com",),
            methods=[*JOBS, *EXECUTIONS, *TASKS],
            handlers=handlers,
            documents=KrmRoutes(ports).routes(),
        )
        self.router = Router([api], self.access, self.events)
        routes = [
            *LogRoutes(self.store, self.outputs).routes(),
            *RerunRoutes(ports).routes(),
            *SecretRoutes(self.vault).routes(),
        ]
        self.extras = Extras(routes, self.access)
        finish = self.execution_operations.finish
        self.engine = JobsEngine(self.store, self.runtime, settings, finish, self.events, NoFaults())
        self.stream = AttemptStream(self.store, self.runtime, self.clock, {"jobs": self.engine}, self.events)

    async def restart(self, **changes: Any) -> None:
        """Crash and come back."""
        await self.runtime.disconnect()
        self.start(**changes)
        await self.stream.connect()

    async def settle(self) -> None:
        """Let the engine and the runtime do all that they can do now."""
        for _ in range(6):
            await self.runtime.drain()
            await self.step()
        await self.runtime.drain()

    async def step(self) -> None:
        """Let the engine do what it does when it is woken."""
        await self.store.write(lambda tx: tx.wake(TOPIC))
        await self.engine.work(await self.news.take())

    async def send(
        self, verb: str, path: str, body: Any = None, query: str = "", key: str | None = None
    ) -> HttpResponse:
        content = b"" if body is None else body if isinstance(body, bytes) else msgspec.json.encode(body)
        request = HttpRequest(method=verb, path=path, query=query, body=content)
        return await self.router.handle(request, Caller(principal="user:local", idempotency_key=key))

    async def call(
        self, verb: str, path: str, body: Any = None, query: str = "", key: str | None = None
    ) -> dict[str, Any]:
        response = await self.send(verb, path, body, query, key)
        assert response.status == 200, response.body
        result: dict[str, Any] = msgspec.json.decode(response.body)
        return result

    async def refusal(
        self, verb: str, path: str, body: Any = None, query: str = "", key: str | None = None
    ) -> dict[str, Any]:
        response = await self.send(verb, path, body, query, key)
        assert response.status >= 400, response.body
        error: dict[str, Any] = msgspec.json.decode(response.body)["error"]
        assert error["code"] == response.status
        return error

    async def extra(self, path: str, query: str = "") -> HttpResponse:
        request = HttpRequest(method="GET", path=f"/jubako/v1/{path}", query=query)
        response = await self.extras.handle(request, Caller(principal="user:local"))
        assert isinstance(response, HttpResponse)
        return response

    async def extra_json(self, path: str, query: str = "") -> dict[str, Any]:
        response = await self.extra(path, query)
        result: dict[str, Any] = msgspec.json.decode(response.body)
        return result

    async def rerun(self, execution: str, body: Any = None, key: str | None = None) -> dict[str, Any]:
        content = b"" if body is None else msgspec.json.encode(body)
        request = HttpRequest(method="POST", path=f"/jubako/v1/{execution}:rerun", body=content)
        caller = Caller(principal="user:local", idempotency_key=key)
        response = await self.extras.handle(request, caller)
        assert isinstance(response, HttpResponse)
        result: dict[str, Any] = msgspec.json.decode(response.body)
        return result

    async def operation(self, name: str) -> dict[str, Any]:
        describers = {TARGET_KIND: self.execution_operations.describe}
        found = await self.store.read(lambda tx: operations.get(tx, name, describers))
        return {
            "done": found.done,
            "error": found.error,
            "response": found.response,
            "metadata": found.metadata,
        }

    async def create(self, name: str = "hello", **fields: Any) -> dict[str, Any]:
        return await self.call("POST", f"/v2/{PARENT}/jobs", job(**fields), f"jobId={name}")

    async def run(self, name: str = "hello", overrides: Any = None, key: str | None = None) -> dict[str, Any]:
        body = {"overrides": overrides} if overrides else {}
        return await self.call("POST", f"/v2/{PARENT}/jobs/{name}:run", body, key=key)

    async def get(self, name: str) -> dict[str, Any]:
        return await self.call("GET", f"/v2/{name}")

    async def exists(self, name: str) -> bool:
        try:
            response = await self.send("GET", f"/v2/{name}")
        except NotFound:
            return False
        return response.status == 200


def job(
    container: Mapping[str, Any] | None = None, task: Mapping[str, Any] | None = None, **execution: Any
) -> dict[str, Any]:
    """Return a job as JSON: fields of the container, of the task template and of the execution template."""
    inner = {"containers": [{"command": ["true"], **(container or {})}], **(task or {})}
    return {"template": {"template": inner, **execution}}


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Box]:
    box = Box(tmp_path)
    await box.stream.connect()
    yield box
    await box.runtime.close(end_attempts=False)
    await box.store.close()


@pytest.fixture
def make_job() -> Any:
    return job
