"""Real HTTP calls to the outside, to addresses that may be called.

1. A name is looked up once per connection, every address is checked, and the connection goes to a checked address: a
   name that changes its mind between check and use (DNS rebinding) gains nothing.
2. Link-local and cloud metadata addresses are never called; loopback only where the setting allows it.
3. Answers are read in pieces and dropped beyond the limit, compressed ones too.
"""

import asyncio
import ipaddress
import socket
import ssl
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from urllib.parse import quote, urljoin, urlsplit

from jubako.wire.connection import Broken, Connection, Reply, TooLarge, Unsendable, request_head
from jubako.wire.exchange import Exchange, Request
from jubako.wire.http import HttpResponse
from jubako.wire.pool import Pool

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
_USUAL = frozenset(_PORTS.values())
_OWN_HEADERS = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding"})
_PATH_SAFE = "/%:@!$&'()*+,;=~-._"
_QUERY_SAFE = _PATH_SAFE + "?"


Answered = Callable[["HttpResponse | Exception"], None]
"""Takes an answer, or the EgressError that came instead."""


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
        return self.port in _USUAL

    def join(self, location: str) -> "Url":
        """Return what a Location header in the answer of this address means."""
        return parse_url(urljoin(str(self), location))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}" + (f"?{self.query}" if self.query else "")


@lru_cache(maxsize=64)
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


class Outbound:
    """The HTTP client."""

    def __init__(
        self, *, loopback_allowed: bool, outside_allowed: bool = True, resolver: Resolve = resolve
    ) -> None:
        """Say which addresses may be called; without ``outside_allowed`` this machine's own alone."""
        self._resolve = resolver
        self._loopback_allowed = loopback_allowed
        self._outside_allowed = outside_allowed
        self._pool = Pool()
        self._tls: ssl.SSLContext | None = None

    async def send(
        self, method: str, url: Url, headers: Mapping[str, str], body: bytes, limit: int
    ) -> HttpResponse:
        """Return the answer; redirects are not followed.

        Raises:
            EgressError: See Egress.send; the time limit is the caller's.

        """
        waiter: asyncio.Future[HttpResponse] = asyncio.get_running_loop().create_future()
        exchange = self.begin(method, url, headers, body, limit, partial(_settle, waiter))
        try:
            return await waiter
        finally:
            exchange.cancel()

    def begin(
        self,
        method: str,
        url: Url,
        headers: Mapping[str, str],
        body: bytes,
        limit: int,
        answered: Answered,
    ) -> Exchange:
        """Do what ``send`` does, without a task: ``answered`` is called later with what ``send`` returns or raises.

        Raises:
            InvalidCall: It cannot be sent.

        """
        try:
            content = _head(method, url, tuple(headers.items()), len(body)) + body
        except (Unsendable, UnicodeError) as error:
            raise InvalidCall(f"The request to {url.host} cannot be sent: {error}.") from error
        exchange = Exchange(
            self._pool,
            (url.scheme, url.host, url.port),
            Request(method, content, limit),
            partial(self._connect, url),
            lambda found: answered(_answer(found, limit, url)),
        )
        exchange.start()
        return exchange

    async def close(self) -> None:
        """Close all connections. Safe to call twice."""
        self._pool.close()

    async def _connect(self, url: Url) -> Connection:
        failure: Exception | None = None
        loop = asyncio.get_running_loop()
        for address in await self._allowed(url):
            try:
                _, connection = await loop.create_connection(
                    Connection,
                    str(address),
                    url.port,
                    ssl=self._tls_context() if url.scheme == "https" else None,
                    server_hostname=url.host if url.scheme == "https" else None,
                )
            except OSError as error:
                failure = error
            else:
                return connection
        raise ConnectionFailed(f"No connection to {url.host}:{url.port}: {failure}.") from failure

    async def _allowed(self, url: Url) -> list[Address]:
        """Return the checked addresses of a name."""
        try:
            texts = await self._resolve(url.host, url.port)
            found = [ipaddress.ip_address(text.partition("%")[0]) for text in texts]
        except (OSError, UnicodeError) as error:
            raise ConnectionFailed(
                f"No connection to {url.host}:{url.port}: the name {url.host} is not known ({error})."
            ) from error
        reasons = {address: self._refusal(address) for address in found}
        allowed = [address for address, reason in reasons.items() if reason is None]
        if not allowed:
            first = next(iter(reasons), None)
            raise RefusedAddress(
                f"{url.host} may not be called: {first} {reasons.get(first)}."
                if first
                else f"{url.host} has no address."
            )
        return allowed

    def _refusal(self, address: Address) -> str | None:
        if not self._outside_allowed and not all(inner.is_loopback for inner in _meant_by(address)):
            return "is outside of this machine, and this server is offline"
        return refusal(address, loopback_allowed=self._loopback_allowed)

    def _tls_context(self) -> ssl.SSLContext:
        if self._tls is None:  # made at the first call: reading the system's certificates takes a while
            self._tls = ssl.create_default_context()
        return self._tls


def _settle(waiter: "asyncio.Future[HttpResponse]", found: HttpResponse | Exception) -> None:
    if waiter.done():
        return
    if isinstance(found, HttpResponse):
        waiter.set_result(found)
    else:
        waiter.set_exception(found)


def _answer(found: Reply | Exception, limit: int, url: Url) -> HttpResponse | Exception:
    """Return the answer that a reply is, or the EgressError that tells what came instead."""
    if isinstance(found, Exception):
        return _error(found, limit, url)
    received = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in found.headers}
    try:
        content = _decoded(found.body, received.pop("content-encoding", ""), limit, url)
    except (Broken, zlib.error, ResponseTooLarge) as error:
        return _error(error, limit, url)
    return HttpResponse(status=found.status, headers=received, body=content)


def _error(error: Exception, limit: int, url: Url) -> Exception:
    if isinstance(error, Broken | zlib.error):
        return ConnectionBroken(f"The connection to {url.host}:{url.port} broke off: {error}.")
    return _too_large(limit, url) if isinstance(error, TooLarge) else error


def _target(url: Url) -> str:
    return f"{url.path}?{url.query}" if url.query else url.path


@lru_cache(maxsize=64)  # loops ask the same again and again
def _head(method: str, url: Url, headers: tuple[tuple[str, str], ...], length: int) -> bytes:
    """Return the bytes in front of a body of this length."""
    return request_head(method, _target(url), _headers(method, url, dict(headers), length))


def _headers(method: str, url: Url, headers: Mapping[str, str], length: int) -> list[tuple[bytes, bytes]]:
    host = str(url).split("/", 3)[2]
    sent = {name: value for name, value in headers.items() if name.lower() not in _OWN_HEADERS}
    sent |= {"host": host, "accept-encoding": "gzip"}
    if length or method in {"POST", "PUT", "PATCH"}:
        sent["content-length"] = str(length)
    return [(name.encode("ascii"), value.encode("utf-8")) for name, value in sent.items()]


def _too_large(limit: int, url: Url) -> ResponseTooLarge:
    return ResponseTooLarge(f"The answer of {url.host} is larger than {limit} bytes.")


def _decoded(content: bytes, encoding: str, limit: int, url: Url) -> bytes:
    """Undo gzip or deflate within the limit: a small answer may unpack to gigabytes."""
    if encoding.lower() not in {"gzip", "x-gzip", "deflate"}:
        return content
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    plain = inflater.decompress(content, limit + 1)
    if len(plain) > limit:
        raise _too_large(limit, url)
    if not inflater.eof:
        raise Broken("its compressed body is cut")
    return plain
