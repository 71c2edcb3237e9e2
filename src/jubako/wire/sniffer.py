"""Which protocol a connection speaks, told by its first bytes."""

import asyncio
from collections.abc import Callable, Mapping
from typing import cast

PATIENCE_S = 75.0
"""How long a connection may keep us waiting for its first bytes. Browsers open connections before they need them."""

ProtocolFactory = Callable[[], asyncio.Protocol]


class Sniffer(asyncio.Protocol):
    """Reads until it is clear who is to speak, then hands the connection over, with what was read."""

    def __init__(
        self,
        by_prefix: Mapping[bytes, ProtocolFactory],
        otherwise: ProtocolFactory | None,
        sniffers: "set[Sniffer]",
    ) -> None:
        """Take the table; prefixes do not begin one another.

        Args:
            by_prefix: Protocol by the bytes with which its connections begin.
            otherwise: Protocol of all others; None closes them.
            sniffers: Holds those that have not decided yet.

        """
        self._by_prefix = by_prefix
        self._otherwise = otherwise
        self._sniffers = sniffers
        self._seen = b""
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)
        self._sniffers.add(self)
        self._timer = asyncio.get_running_loop().call_later(PATIENCE_S, self.abort)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._seen = self._seen + data if self._seen else data
        for prefix, factory in self._by_prefix.items():
            if self._seen.startswith(prefix):
                self._hand_over(factory)
                return
        if not any(prefix.startswith(self._seen) for prefix in self._by_prefix):
            self._hand_over(self._otherwise)

    def connection_lost(self, error: Exception | None) -> None:
        """See asyncio.Protocol."""
        del error
        self._leave()
        self._transport = None

    def abort(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _hand_over(self, factory: ProtocolFactory | None) -> None:
        assert self._transport is not None
        self._leave()
        transport, self._transport = self._transport, None
        if factory is None:
            transport.close()
            return
        protocol = factory()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(self._seen)

    def _leave(self) -> None:
        self._sniffers.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
