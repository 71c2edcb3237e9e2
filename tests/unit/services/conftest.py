"""The services box on a store in memory, a fake runtime and a clock that stands still."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jubako.boxes.services.admission import Admission
from jubako.boxes.services.engine import ServicesEngine
from jubako.boxes.services.gateway import ServicesGateway
from jubako.boxes.services.handlers import HandlerPorts, ServiceHandlers
from jubako.boxes.services.launch import LaunchSettings
from jubako.boxes.services.readiness import Readiness
from jubako.boxes.services.resources import (
    CreateServiceRequest,
    DeleteServiceRequest,
    Service,
    UpdateServiceRequest,
)
from jubako.boxes.services.rows import ServiceKey
from jubako.core.faults import Faults
from jubako.identity.secrets import SecretStore
from jubako.server.attempts import AttemptStream
from jubako.store.migrations import load
from jubako.store.sqlite import SqliteStore
from jubako.testing.clock import FakeClock
from jubako.testing.events import RecordedEvents
from jubako.testing.faults import Recorder
from jubako.testing.ids import SeededIds
from jubako.testing.runtime import FakeRuntime
from jubako.wire import codec
from jubako.wire.google_types import Operation
from jubako.wire.method import Caller

PARENT = "projects/p/locations/l"
KEY = ServiceKey("p", "l", "web")
NAME = f"{PARENT}/services/web"
ME = Caller(principal="user:me@example.com")


class Box:
    """The box, and what tests look at and steer."""

    def __init__(self, folder: Path, faults: Faults | None = None) -> None:
        self.vault = SecretStore(folder / "secrets")
        self.clock = FakeClock()
        self.events = RecordedEvents()
        self.faults: Faults = faults or Recorder()
        self.store = SqliteStore(
            None, self.clock, load("jubako.store", "jubako.wire", "jubako.boxes.services")
        )
        self.runtime = FakeRuntime(self.clock)
        self.listening: set[int] = set()
        self.listens_at_once = True
        self._tasks: list[asyncio.Task[None]] = []
        self._next_port = 40_000
        ids = SeededIds()
        ports = HandlerPorts(
            store=self.store,
            ids=ids,
            faults=self.faults,
            secrets=self.vault,
            base_url="http://127.0.0.1:8123",
        )
        self.handlers = ServiceHandlers(ports)
        self.settings = LaunchSettings(
            output_root="/out",
            vault=self.vault,
            memory_bytes=8 << 30,
            environment={"PATH": "/bin", "PORT": "1"},
            free_port=self._free_port,
        )
        self.build()
        self.gateway = ServicesGateway(self.store, self.admission, ids)

    def build(self) -> None:
        """Make engine and admission, as a server that starts does."""
        readiness = Readiness(self.store, self.clock, self.events, self._listens)
        self.engine = ServicesEngine(
            self.store, self.runtime, self.settings, readiness, self.events, self.faults
        )
        self.admission = Admission(self.store, self.clock, self.engine.leases, self.settings)
        self.stream = AttemptStream(
            self.store, self.runtime, self.clock, {"services": self.engine}, self.events
        )

    async def enter(self) -> None:
        """Connect and run."""
        await self.stream.connect()
        self._tasks = [asyncio.create_task(self.engine.run())]

    async def leave(self) -> None:
        """Stop running; the attempts go on."""
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError, ExceptionGroup):
                await task
        await self.runtime.disconnect()

    async def restart(self) -> None:
        """Come back as another server on the same state."""
        await self.leave()
        self.build()
        await self.enter()

    async def create(self, name: str = "web", **service: Any) -> Operation:
        """Create a service; ``service`` is JSON."""
        given = codec.from_json(Service, {"template": template(), **service})
        request = CreateServiceRequest(parent=PARENT, service=given, service_id=name)
        return await self.handlers.create_service(request, ME)

    async def update(self, mask: tuple[str, ...] | None = None, **service: Any) -> Operation:
        """Update the service ``web``; ``service`` is JSON."""
        given = codec.from_json(Service, {"name": NAME, **service})
        return await self.handlers.update_service(UpdateServiceRequest(service=given, update_mask=mask), ME)

    async def delete(self) -> Operation:
        """Delete the service ``web``."""
        return await self.handlers.delete_service(DeleteServiceRequest(name=NAME), ME)

    async def settle(self) -> None:
        """Let everything that can happen without time passing happen."""
        await self.runtime.drain()
        await self.clock.advance(timedelta(0))
        await self.engine.step()
        await self.runtime.drain()
        await self.clock.advance(timedelta(0))

    async def _listens(self, port: int) -> bool:
        return self.listens_at_once or port in self.listening

    def _free_port(self) -> int:
        self._next_port += 1
        return self._next_port


def template(**container: Any) -> dict[str, Any]:
    """Return the JSON of a template whose container has these fields."""
    return {"containers": [{"command": ["/bin/web"], **container}]}


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Box]:
    box = Box(tmp_path)
    await box.enter()
    try:
        yield box
    finally:
        await box.leave()
        await box.store.close()
