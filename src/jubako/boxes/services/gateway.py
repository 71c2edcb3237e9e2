"""The way in for requests to services: by path on the one port, or by the service's own name inside the process.

1. A request that cannot be served is answered with Google's error shape: 404 no such service, 503 not started or not
   reachable (with ``retry-after``), 502 broken off by the instance, 504 no reply within the service's time-out. None of
   these ends an instance.
2. A request is sent at most once. Only when nobody accepted its connection is it sent to the next attempt.
3. Whoever takes a reply must ``aclose`` its ``chunks`` when it is done or gives up: that ends the request at the
   instance, and lets a replaced instance go.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, Self

from jubako.boxes.services import addresses, forwarding, rows
from jubako.boxes.services.admission import Admission, Lease
from jubako.boxes.services.forwarding import Arrival, Headers
from jubako.boxes.services.rows import ServiceKey
from jubako.boxes.services.upstream import Broken, Exchange, Refused
from jubako.core.errors import DeadlineExceeded, JubakoError, NotFound, Unavailable
from jubako.core.ids import IdSource
from jubako.core.timestamps import format_duration
from jubako.store.port import Store
from jubako.wire.errors import error_response
from jubako.wire.http import HttpRequest, StreamedResponse

CONNECT_TRIES = 3
BAD_GATEWAY = 502


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRequest:
    """A request with a streamed body."""

    method: str
    path: str
    """Percent-encoded, as received."""
    headers: Headers
    query: str = ""
    body: AsyncIterator[bytes] | None = None
    client: str = "127.0.0.1"
    """Address of who sent it."""
    scheme: str = "http"


class Invoker(Protocol):
    """Says who may call a service."""

    async def admit(self, service: str, headers: Headers) -> None:
        """Return if a request with these headers may reach the service, given by its full name.

        Raises:
            Unauthenticated: No identity, or a bad one.
            PermissionDenied: This identity may not (``run.routes.invoke``).

        """
        ...


class OpenInvoker:
    """Everybody may call: a server on loopback without authentication."""

    async def admit(self, service: str, headers: Headers) -> None:
        """See Invoker."""


class ServicesGateway:
    """Passes requests on to instances."""

    def __init__(
        self, store: Store, admission: Admission, ids: IdSource, invoker: Invoker | None = None
    ) -> None:
        """Take the ports; ``invoker`` None lets everybody in."""
        self._store = store
        self._admission = admission
        self._ids = ids
        self._invoker: Invoker = invoker or OpenInvoker()

    async def resolve(self, host: str) -> ServiceKey | None:
        """Return the service whose own name is ``host`` (without port), or None."""
        if not host.endswith("." + addresses.DOMAIN):
            return None
        return await self._store.read(partial(rows.find_host, host=host))

    async def handle(self, request: ServiceRequest) -> StreamedResponse:
        """Answer a request to ``/run/PROJECT/LOCATION/NAME/...``."""
        found = addresses.split_path(request.path)
        if found is None:
            return _error(NotFound("A service is reached at /run/PROJECT/LOCATION/SERVICE/."))
        key, path = found
        return await self._answer(key, request, path, addresses.path_of(key))

    async def handle_service(self, key: ServiceKey, request: ServiceRequest) -> StreamedResponse:
        """Answer a request to the service's own name, whose path is the instance's."""
        return await self._answer(key, request, request.path, "")

    async def _answer(
        self, key: ServiceKey, request: ServiceRequest, path: str, prefix: str
    ) -> StreamedResponse:
        try:
            await self._invoker.admit(str(key), request.headers)
            target = f"{path}?{request.query}" if request.query else path
            arrival = Arrival(
                client=request.client,
                scheme=request.scheme,
                prefix=prefix,
                trace_id=self._ids.uid().replace("-", ""),
            )
            head = forwarding.head_of(request.method, target, request.headers, arrival)
            lease, exchange = await self._connect(key)
            return await _exchange(lease, exchange, request, head)
        except Broken as error:
            return _error(
                Unavailable(f"The instance of service {str(key)!r} gave no reply: {error}."), BAD_GATEWAY
            )
        except JubakoError as error:
            return _error(error)

    async def _connect(self, key: ServiceKey) -> tuple[Lease, Exchange]:
        """Return a connection to an instance, started if need be; nothing of the request is sent yet."""
        for _ in range(CONNECT_TRIES):
            lease = await self._admission.admit(key)
            try:
                return lease, await Exchange.open(lease.port)
            except Refused:
                lease.release()
                if not await self._admission.wait_gone(lease):
                    break
            except BaseException:
                lease.release()
                raise
        raise Unavailable(f"The instance of service {str(key)!r} runs but accepts no connection.")


async def _exchange(
    lease: Lease, exchange: Exchange, request: ServiceRequest, head: bytes
) -> StreamedResponse:
    reply = ReplyBody(lease, exchange)
    try:
        chunked = forwarding.is_chunked(request.headers)
        has_body = chunked or forwarding.content_length(request.headers) > 0
        exchange.send(head, request.body if has_body else None, is_chunked=chunked)
        status = await reply.status()
    except BaseException:
        await reply.aclose()
        raise
    return StreamedResponse(status=status, headers=forwarding.reply_headers(exchange.headers), chunks=reply)


class ReplyBody:
    """The body of a reply, piece by piece; holds connection and lease until its end or ``aclose``."""

    def __init__(self, lease: Lease, exchange: Exchange) -> None:
        """Take both over; the request's time begins now."""
        self._lease = lease
        self._exchange = exchange
        self._is_open = True
        self._deadline = asyncio.get_running_loop().time() + lease.request_timeout.total_seconds()

    async def status(self) -> int:
        """Return the status of the reply, once it is there.

        Raises:
            Broken: There is no reply.
            DeadlineExceeded: The service's request time-out is over.

        """
        try:
            async with asyncio.timeout_at(self._deadline):
                return await self._exchange.status()
        except TimeoutError:
            raise self._too_late() from None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Return the next piece. Raises as ``status`` does; the client must then not take the body for complete."""
        try:
            async with asyncio.timeout_at(self._deadline):
                piece = await self._exchange.read() if self._is_open else b""
        except TimeoutError:
            await self.aclose()
            raise self._too_late() from None
        except BaseException:
            await self.aclose()
            raise
        if not piece:
            await self.aclose()
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        """End the request, whatever is under way. Safe to call twice."""
        if self._is_open:
            self._is_open = False
            self._lease.release()
            await self._exchange.close()

    def _too_late(self) -> DeadlineExceeded:
        limit = format_duration(self._lease.request_timeout)
        return DeadlineExceeded(
            f"Service {str(self._lease.key)!r} did not answer within its request timeout of {limit}."
        )


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    yield body


def of_message(request: HttpRequest) -> ServiceRequest:
    """Return a request that is in memory as the gateway takes it."""
    headers = [(name, value) for name, value in request.headers.items() if name != "transfer-encoding"]
    if request.body and "content-length" not in request.headers:
        headers.append(("content-length", str(len(request.body))))
    return ServiceRequest(
        method=request.method,
        path=request.path,
        query=request.query,
        headers=headers,
        body=_pieces(request.body) if request.body else None,
    )


def _error(error: JubakoError, status: int | None = None) -> StreamedResponse:
    reply = error_response(error, status)
    headers = [*reply.headers.items(), ("content-length", str(len(reply.body)))]
    headers += [("retry-after", after) for after in _retry_after(error.details)]
    return StreamedResponse(status=reply.status, headers=tuple(headers), chunks=_pieces(reply.body))


def _retry_after(details: tuple[dict[str, Any], ...]) -> list[str]:
    return [str(detail["retryDelay"]).rstrip("s") for detail in details if "retryDelay" in detail]
