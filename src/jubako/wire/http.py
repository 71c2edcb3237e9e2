"""HTTP messages without a socket: what the router takes and gives, for a listener or inside the process."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field


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


async def closed(reply: StreamedResponse) -> None:
    """Release what stands behind a reply, however far it was read."""
    close = getattr(reply.chunks, "aclose", None)
    if close is not None:
        await close()
