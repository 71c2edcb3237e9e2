"""The sniffing port without a socket: one connection whose bytes a fuzzer chooses, and what may come back.

Sniffer, HTTP/1.1 protocol, WebSocket upgrade, ASGI application, router, codec and the CONNECT door are the real ones;
the handlers answer an empty message, gRPC's door refuses, and nothing is stored or run.
"""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from jubako.boxes.jobs import methods as job_methods
from jubako.boxes.services import methods as service_methods
from jubako.boxes.workflows import methods as workflow_methods
from jubako.core.errors import NotFound
from jubako.testing.events import RecordedEvents
from jubako.wire.connect import ConnectDoor, ConnectPorts, Inside
from jubako.wire.extras import Extras
from jubako.wire.front import Doors, Front
from jubako.wire.h2_calls import PREFACE
from jubako.wire.logging_methods import LOGGING
from jubako.wire.method import Api, Caller
from jubako.wire.origins import Origins
from jubako.wire.rest import Router
from jubako.wire.splice import Splice
from jubako.wire.websockets import WebSocketListener

TABLES = [
    job_methods.JOBS,
    job_methods.EXECUTIONS,
    service_methods.SERVICES,
    workflow_methods.WORKFLOWS,
    LOGGING,
]
STATUSES = {100, 101, 200, 400, 403, 404, 405, 413, 431, 501}
"""What may be answered; 500 is a bug, and 503 would be a lie."""
ANSWER = re.compile(rb"HTTP/1\.1 ([0-9]{3}) [^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n")
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: ([0-9]+)\r\n")
ROUNDS = 12
"""Turns of the event loop after which whatever needs no waiting is done."""


class Open:
    """Lets everybody do everything."""

    async def check(self, permission: str, caller: Caller, resource: str = "") -> None:
        assert permission

    def caller(self, headers: Mapping[str, str]) -> Caller:
        return Caller(principal="user:fuzz")

    def holds(self, permission: str, caller: Caller) -> bool:
        return bool(permission)

    async def plays(self, name: str) -> bool:
        return False

    async def locate(self, host: str) -> None:
        return None

    async def forward(self, call: object) -> Any:
        raise NotFound("No such service.")

    def context(self, name: str) -> Any:
        raise AssertionError("no name is ours")


class NoGrpc:
    """A door whose gRPC server cannot be started."""

    prefix = PREFACE

    def __init__(self) -> None:
        self.splices: set[Splice] = set()

    def accept(self) -> asyncio.Protocol:
        return Splice(self.refuse, self.splices)

    async def refuse(self, protocol: asyncio.Protocol) -> None:
        raise ConnectionRefusedError

    async def close(self, grace: object) -> None:
        return None


class Line(asyncio.Transport):
    """One side of a connection, in memory."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.said = bytearray()
        self.protocol: Any = None
        self.is_closed = False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self.protocol  # type: ignore[no-any-return]

    def write(self, data: Any) -> None:
        if not self.is_closed:
            self.said += data

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    abort = close

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None: ...


class Port:
    """Takes one connection after the other."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.events = RecordedEvents()
        self.failures: list[object] = []
        loop.set_exception_handler(lambda _loop, context: self.failures.append(context))
        self.listener = loop.run_until_complete(self.opened())

    async def opened(self) -> WebSocketListener:
        access: Any = Open()
        apis = [
            Api(name=str(at), version="v", hosts=(), methods=table, handlers=answering(table))
            for at, table in enumerate(TABLES)
        ]
        doors = Doors(
            router=Router(apis, access, self.events),
            extras=Extras([], access),
            gateway=access,
            callers=access,
            origins=Origins(),
        )
        ports = ConnectPorts(names=access, contexts=access, dial=None, events=self.events)
        inside = Inside(http=asyncio.Protocol, h2=asyncio.Protocol)
        return WebSocketListener(Front(doors, self.events), [NoGrpc(), ConnectDoor(ports, inside)])

    def take(self, pieces: list[bytes]) -> bytes:
        """Return all that is said on a connection that brings ``pieces``, one read each.

        Raises:
            AssertionError: Something came back that must not, or something broke.

        """
        said = self.loop.run_until_complete(self.connection(pieces))
        assert not self.failures, self.failures
        assert not self.events.all, self.events.all
        assert b"Traceback" not in said
        return said

    async def connection(self, pieces: list[bytes]) -> bytes:
        line = Line()
        protocol = self.listener._connect()
        line.set_protocol(protocol)
        protocol.connection_made(line)
        for piece in pieces:
            if line.is_closed:
                break
            line.protocol.data_received(piece)
            await turns(2)
        await turns(ROUNDS)
        line.protocol.eof_received()
        line.is_closed = True
        line.protocol.connection_lost(None)
        await turns(ROUNDS)
        return bytes(line.said)


def answering(table: Any) -> dict[str, Any]:
    def handler(response: Any) -> Any:
        async def handle(_request: object, _caller: Caller) -> object:
            return response()

        return handle

    return {method.name: handler(method.response) for method in table}


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def check_said(said: bytes) -> None:
    """Assert that what came back is nothing, or whole answers; errors in Google's shape."""
    for status, body in answers(said):
        assert status in STATUSES, said
        if status >= 400 and body:
            error = json.loads(body)["error"]
            assert error["code"] == status, said
            assert 0 < len(error["message"]) < 2_000, said


def answers(said: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield status and body of each; one to HEAD announces a body that does not come."""
    while said:
        found = ANSWER.match(said)
        assert found is not None, said
        said = said[found.end() :]
        length = CONTENT_LENGTH.search(found[0])
        size = int(length[1]) if length and said and not said.startswith(b"HTTP/1.1 ") else 0
        assert len(said) >= size, said
        yield int(found[1]), said[:size]
        said = said[size:]
