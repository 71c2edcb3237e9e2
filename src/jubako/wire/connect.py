"""CONNECT: the door through which programs that believe they talk to Google come in.

1. Only loopback may come. A name that this server plays gets TLS with a certificate of our own authority; inside,
   HTTP/2 goes to the gRPC server and HTTP/1.1 to the ASGI application, told apart by ALPN (no ALPN is HTTP/1.1: Node).
2. Any other name is tunnelled untouched, to checked addresses, or refused when the server is offline.
3. Nothing is read beyond what the other side takes: every splice has flow control both ways.

Source: RFC 9110, 9.3.6.
"""

import asyncio
import ipaddress
import re
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, cast

from jubako.core.errors import InvalidArgument, JubakoError, PermissionDenied, Unavailable
from jubako.core.events import Events
from jubako.wire.errors import last_words
from jubako.wire.outbound import EgressError
from jubako.wire.splice import Splice

HEAD_MAX = 16 * 1024
HEAD_PATIENCE_S = 10.0
HANDSHAKE_S = 10.0
HTTPS = 443
_ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
_AUTHORITY = re.compile(r"(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253}):([0-9]{1,5})\Z")

ProtocolFactory = Callable[[], asyncio.Protocol]
Dial = Callable[[str, int, asyncio.Protocol], Awaitable[None]]
"""``await dial(host, port, protocol)`` connects ``protocol`` to the real host.

Raises:
    EgressError, OSError: It may not be called, or no connection came about.
"""


class Names(Protocol):
    """Says which names this server plays."""

    async def plays(self, name: str) -> bool:
        """Return whether requests to ``name`` are answered here."""
        ...


class Contexts(Protocol):
    """Makes TLS contexts."""

    def context(self, name: str) -> ssl.SSLContext:
        """Return a server context that proves ``name``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """Who speaks with a client once its TLS is ours."""

    http: ProtocolFactory
    h2: ProtocolFactory


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectPorts:
    """What the door needs of others."""

    names: Names
    contexts: Contexts
    dial: Dial | None
    """None: the server is offline."""
    events: Events


class ConnectDoor:
    """See listener.Door."""

    prefix = b"CONNECT "

    def __init__(self, ports: ConnectPorts, inside: Inside) -> None:
        self.ports = ports
        self.inside = inside
        self.splices: set[Splice] = set()
        self.tasks: set[asyncio.Task[None]] = set()

    def accept(self) -> asyncio.Protocol:
        """See listener.Door."""
        return _Connect(self)

    async def close(self, grace: timedelta) -> None:
        """See listener.Door."""
        del grace  # what goes on inside is closed by its own door
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for splice in list(self.splices):
            splice.abort()


class _Connect(asyncio.Protocol):
    """Reads the request, then lets whoever is behind the name take the connection."""

    def __init__(self, door: ConnectDoor) -> None:
        self._door = door
        self._head = b""
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = cast("asyncio.Transport", transport)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(HEAD_PATIENCE_S, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        assert self._transport is not None
        if self._task is not None:  # before our answer there is nothing to say
            self._transport.abort()
            return
        self._head += data
        if b"\r\n\r\n" in self._head or len(self._head) > HEAD_MAX:
            assert self._timer is not None
            self._timer.cancel()
            self._task = asyncio.create_task(self._connect())
            self._door.tasks.add(self._task)
            self._task.add_done_callback(self._door.tasks.discard)

    def connection_lost(self, error: Exception | None) -> None:
        """See asyncio.Protocol."""
        del error
        if self._timer is not None:
            self._timer.cancel()

    async def _connect(self) -> None:
        """Answer; this is the supervision point of the door."""
        assert self._transport is not None
        transport = self._transport
        try:
            _check_peer(transport)
            host, port = target_of(self._head)
            if port == HTTPS and await self._door.ports.names.plays(host):
                await self._enter(transport, host)
            else:
                await self._tunnel(transport, host, port)
        except JubakoError as error:
            transport.write(_refusal(error))
            transport.close()
        except OSError as error:  # ssl.SSLError is one: the client does not believe us, or went away
            self._door.ports.events.emit("connect.broken", "DEBUG", error=repr(error))
            transport.abort()
        except Exception as error:  # noqa: BLE001 - see above
            self._door.ports.events.emit("connect.failed", "ERROR", error=repr(error))
            transport.abort()

    async def _enter(self, transport: asyncio.Transport, host: str) -> None:
        """Speak TLS as ``host`` and let gRPC or HTTP take over."""
        context = self._door.ports.contexts.context(host)
        waiting = _Waiting()
        transport.write(_ESTABLISHED)
        inner = await asyncio.get_running_loop().start_tls(
            transport, waiting, context, server_side=True, ssl_handshake_timeout=HANDSHAKE_S
        )
        if inner is None:
            return
        tls: Any = inner.get_extra_info("ssl_object")
        inside = self._door.inside
        waiting.give_way(inner, inside.h2() if tls.selected_alpn_protocol() == "h2" else inside.http())

    async def _tunnel(self, transport: asyncio.Transport, host: str, port: int) -> None:
        dial = self._door.ports.dial
        if dial is None:
            raise PermissionDenied(f"{host} is not served here, and this server is offline.")

        async def open_peer(peer: asyncio.Protocol) -> None:
            try:
                await dial(host, port, peer)
            except (EgressError, OSError) as error:
                transport.write(_refusal(Unavailable(f"No connection to {host}:{port}: {error}")))
                raise ConnectionError(str(error)) from error
            transport.write(_ESTABLISHED)

        splice = Splice(open_peer, self._door.splices)
        transport.set_protocol(splice)
        splice.connection_made(transport)


class _Waiting(asyncio.Protocol):
    """Holds what comes between the handshake and the protocol that is chosen by it."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._is_lost = False

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._held += data

    def connection_lost(self, error: Exception | None) -> None:
        """See asyncio.Protocol."""
        del error
        self._is_lost = True

    def give_way(self, transport: asyncio.Transport, protocol: asyncio.Protocol) -> None:
        """Let ``protocol`` take the connection, with what was held."""
        if self._is_lost:
            return
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if self._held:
            protocol.data_received(bytes(self._held))


def target_of(head: bytes) -> tuple[str, int]:
    """Return host (lower case, an IPv6 address without brackets) and port of a CONNECT request.

    Raises:
        InvalidArgument: It is not one whole, well-formed request and nothing more.

    """
    text, end, early = head.partition(b"\r\n\r\n")
    words = text.partition(b"\r\n")[0].decode("latin-1").split(" ")
    if not end or early:
        raise InvalidArgument(
            "A CONNECT request ends with an empty line, and nothing may follow before the answer."
        )
    match = _AUTHORITY.match(words[1]) if len(words) == 3 and words[2].startswith("HTTP/1.") else None
    if match is None or not 0 < int(match[2]) < 65536:
        raise InvalidArgument("A CONNECT request names HOST:PORT.")
    return match[1].strip("[]").rstrip(".").lower(), int(match[2])


def _check_peer(transport: asyncio.Transport) -> None:
    peer = transport.get_extra_info("peername")
    if not isinstance(peer, tuple) or not ipaddress.ip_address(peer[0].partition("%")[0]).is_loopback:
        raise PermissionDenied("CONNECT is for programs of this machine only.")


def _refusal(error: JubakoError) -> bytes:
    return last_words(error, 502 if isinstance(error, Unavailable) else None)
