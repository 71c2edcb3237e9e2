"""Real HTTP calls to the outside, to addresses that may be called.

1. A name is looked up once per connection, every address is checked, and the connection goes to a checked address: a
   name that changes its mind between check and use (DNS rebinding) gains nothing.
2. Link-local and cloud metadata addresses are never called; loopback only where the setting allows it.
3. Answers are read in pieces and dropped beyond the limit, compressed ones too.
"""

import asyncio
import ipaddress
import socket
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import httpcore

from jubako.wire.http import HttpResponse

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]
"""``await resolve(host, port)`` returns numeric addresses, or raises OSError."""

METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "192.0.0.192", "168.63.129.16")
)
"""Metadata services of clouds that are not link-local; 169.254.169.254 is."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_PORTS = {"http": 80, "https": 443}
_OWN_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})
_PATH_SAFE = "/%:@!$&'()*+,;=~-._"
_QUERY_SAFE = _PATH_SAFE + "?"
_CONNECTIONS_MAX = 100
_IDLE_S = 5.0


class EgressError(Exception):
    """An outgoing call brought no answer; ``str()`` is one sentence for the caller."""


class InvalidCall(EgressError):
    """No such request can be sent."""


class RefusedAddress(EgressError):
    """The address is one that may not be called."""


class ConnectionFailed(EgressError):
    """No connection came about; the request did not reach anybody."""


class ConnectionBroken(EgressError):
    """The connection broke off; the request may have taken effect."""


class CallTimeout(EgressError):
    """The time was over; the request may have taken effect."""


class ResponseTooLarge(EgressError):
    """The answer is larger than allowed; the request has taken effect."""


@dataclass(frozen=True, slots=True)
class Url:
    """A parsed address; ``path`` and ``query`` are percent-encoded."""

    scheme: str
    host: str
    port: int
    path: str
    query: str

    @property
    def has_usual_port(self) -> bool:
        """Whether the port is that of http or https."""
        return self.port in _PORTS.values()

    def join(self, location: str) -> "Url":
        """Return what a Location header in the answer of this address means."""
        return parse_url(urljoin(str(self), location))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}" + (f"?{self.query}" if self.query else "")


def parse_url(text: str) -> Url:
    """Return the parts of an http or https address.

    Raises:
        InvalidCall: It is none.

    """
    try:
        parts = urlsplit(text)
        port = parts.port
        host = (
            (parts.hostname or "")
            .encode("idna" if not (parts.hostname or "").isascii() else "ascii")
            .decode()
        )
    except (ValueError, UnicodeError):
        raise InvalidCall(f"{text[:200]!r} is not a URL.") from None
    if parts.scheme not in _PORTS or not host:
        raise InvalidCall(f"{text[:200]!r} is not an http or https URL.")
    if parts.username is not None or parts.password is not None:
        raise InvalidCall("A URL must not carry a user name or password.")
    path = quote(parts.path or "/", safe=_PATH_SAFE)
    query = quote(parts.query, safe=_QUERY_SAFE)
    return Url(parts.scheme, host, port or _PORTS[parts.scheme], path, query)


def refusal(address: Address, *, loopback_allowed: bool) -> str | None:
    """Return why ``address`` may not be called, or None."""
    for inner in _meant_by(address):
        if inner.is_loopback and not loopback_allowed:
            return "is a loopback address"
        if inner.is_link_local or inner in METADATA:
            return "is a link-local or metadata address"
        if inner.is_unspecified or inner.is_multicast or (inner.is_reserved and not inner.is_loopback):
            return "is not the address of one machine"
    return None


def _meant_by(address: Address) -> list[Address]:
    """Return the address and those that it carries inside: IPv6 has several ways to say an IPv4 address."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    inside: list[Address | None] = [address.ipv4_mapped, address.sixtofour]
    if address in _NAT64:
        inside.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    carried = [inner for inner in inside if inner is not None]
    return carried or [address]


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses that the system's resolver knows for ``host``."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections to checked addresses only."""

    def __init__(self, resolver: Resolve, *, loopback_allowed: bool) -> None:
        self._resolve = resolver
        self._loopback_allowed = loopback_allowed
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature of httpcore
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """See httpcore.AsyncNetworkBackend."""
        try:
            found = [ipaddress.ip_address(text.partition("%")[0]) for text in await self._resolve(host, port)]
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"the name {host} is not known ({error})") from None
        reasons = {address: refusal(address, loopback_allowed=self._loopback_allowed) for address in found}
        allowed = [address for address, reason in reasons.items() if reason is None]
        if not allowed:
            first = next(iter(reasons), None)
            raise RefusedAddress(
                f"{host} may not be called: {first} {reasons.get(first)}."
                if first
                else f"{host} has no address."
            )
        failure: Exception | None = None
        for address in allowed:
            try:
                return await self._inner.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        assert failure is not None
        raise failure

    async def sleep(self, seconds: float) -> None:
        """See httpcore.AsyncNetworkBackend."""
        await self._inner.sleep(seconds)


