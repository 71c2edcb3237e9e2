"""The one port: uvicorn's HTTP/1.1 protocol in front of an ASGI application, without uvicorn's own server loop.

uvicorn's Server takes over signal handlers and wakes ten times a second; here the event loop alone drives it.
Connections that begin with a door's prefix (gRPC) go through that door.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Protocol, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from jubako.core.errors import InvalidArgument, Unavailable
from jubako.wire.errors import last_words
from jubako.wire.front import COMMON, HEAD_MAX
from jubako.wire.http import HttpResponse, serialised
from jubako.wire.sniffer import Sniffer

KEEP_ALIVE_S = 75
"""How long an idle connection is kept; longer than Google's clients keep theirs."""
HEAD_S = 30.0
"""How long a request line and headers may take to arrive whole, however little the client sends at a time."""
BACKLOG = 512


Application = Callable[..., Awaitable[None]]
"""ASGI 3: ``await application(scope, receive, send)``."""


AtOnce = Callable[[str, Sequence[tuple[bytes, bytes]]], HttpResponse | None]
"""``at_once(target, headers)`` returns the reply to a GET without a body; None: the application has to be asked."""


class BoundedProtocol(HttpToolsProtocol):
    """Refuses a request line and headers that do not end: the parser alone would keep all of them, for ever.

    What can be answered at once is answered where it was read, without a task, by one write.
    """

    _heads = 0
    _head_bytes = 0
    """Of the last head."""
    _is_in_head = False
    _is_in_body = False
    _is_answered = False
    """Whether the request that is being read has its reply already."""
    _head_timer: asyncio.TimerHandle | None = None

    def __init__(self, at_once: AtOnce | None, config: uvicorn.Config, state: ServerState) -> None:
        super().__init__(config=config, server_state=state, app_state={})
        self._at_once = at_once

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        heads, was_in_head = self._heads, self._is_in_head
        super().data_received(data)
        # The piece in which a head begins may hold what was before it too, so it does not count; it is one read.
        is_same_head = was_in_head and self._is_in_head and self._heads == heads
        if is_same_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > 2 * HEAD_MAX:
                self._refuse(431, "Request line and headers are too large.")
        self._watch()

    def send_400_response(self, msg: str) -> None:
        """See uvicorn, which would say it in plain text."""
        self._refuse(400, msg)

    def _refuse(self, status: int, message: str) -> None:
        """Answer what never became a request, and close: where the next one begins cannot be known."""
        self.transport.write(last_words(InvalidArgument(message), status))
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._unwatch()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """See httptools."""
        self._is_in_head, self._head_bytes, self._heads = True, 0, self._heads + 1
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """See httptools."""
        self._is_in_head, self._is_in_body = False, True
        self._unwatch()
        self._is_answered = self._at_once is not None and self._is_plain_get() and self._answer(self._at_once)
        if not self._is_answered:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """See httptools."""
        self._is_in_body = False
        if self._is_answered:
            self.on_response_complete()
        else:
            super().on_message_complete()

    def _is_plain_get(self) -> bool:
        """Return whether this is a GET on a connection that stays, whose client takes what it is sent."""
        parser, cycle = self.parser, self._last_cycle()
        return (
            parser.get_method() == b"GET"
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and (cycle is None or cycle.response_complete)
            and not self.flow.write_paused
            and not self.transport.is_closing()
        )

    def _answer(self, at_once: AtOnce) -> bool:
        reply = at_once(self.url.decode("latin-1"), self.headers)
        if reply is not None:
            self.transport.write(serialised(reply, COMMON))
        return reply is not None

    def _last_cycle(self) -> RequestResponseCycle | None:
        # None before the first request, which uvicorn's annotation leaves out.
        return cast("RequestResponseCycle | None", self.cycle)

    def _watch(self) -> None:
        """Time a head that has begun and not ended; one that comes in one piece never costs a timer.

        Empty lines before a head begin no message, but they end uvicorn's watch over idle connections.
        """
        cycle = self._last_cycle()
        is_idle = not self._is_in_body and (cycle is None or cycle.response_complete)
        is_idle = is_idle and self.timeout_keep_alive_task is None
        if self._head_timer is None and (self._is_in_head or is_idle) and not self.transport.is_closing():
            self._head_timer = self.loop.call_later(HEAD_S, self.transport.abort)

    def _unwatch(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class Door(Protocol):
    """Where the connections of a protocol other than HTTP/1.1 go."""

    prefix: bytes
    """How such a connection begins."""

    def accept(self) -> asyncio.Protocol:
        """Return what speaks on one connection; it is told the connection, then all that was read so far."""
        ...

    async def close(self, grace: timedelta) -> None:
        """Accept no more, let what is under way end within ``grace``, then drop it. Safe to call twice."""
        ...


class Listener:
    """Accepts connections."""

    def __init__(
        self, front: Application | None, doors: Sequence[Door] = (), at_once: AtOnce | None = None
    ) -> None:
        """Without ``front``, connections that are for none of ``doors`` are closed."""
        self._at_once = at_once
        self._by_prefix = {door.prefix: door.accept for door in doors}
        self._doors = doors
        self._has_front = front is not None
        self._sniffers: set[Sniffer] = set()
        self._config = uvicorn.Config(
            front or _nothing,
            http=BoundedProtocol,
            ws="none",
            interface="asgi3",
            lifespan="off",
            access_log=False,
            log_config=None,
            log_level="critical",
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
        self._config.load()
        self._state = ServerState()
        self._server: asyncio.Server | None = None

    def shut(self, door: Door) -> None:
        """Take the connections of ``door`` no more as such: they have another port."""
        del self._by_prefix[door.prefix]

    async def start(self, host: str, port: int) -> int:
        """Begin to accept connections; return the port (port 0 asks for any free one).

        Raises:
            Unavailable: The address cannot be bound, for instance because the port is taken.

        """
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._connect, host, port, backlog=BACKLOG)
        except (OSError, socket.gaierror) as error:
            raise Unavailable(f"Cannot listen on {host}:{port}: {error.strerror or error}.") from error
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self, grace: timedelta = timedelta(seconds=5)) -> None:
        """Accept no more, let requests under way end within ``grace``, then drop them. Safe to call twice."""
        if self._server is None:
            return
        self._server.close()
        for sniffer in list(self._sniffers):
            sniffer.abort()
        await asyncio.gather(self._end_requests(grace), *(door.close(grace) for door in self._doors))
        await self._server.wait_closed()
        self._server = None

    async def _end_requests(self, grace: timedelta) -> None:
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._state.tasks:
            _, late = await asyncio.wait(set(self._state.tasks), timeout=grace.total_seconds())
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for connection in list(self._state.connections):
            if isinstance(connection, BoundedProtocol):
                connection.transport.abort()

    def _connect(self) -> asyncio.Protocol:
        if not self._by_prefix:
            return self.accept_http()
        return Sniffer(self._by_prefix, self.accept_http if self._has_front else None, self._sniffers)

    def accept_http(self) -> asyncio.Protocol:
        """Return what speaks HTTP/1.1 on a connection that came in by another door."""
        return BoundedProtocol(self._at_once, self._config, self._state)


async def _nothing(_scope: object, _receive: object, _send: object) -> None:
    """Stand in for the application where none is reached."""
