"""A WebSocket request: answered by the ASGI application like any other; its body is what the client says afterwards.

1. Nothing that the client says reaches the application before a 101 went back: an instance that refuses would take it
   for a next request, which nobody has checked.
2. After any other answer the connection closes, for the same reason.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

import httptools

EXTENSION = "jubako.upgrade"
"""In the scope's ``extensions``: the application may answer 101, and both sides then say what they like."""
PIECE_BYTES = 64 * 1024

Message = MutableMapping[str, Any]
Application = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]


def scope_of(begun: Message, method: bytes, url: bytes) -> Message:
    """Return the whole scope of a request whose head was read; ``begun`` has its headers.

    Raises:
        ValueError: ``url`` is none.

    """
    try:
        parsed = httptools.parse_url(url)
    except httptools.HttpParserError as error:
        raise ValueError(str(error)) from error
    path: bytes = parsed.path or b"/"
    return {
        **begun,
        "method": method.decode("ascii"),
        "path": path.decode("ascii"),
        "raw_path": path,
        "query_string": parsed.query or b"",
        "extensions": {EXTENSION: {}},
    }


class Upgrade:
    """One such request, on a connection that is its own from now on."""

    def __init__(self, scope: Message, transport: asyncio.Transport) -> None:
        """Take the connection over."""
        self._scope = scope
        loop = asyncio.get_running_loop()
        self._reader = asyncio.StreamReader(PIECE_BYTES, loop)
        protocol = asyncio.StreamReaderProtocol(self._reader, loop=loop)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        self._writer = asyncio.StreamWriter(transport, protocol, self._reader, loop)
        self._accepted = asyncio.Event()

    async def run(self, application: Application) -> None:
        """Have it answered; returns when the connection is over."""
        try:
            await application(self._scope, self._receive, self._send)
        except ConnectionError:  # the client went away while it was told something
            return
        finally:
            self._writer.close()

    async def _receive(self) -> Message:
        data = await self._reader.read(PIECE_BYTES)
        if not data:
            return {"type": "http.disconnect"}
        await self._accepted.wait()
        return {"type": "http.request", "body": data, "more_body": True}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._writer.write(_head(message["status"], message.get("headers", ())))
        else:
            self._writer.write(message.get("body", b""))
        await self._writer.drain()
        if message.get("status") == HTTPStatus.SWITCHING_PROTOCOLS:
            self._accepted.set()


def _head(status: int, headers: list[tuple[bytes, bytes]]) -> bytes:
    """Return status line and headers; a body ends at the latest with the connection (RFC 9112, 6.3)."""
    is_accepted = status == HTTPStatus.SWITCHING_PROTOCOLS
    own = [b"connection: Upgrade", b"upgrade: websocket"] if is_accepted else [b"connection: close"]
    lines = [b"HTTP/1.1 %d " % status, *own]
    lines += [name + b": " + value for name, value in headers if name != b"connection"]
    return b"\r\n".join([*lines, b"", b""])
