"""HTTP messages without a socket: what the router takes and gives, for a listener or inside the process."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One request. ``path`` is percent-encoded as received; header names are lower case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """One reply; header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedResponse:
    """A reply whose body comes in pieces (a proxied service, a followed log)."""

    status: int
    headers: tuple[tuple[str, str], ...]
    """In order and with repeats, as ``set-cookie`` needs."""
    chunks: AsyncIterator[bytes]


def serialised(reply: HttpResponse, headers: Mapping[str, str]) -> bytes:
    """Return a whole reply as it goes over a connection, with ``headers`` besides its own."""
    lines = [
        f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}",
        *(f"{name}: {value}" for name, value in {**headers, **reply.headers}.items()),
        f"content-length: {len(reply.body)}\r\n\r\n",
    ]
    return "\r\n".join(lines).encode("latin-1") + reply.body


async def closed(reply: StreamedResponse) -> None:
    """Release what stands behind a reply, however far it was read."""
    close = getattr(reply.chunks, "aclose", None)
    if close is not None:
        await close()
