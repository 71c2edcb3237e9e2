"""Request bodies as they come in from ASGI: whole and bounded for APIs, in pieces for services."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from jubako.core.errors import Cancelled, InvalidArgument

BODY_MAX = 4 * 1024 * 1024
"""Bytes that an API request may have, unless its method takes more; the same over gRPC, whose own default it is.

Decoding holds the interpreter: up to 0.1 s of processor time a mebibyte, for bodies that are nothing but brackets.
"""
BIG_BODY = 64 * 1024
"""Bytes of a body from which on it is decoded in a thread: others are answered meanwhile."""

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class BodyTooLarge(InvalidArgument):
    """The body is larger than an API takes; HTTP says 413."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The request body is larger than {limit} bytes.")


class Body:
    """The body of one request; read it once."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._has_ended = False
        self._ended: asyncio.Event | None = None
        """Made for who waits for the end; most requests are over before anybody could."""

    async def whole(self, announced: str | None, limit: int = BODY_MAX) -> bytes:
        """Return all of it; ``announced`` is the Content-Length header.

        Raises:
            BodyTooLarge: It has more than ``limit`` bytes.
            Cancelled: The client went away.

        """
        if announced is not None and announced.isdecimal() and int(announced) > limit:
            raise BodyTooLarge(limit)
        pieces, size = [], 0
        while not self._has_ended:
            piece = await self._next()
            size += len(piece)
            if size > limit:
                raise BodyTooLarge(limit)
            pieces.append(piece)
        return b"".join(pieces)

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield it as it comes; the client is slowed down while nobody asks for more.

        Raises:
            Cancelled: The client went away before the end.

        """
        while not self._has_ended:
            if piece := await self._next():
                yield piece

    async def disconnected(self) -> None:
        """Return when the client went away after it had sent the whole body."""
        self._ended = asyncio.Event()
        if not self._has_ended:
            await self._ended.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _next(self) -> bytes:
        """Return what has come next, which may be nothing; raises Cancelled."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise Cancelled("The client went away.")
        if not message.get("more_body"):
            self._has_ended = True
            if self._ended is not None:
                self._ended.set()
        piece: bytes = message.get("body", b"")
        return piece
