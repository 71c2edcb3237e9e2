"""Connections to the real outside, byte for byte: for names that this server does not play.

A name is looked up once and only checked addresses are called (wire/outbound.py says which). Where this machine reaches
the outside through a proxy only, that proxy is asked in its turn, and does the looking up.
"""

import asyncio
import ipaddress
from urllib.parse import urlsplit

from jubako.wire.outbound import ConnectionFailed, RefusedAddress, Resolve, refusal, resolve

CONNECT_S = 20.0
_REPLY_MAX = 16 * 1024


class Dialer:
    """Opens connections."""

    def __init__(self, proxy: str = "", no_proxy: str = "", resolver: Resolve = resolve) -> None:
        """``proxy`` is the address of the proxy that this machine needs, if any; ``no_proxy`` what does not need it."""
        parts = urlsplit(proxy)
        self._proxy = (parts.hostname, parts.port or 80) if parts.hostname else None
        self._direct = tuple(name.strip().lower().lstrip(".") for name in no_proxy.split(",") if name.strip())
        self._resolve = resolver

    async def __call__(self, host: str, port: int, protocol: asyncio.Protocol) -> None:
        """Connect ``protocol`` to a host.

        Raises:
            RefusedAddress: It may not be called.
            ConnectionFailed: No connection came about.

        """
        try:
            async with asyncio.timeout(CONNECT_S):
                if self._proxy is not None and not self._is_direct(host):
                    _check_literal(host)
                    await _through(self._proxy, f"{host}:{port}", protocol)
                else:
                    await self._straight(host, port, protocol)
        except TimeoutError:
            raise ConnectionFailed("it took too long") from None
        except OSError as error:
            raise ConnectionFailed(error.strerror or str(error)) from error

    def _is_direct(self, host: str) -> bool:
        return any(name in {"*", host} or host.endswith(f".{name}") for name in self._direct)

    async def _straight(self, host: str, port: int, protocol: asyncio.Protocol) -> None:
        reason, failure = f"{host} has no address", None
        for text in await self._resolve(host, port):
            refused = refusal(ipaddress.ip_address(text.partition("%")[0]), loopback_allowed=True)
            if refused is not None:
                reason = f"{text} {refused}"
                continue
            try:
                await asyncio.get_running_loop().create_connection(lambda: protocol, text, port)
            except OSError as error:
                failure = error
            else:
                return
        if failure is not None:
            raise failure
        raise RefusedAddress(f"{reason}.")


def _check_literal(host: str) -> None:
    """Refuse addresses that may not be called even where a proxy would call them for us."""
    try:
        reason = refusal(ipaddress.ip_address(host), loopback_allowed=True)
    except ValueError:
        return
    if reason is not None:
        raise RefusedAddress(f"{host} {reason}.")


async def _through(proxy: tuple[str, int], target: str, protocol: asyncio.Protocol) -> None:
    relay = _Relay(protocol)
    transport, _ = await asyncio.get_running_loop().create_connection(lambda: relay, *proxy)
    transport.write(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode("ascii"))
    try:
        await relay.established
    except BaseException:
        transport.abort()
        raise


class _Relay(asyncio.Protocol):
    """Reads the proxy's answer, then lets the protocol of the connection take over."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        self.established: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._protocol = protocol
        self._seen = b""
        self._transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._seen += data
        head, end, rest = self._seen.partition(b"\r\n\r\n")
        if self.established.done() or (not end and len(self._seen) < _REPLY_MAX):
            return
        words = head.split(b"\r\n", 1)[0].split(b" ", 2)
        if not end or len(words) < 2 or words[1] != b"200":
            shown = head.partition(b"\r\n")[0][:80].decode("latin-1")
            self.established.set_exception(ConnectionRefusedError(f"the proxy answered {shown!r}"))
            return
        assert isinstance(self._transport, asyncio.Transport)
        self._transport.set_protocol(self._protocol)
        self._protocol.connection_made(self._transport)
        if rest:
            self._protocol.data_received(rest)
        self.established.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        """See asyncio.Protocol."""
        if not self.established.done():
            self.established.set_exception(error or ConnectionResetError("the proxy broke off"))
