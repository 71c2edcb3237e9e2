"""What the services box must offer so that requests reach deployed services."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from jubako.wire.http import StreamedResponse
from jubako.wire.method import Caller


@dataclass(frozen=True, slots=True)
class ServiceName:
    """Which service a request is for."""

    project: str
    location: str
    service: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCall:
    """One request to a service; it may be answered before its body was read to the end."""

    service: ServiceName
    method: str
    path: str
    """Percent-encoded, as the service is to see it; begins with ``/``."""
    query: str
    headers: tuple[tuple[str, str], ...]
    """In order and with repeats; names in lower case; hop-by-hop headers are taken off."""
    body: AsyncIterator[bytes]
    """Raises Cancelled if the client goes away in the middle."""
    caller: Caller | None
    """Who calls, if that is known already (a call from inside); else the headers say it."""
    is_upgrade: bool = False
    """Whether the client asks for a WebSocket; ``body`` then is what it says after a reply with status 101."""


class ServiceGateway(Protocol):
    """Carries requests to deployed services."""

    async def locate(self, host: str) -> ServiceName | None:
        """Return the deployed service whose ``uri`` has this host name, if any."""
        ...

    async def forward(self, call: ServiceCall) -> StreamedResponse:
        """Return the service's reply, starting an instance if need be.

        Raises:
            NotFound: No such service.
            PermissionDenied: The caller may not invoke it.
            Unauthenticated: It needs a caller and there is none.
            Unavailable: It cannot be started, or it broke off before it answered.
            DeadlineExceeded: It did not answer in its request timeout.

        """
        ...
