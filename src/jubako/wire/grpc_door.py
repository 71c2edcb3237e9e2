"""gRPC's door in the one port: knows its connections by the HTTP/2 preface and carries them to the gRPC server.

The server, and with it grpc and protobuf, is loaded and started by the first such connection: whoever speaks HTTP/1.1
only does not pay for it.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jubako.core.errors import Unavailable
from jubako.core.events import Events
from jubako.wire.dispatch import Access
from jubako.wire.front import Callers
from jubako.wire.h2_calls import PREFACE, Calls, IsOurs, Unacceptable
from jubako.wire.method import Api
from jubako.wire.splice import Open, Splice

if TYPE_CHECKING:
    from jubako.wire.grpc_server import GrpcServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """Who may call, by what name."""

    access: Access
    callers: Callers
    is_ours: IsOurs


class GrpcDoor:
    """See listener.Door."""

    prefix = PREFACE

    def __init__(
        self,
        apis: Sequence[Api],
        checks: Checks,
        events: Events,
        socket: Callable[[], Path],
    ) -> None:
        """``socket()`` returns where to listen, in a directory of ours alone, or raises Unavailable."""
        self._apis = apis
        self._checks = checks
        self._events = events
        self._socket = socket
        self._path = Path()
        self._server: GrpcServer | None = None
        self._starting = asyncio.Lock()
        self._splices: set[Splice] = set()
        self._is_closed = False

    def accept(self) -> asyncio.Protocol:
        """See listener.Door."""
        return _Checked(self._open, self._splices, Calls(self._checks.is_ours))

    async def close(self, grace: timedelta) -> None:
        """See listener.Door."""
        self._is_closed = True
        async with self._starting:
            await self._stop(grace)
        for splice in list(self._splices):
            splice.abort()

    async def _open(self, protocol: asyncio.Protocol) -> None:
        loop = asyncio.get_running_loop()
        await self._started()
        try:
            await loop.create_unix_connection(lambda: protocol, str(self._path))
        except FileNotFoundError:
            # Something tidied the directory of temporary files.
            await self._started(again=True)
            await loop.create_unix_connection(lambda: protocol, str(self._path))

    async def _started(self, *, again: bool = False) -> None:
        """Start the server if there is none; with ``again``, if its socket is gone.

        Raises:
            OSError: It cannot be started.

        """
        async with self._starting:
            if self._is_closed:
                raise ConnectionRefusedError("the server is stopping")
            if again and not self._path.exists():
                await self._stop(timedelta(0))
            if self._server is not None:
                return
            module = await asyncio.to_thread(_load)
            ports = module.Ports(
                access=self._checks.access, callers=self._checks.callers, events=self._events
            )
            server = module.GrpcServer(self._apis, ports)
            try:
                self._path = self._socket()
                await server.start(self._path)
            except (OSError, Unavailable) as error:
                self._events.emit("grpc.unavailable", "ERROR", error=str(error))
                raise ConnectionRefusedError(str(error)) from error
            self._server = server
            self._events.emit("grpc.started")

    async def _stop(self, grace: timedelta) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.close(grace)
            self._path.unlink(missing_ok=True)


class _Checked(Splice):
    """A splice that looks at the calls before the server does."""

    def __init__(self, open_peer: Open, splices: set[Splice], calls: Calls) -> None:
        super().__init__(open_peer, splices)
        self._calls = calls

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        try:
            passed = self._calls.read(data)
        except Unacceptable:
            self.abort()
            return
        if passed:
            super().data_received(passed)


def _load() -> Any:  # noqa: ANN401 - a module
    from jubako.wire import grpc_server  # noqa: PLC0415 - see above

    return grpc_server
