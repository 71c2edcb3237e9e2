"""A server with the services box only: real store, real runtime, real sockets."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from jubako.boxes.services.admission import Admission
from jubako.boxes.services.engine import ServicesEngine
from jubako.boxes.services.gateway import ServicesGateway
from jubako.boxes.services.handlers import HandlerPorts, ServiceHandlers
from jubako.boxes.services.launch import LaunchSettings
from jubako.boxes.services.methods import REVISIONS, SERVICES
from jubako.boxes.services.readiness import Readiness
from jubako.core.faults import NoFaults
from jubako.identity.access import LoopbackAccess
from jubako.identity.secrets import SecretStore
from jubako.runtime.process import ProcessRuntime
from jubako.runtime.system import SystemClock, SystemIds
from jubako.server.attempts import AttemptStream
from jubako.store.migrations import load
from jubako.store.sqlite import SqliteStore
from jubako.testing.events import RecordedEvents
from jubako.wire.extras import Extras
from jubako.wire.front import Doors, Front
from jubako.wire.method import Api
from jubako.wire.origins import Origins
from jubako.wire.rest import Router
from jubako.wire.websockets import WebSocketListener

PARENT = "projects/local/locations/asia-northeast1"
ECHO = Path(__file__).with_name("echo_service.py")


class House:
    """One server on one state directory; can be left (as by kill -9) and entered again."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.starts = state / "starts"
        self.events = RecordedEvents()

    async def enter(self) -> None:
        """Start everything; the order is the server's."""
        clock, ids, faults, access = SystemClock(), SystemIds(), NoFaults(), LoopbackAccess()
        migrations = load("jubako.store", "jubako.wire", "jubako.boxes.services")
        self.store = SqliteStore(self.state / "state.db", clock, migrations)
        self.runtime = ProcessRuntime(self.state, self.events, idle_s=5.0)
        vault = SecretStore(self.state / "secrets")
        settings = LaunchSettings(
            output_root=str(self.state / "attempts"),
            vault=vault,
            environment={"PATH": os.environ["PATH"], "STARTS": str(self.starts)},
        )
        readiness = Readiness(self.store, clock, self.events)
        self.engine = ServicesEngine(self.store, self.runtime, settings, readiness, self.events, faults)
        admission = Admission(self.store, clock, self.engine.leases, settings)
        self.gateway = ServicesGateway(self.store, admission, ids)
        self.stream = AttemptStream(self.store, self.runtime, clock, {"services": self.engine}, self.events)
        ports = HandlerPorts(
            store=self.store, ids=ids, faults=faults, secrets=vault, base_url="http://127.0.0.1:1"
        )
        api = Api(
            name="run",
            version="v2",
            hosts=("run.googleapis.com",),
            methods=(*SERVICES, *REVISIONS),
            handlers=ServiceHandlers(ports).methods(),
        )
        doors = Doors(
            router=Router([api], access, self.events),
            extras=Extras([], access),
            gateway=self.gateway,
            callers=access,
            origins=Origins(),
        )
        self.listener = WebSocketListener(Front(doors, self.events))
        await self.stream.connect()
        self._tasks = [asyncio.create_task(self.stream.run()), asyncio.create_task(self.engine.run())]
        port = await self.listener.start("127.0.0.1", 0)
        self.client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30)

    async def leave(self, *, end_attempts: bool) -> None:
        """Stop the server; with ``end_attempts`` False its instances go on."""
        await self.client.aclose()
        await self.listener.close()
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        await self.runtime.close(end_attempts=end_attempts)
        await self.store.close()

    async def deploy(self, name: str = "echo", **container: Any) -> httpx.Response:
        """Create or replace a service; it is the echo service unless ``command`` says otherwise."""
        container = {"command": [sys.executable], "args": [str(ECHO)], **container}
        template: dict[str, Any] = {"containers": [container]}
        if "timeout" in container:
            template["timeout"] = container.pop("timeout")
        return await self.client.patch(
            f"/v2/{PARENT}/services/{name}?allowMissing=true", json={"template": template}
        )

    async def get(self, path: str, name: str = "echo", **options: Any) -> httpx.Response:
        """Ask the service."""
        return await self.client.get(f"/run/local/asia-northeast1/{name}{path}", **options)

    def is_serving(self) -> bool:
        """Return whether some instance has a request under way."""
        return bool(self.engine.leases._counts)

    def started(self) -> list[int]:
        """Return the pids of all echo processes that were ever started, in order."""
        return [int(line) for line in self.starts.read_text().split()] if self.starts.exists() else []


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    house = House(tmp_path)
    await house.enter()
    try:
        yield house
    finally:
        await house.leave(end_attempts=True)
