"""Request bodies as they come in from ASGI: whole and bounded for APIs, in pieces for services."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from jubako.core.errors import Cancelled, InvalidArgument

BODY_MAX = 32 * 1024 * 1024
"""Bytes that an API request may have. Source: Cloud Run, "Maximum HTTP/1 request size" (32 MiB)."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class BodyTooLarge(InvalidArgument):
    """The body is larger than an API takes; HTTP says 413."""

    def __init__(self) -> None:
        super().__init__(f"The request body is larger than {BODY_MAX} bytes.")


class Body:
    """The body of one request; read it once."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended = asyncio.Event()

    async def whole(self, announced: str | None) -> bytes:
        """Return all of it; ``announced`` is the Content-Length header.

        Raises:
            BodyTooLarge: It has more than BODY_MAX bytes.
            Cancelled: The client went away.

        """
        if announced is not None and announced.isdecimal() and int(announced) > BODY_MAX:
            raise BodyTooLarge
        pieces, size = [], 0
        async for piece in self.pieces():
            size += len(piece)
            if size > BODY_MAX:
                raise BodyTooLarge
            pieces.append(piece)
        return b"".join(pieces)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield it as it comes; the client is slowed down while nobody asks for more.

        Raises:
            Cancelled: The client went away before the end.

        """
        while not self._ended.is_set():
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise Cancelled("The client went away.")
            if not message.get("more_body"):
                self._ended.set()
            if message.get("body"):
                yield message["body"]

    async def disconnected(self) -> None:
        """Return when the client went away after it had sent the whole body."""
        await self._ended.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass
