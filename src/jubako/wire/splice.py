"""Carrying the bytes of a connection to another program's socket and back, with flow control both ways."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

Open = Callable[[asyncio.Protocol], Awaitable[None]]
"""``await open(protocol)`` connects ``protocol`` to the other program; raises OSError if it cannot."""

LINGER_S = 5.0
"""How long the second side may take for what is still to be written when the first side is gone."""
HALF_OPEN_S = 60.0
"""How long a client may go on after the other program has ended its side."""


class End(asyncio.Protocol):
    """One side of a splice: what it reads is written to ``peer``."""

    def __init__(self) -> None:
        self.peer: End | None = None
        self.transport: asyncio.Transport | None = None
        self.is_ended = False
        """Whether nothing more will be read at this side."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.write(data)

    def eof_received(self) -> bool:
        """Tell the peer; this side stays open for writing until the peer is done too (under TLS that cannot be)."""
        self.is_ended = True
        peer = self.peer
        if peer is None or peer.transport is None or peer.is_ended or not peer.transport.can_write_eof():
            return False
        if peer.transport.is_closing():
            return False
        peer.transport.write_eof()
        return self.transport is not None and self.transport.get_extra_info("sslcontext") is None

    def pause_writing(self) -> None:
        """Stop reading at the other side while this one cannot be written to."""
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        if self.peer is not None and self.peer.transport is not None:
            self.peer.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        """Let the peer write what it still has, then it closes too."""
        del error
        self.transport = None
        peer, self.peer = self.peer, None
        if peer is not None and peer.transport is not None:
            peer.peer = None
            peer.transport.close()
            asyncio.get_running_loop().call_later(LINGER_S, peer.abort)

    def abort(self) -> None:
        """Drop this side at once; the peer closes."""
        if self.transport is not None:
            self.transport.abort()


class FarEnd(End):
    """The other program's side."""

    def eof_received(self) -> bool:
        """When the other program has said all, the client may not keep the connection for ever."""
        asyncio.get_running_loop().call_later(HALF_OPEN_S, self.abort)
        return super().eof_received()


class Splice(End):
    """The client's side; the other one is opened when the first bytes are here."""

    def __init__(self, open_peer: Open, splices: "set[Splice]") -> None:
        """``open_peer`` connects the other side; the splice is in ``splices`` while it lives."""
        super().__init__()
        self._open_peer = open_peer
        self._splices = splices
        self._held = bytearray()
        self._opening: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self._splices.add(self)
        assert self.transport is not None
        self.transport.pause_reading()
        self._opening = asyncio.create_task(self._open())

    def data_received(self, data: bytes) -> None:
        """Keep what comes before the other side is open; no more is read meanwhile."""
        if self.peer is None:
            self._held += data
        else:
            super().data_received(data)

    def connection_lost(self, error: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._splices.discard(self)
        if self._opening is not None:
            self._opening.cancel()
        super().connection_lost(error)

    async def _open(self) -> None:
        peer = FarEnd()
        try:
            await self._open_peer(peer)
        except OSError:
            self.abort()
            return
        if self.transport is None or peer.transport is None or self.transport.is_closing():
            peer.abort()
            self.abort()
            return
        self.peer, peer.peer = peer, self
        self._opening = None
        peer.transport.write(bytes(self._held))
        self._held.clear()
        self.transport.resume_reading()