class Outbound:
    """The HTTP client."""

    def __init__(self, *, loopback_allowed: bool, resolver: Resolve = resolve) -> None:
        self._backend = CheckedBackend(resolver, loopback_allowed=loopback_allowed)
        self._pool: httpcore.AsyncConnectionPool | None = None

    async def send(
        self, method: str, url: Url, headers: Mapping[str, str], body: bytes, limit: int
    ) -> HttpResponse:
        """Return the answer; redirects are not followed.

        Raises:
            EgressError: See Egress.send; the time limit is the caller's.

        """
        try:
            return await self._send(method, url, headers, body, limit)
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            raise ConnectionFailed(f"No connection to {url.host}:{url.port}: {error}.") from error
        except (httpcore.NetworkError, httpcore.RemoteProtocolError, zlib.error) as error:
            raise ConnectionBroken(f"The connection to {url.host}:{url.port} broke off: {error}.") from error
        except httpcore.TimeoutException as error:
            raise CallTimeout(f"{url.host}:{url.port} did not answer in time.") from error
        except (httpcore.ProtocolError, UnicodeError) as error:
            raise InvalidCall(f"The request to {url.host} cannot be sent: {error}.") from error

    async def close(self) -> None:
        """Close all connections. Safe to call twice."""
        if self._pool is not None:
            await self._pool.aclose()
            self._pool = None

    async def _send(
        self, method: str, url: Url, headers: Mapping[str, str], body: bytes, limit: int
    ) -> HttpResponse:
        if self._pool is None:  # made at the first call: reading the system's certificates takes a while
            self._pool = httpcore.AsyncConnectionPool(
                network_backend=self._backend, max_connections=_CONNECTIONS_MAX, keepalive_expiry=_IDLE_S
            )
        sent = _headers(method, url, headers, body)
        async with self._pool.stream(method, str(url), headers=sent, content=body or None) as response:
            received = {
                name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
            }
            pieces, size = [], 0
            async for piece in response.aiter_stream():
                size += len(piece)
                _check(size, limit, url)
                pieces.append(piece)
        encoding = received.pop("content-encoding", "")
        content = _decoded(b"".join(pieces), encoding, limit, url)
        return HttpResponse(status=response.status, headers=received, body=content)


def _headers(method: str, url: Url, headers: Mapping[str, str], body: bytes) -> list[tuple[bytes, bytes]]:
    host = str(url).split("/", 3)[2]
    sent = {name: value for name, value in headers.items() if name.lower() not in _OWN_HEADERS}
    sent |= {"host": host, "accept-encoding": "gzip"}
    if body or method in {"POST", "PUT", "PATCH"}:
        sent["content-length"] = str(len(body))
    return [(name.encode("ascii"), value.encode("utf-8")) for name, value in sent.items()]


def _check(size: int, limit: int, url: Url) -> None:
    if size > limit:
        raise ResponseTooLarge(f"The answer of {url.host} is larger than {limit} bytes.")


def _decoded(content: bytes, encoding: str, limit: int, url: Url) -> bytes:
    """Undo gzip or deflate within the limit: a small answer may unpack to gigabytes."""
    if encoding.lower() not in {"gzip", "x-gzip", "deflate"}:
        return content
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    plain = inflater.decompress(content, limit + 1)
    _check(len(plain), limit, url)
    return plain
