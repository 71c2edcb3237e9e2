"""What changes in a request on its way to an instance, and in the reply on its way back. No I/O.

Sources: RFC 9110 section 7.6 (what intermediaries do), Cloud Run's load balancer for X-Forwarded-* and trace headers,
W3C Trace Context.
"""

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from jubako.core.errors import InvalidArgument
from jubako.wire.gateway import ServiceCall

Headers = Sequence[tuple[str, str]]
"""In order and with repeats; names are lower case."""

_HOP_BY_HOP = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade",
})  # fmt: skip
_REPLACED = frozenset({
    "content-length", "expect", "forwarded", "host", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host",
    "x-forwarded-prefix",
})  # fmt: skip
_UPGRADE: Headers = (("connection", "Upgrade"), ("upgrade", "websocket"))
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_TARGET = re.compile(r"[!-~]*\Z")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+\Z")
_VALUE = re.compile(r"[\t -~\x80-\xff]*\Z")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_CLOUD_TRACE = re.compile(r"([0-9a-fA-F]{32})(?:/(\d{1,20}))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """How a request came in."""

    client: str
    """Address of who sent it."""
    scheme: str
    host: str
    """What the request calls the server, with its port if it says one."""
    prefix: str
    """Path under which the service is reached; "" if it has the whole host."""
    trace_id: str
    """32 hexadecimal digits, used if the request brings no trace of its own."""


class Framing(StrEnum):
    """How an instance is told where a body ends."""

    NONE = "none"
    LENGTH = "length"
    CHUNKED = "chunked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A request as an instance gets it."""

    head: bytes
    body: AsyncIterator[bytes]
    framing: Framing
    may_be_repeated: bool
    is_upgrade: bool = False


async def outgoing(call: ServiceCall, arrival: Arrival) -> Outgoing:
    """Return what to send to an instance; waits for the first piece of a body whose length is not said.

    Raises:
        InvalidArgument: Something cannot be part of an HTTP/1.1 request.
        Cancelled: The client went away.

    """
    if call.is_upgrade:
        framing, body, headers = Framing.NONE, call.body, _UPGRADE
    else:
        framing, length, body = await _framed(call)
        headers = _framing_headers(framing, length)
    return Outgoing(
        head=_head(call, arrival, headers),
        body=body,
        framing=framing,
        may_be_repeated=framing is Framing.NONE and call.method in _SAFE and not call.is_upgrade,
        is_upgrade=call.is_upgrade,
    )


def reply_headers(headers: Headers) -> tuple[tuple[str, str], ...]:
    """Return the headers of the reply, without those that concern the connection to the instance."""
    dropped = _HOP_BY_HOP | _listed(headers)
    if any(name == "transfer-encoding" for name, _ in headers):
        dropped |= {"content-length"}  # the other one counts (RFC 9112, 6.3)
    return tuple((name, value) for name, value in headers if name not in dropped)


def _head(call: ServiceCall, arrival: Arrival, framing: Headers) -> bytes:
    """Return request line and headers."""
    target = f"{call.path}?{call.query}" if call.query else call.path
    if not _NAME.match(call.method.lower()) or not target.startswith("/") or not _TARGET.match(target):
        raise InvalidArgument("The request line is not valid HTTP.")
    dropped = _HOP_BY_HOP | _REPLACED | _listed(call.headers)
    kept = [("host", arrival.host)]
    kept += [(name, value) for name, value in call.headers if name not in dropped]
    for name, value in kept:
        if not _NAME.match(name) or not _VALUE.match(value):
            raise InvalidArgument("A header is not valid HTTP.")
    added = [*framing, *_forwarded(call.headers, arrival), *_trace(call.headers, arrival.trace_id)]
    lines = [f"{call.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in (*kept, *added))]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _framing_headers(framing: Framing, length: str) -> Headers:
    if framing is Framing.CHUNKED:
        return (("connection", "close"), ("transfer-encoding", "chunked"))
    if framing is Framing.LENGTH:
        return (("connection", "close"), ("content-length", length))
    return (("connection", "close"),)


async def _framed(call: ServiceCall) -> tuple[Framing, str, AsyncIterator[bytes]]:
    """Return how the body's end is told, its length if that is how, and the body."""
    lengths = {value for name, value in call.headers if name == "content-length"}
    if lengths:
        length = lengths.pop()
        if lengths or not (length.isascii() and length.isdecimal()):
            raise InvalidArgument("content-length: is not one length.")
        return Framing.LENGTH, length, call.body
    first = await anext(call.body, None)
    if call.caller is not None and (first is not None or call.method not in _SAFE):
        # A call from inside has its whole body in memory, and many small servers want a length.
        whole = b"".join([first or b"", *[piece async for piece in call.body]])
        return Framing.LENGTH, str(len(whole)), _pieces(whole)
    if first is None:
        return Framing.NONE, "", call.body
    return Framing.CHUNKED, "", _pieces(first, call.body)


async def _pieces(first: bytes, rest: AsyncIterator[bytes] | None = None) -> AsyncIterator[bytes]:
    yield first
    if rest is not None:
        async for piece in rest:
            yield piece


def _forwarded(headers: Headers, arrival: Arrival) -> Iterable[tuple[str, str]]:
    before = [value for name, value in headers if name == "x-forwarded-for" and _VALUE.match(value)]
    yield "x-forwarded-for", ", ".join([*before, arrival.client])
    yield "x-forwarded-proto", arrival.scheme
    yield "x-forwarded-host", arrival.host
    if arrival.prefix:
        yield "x-forwarded-prefix", arrival.prefix


def _trace(headers: Headers, trace_id: str) -> Iterable[tuple[str, str]]:
    """Yield the trace header that the request does not bring, about the same trace as the one that it does."""
    have = {name: value for name, value in headers if name in {"traceparent", "x-cloud-trace-context"}}
    span, sampled = trace_id[16:], True
    if (w3c := _TRACEPARENT.match(have.get("traceparent", ""))) is not None:
        trace_id, span, sampled = w3c[1], w3c[2], bool(int(w3c[3], 16) & 1)
    elif (cloud := _CLOUD_TRACE.match(have.get("x-cloud-trace-context", ""))) is not None:
        trace_id, span = cloud[1].lower(), f"{int(cloud[2] or '0') % 2**64 or 1:016x}"
        sampled = have["x-cloud-trace-context"].endswith(";o=1")
    if "traceparent" not in have:
        yield "traceparent", f"00-{trace_id}-{span}-{int(sampled):02x}"
    if "x-cloud-trace-context" not in have:
        yield "x-cloud-trace-context", f"{trace_id}/{int(span, 16)};o={int(sampled)}"


def _listed(headers: Headers) -> frozenset[str]:
    """Return the headers that ``connection`` names as its own."""
    named = (value for name, value in headers if name == "connection")
    return frozenset(word.strip().lower() for value in named for word in value.split(","))
