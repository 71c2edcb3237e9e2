"""The way in for requests to services, from outside and from inside the process.

1. A request that cannot be served is answered with Google's error shape: 404 no such service, 503 not started or not
   reachable (with ``retry-after``), 502 broken off by the instance, 504 no reply within the service's time-out. None of
   these ends an instance.
2. A request is sent at most once. Only when nobody accepted its connection is it sent to the next attempt.
3. Whoever takes a reply must ``aclose`` its ``chunks`` when it is done or gives up: that ends the request at the
   instance, and lets a replaced instance go.
"""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Protocol, Self

from jubako.boxes.services import addresses, forwarding, rows
from jubako.boxes.services.admission import RETRY_INFO, Admission, Lease
from jubako.boxes.services.forwarding import Arrival, Headers
from jubako.boxes.services.rows import ServiceKey
from jubako.boxes.services.upstream import Broken, Exchange, Refused
from jubako.core.errors import Cancelled, DeadlineExceeded, JubakoError, Unavailable
from jubako.core.ids import IdSource
from jubako.core.timestamps import format_duration
from jubako.store.port import Store
from jubako.wire.addresses import host_name
from jubako.wire.errors import error_response
from jubako.wire.gateway import ServiceCall, ServiceName
from jubako.wire.http import StreamedResponse
from jubako.wire.method import Caller

CONNECT_TRIES = 3
BAD_GATEWAY = 502
_CLIENT = "127.0.0.1"
"""Who sends requests, as long as the server listens on loopback only."""


class Invoker(Protocol):
    """Says who may call a service."""

    async def admit(self, service: str, headers: Headers, caller: Caller | None) -> None:
        """Return if this request may reach the service.

        Args:
            service: Full name.
            headers: They may carry a token for the service.
            caller: Who calls, if that is known without a token.

        Raises:
            Unauthenticated: No identity, or a bad one.
            PermissionDenied: This identity may not (``run.routes.invoke``).

        """
        ...


class OpenInvoker:
    """Everybody may call: a server on loopback without authentication."""

    async def admit(self, service: str, headers: Headers, caller: Caller | None) -> None:
        """See Invoker."""


class ServicesGateway:
    """See ServiceGateway; failures come as replies, so that calls from inside see what others see."""

    def __init__(
        self, store: Store, admission: Admission, ids: IdSource, invoker: Invoker | None = None
    ) -> None:
        """Take the ports; ``invoker`` None lets everybody in."""
        self._store = store
        self._admission = admission
        self._ids = ids
        self._invoker: Invoker = invoker or OpenInvoker()

    async def locate(self, host: str) -> ServiceName | None:
        """See ServiceGateway."""
        key = await self._store.read(partial(rows.find_host, host=host.lower()))
        return None if key is None else ServiceName(key.project, key.location, key.service)

    async def forward(self, call: ServiceCall) -> StreamedResponse:
        """See ServiceGateway.

        Raises:
            Cancelled: The client went away while it sent the body.

        """
        key = ServiceKey(call.service.project, call.service.location, call.service.service)
        try:
            await self._invoker.admit(str(key), call.headers, call.caller)
            lease, exchange = await self._connect(key)
            return await _exchange(lease, exchange, call, self._arrival(key, call))
        except Broken as error:
            return _failure(
                Unavailable(f"The instance of service {str(key)!r} gave no reply: {error.message}."),
                BAD_GATEWAY,
            )
        except Cancelled:
            raise
        except JubakoError as error:
            return _failure(error)

    def _arrival(self, key: ServiceKey, call: ServiceCall) -> Arrival:
        host = next((value for name, value in call.headers if name == "host"), "")
        is_own_name = host_name(host) == addresses.host_of(key)
        return Arrival(
            client=_CLIENT,
            scheme="https" if is_own_name else "http",
            prefix="" if is_own_name else addresses.path_of(key),
            trace_id=self._ids.uid().replace("-", ""),
        )

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
    lease: Lease, exchange: Exchange, call: ServiceCall, arrival: Arrival
) -> StreamedResponse:
    reply = ReplyBody(lease, exchange)
    try:
        status = await reply.begin(call, arrival)
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

    async def begin(self, call: ServiceCall, arrival: Arrival) -> int:
        """Send the request and return the status of the reply, once it is there.

        Raises:
            InvalidArgument: The request cannot be sent as HTTP/1.1.
            Broken: There is no reply.
            Cancelled: The client went away while it sent the body.
            DeadlineExceeded: The service's request time-out is over.

        """
        try:
            async with asyncio.timeout_at(self._deadline):
                framing, body = await forwarding.framed(call.headers, call.body)
                self._exchange.send(forwarding.head_of(call, arrival, framing), body, framing)
                return await self._exchange.status()
        except TimeoutError:
            raise self._too_late() from None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Return the next piece. Raises as ``begin`` does; the client must then not take the body for complete."""
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


async def _one(piece: bytes) -> AsyncIterator[bytes]:
    yield piece


def _failure(error: JubakoError, status: int | None = None) -> StreamedResponse:
    reply = error_response(error, status)
    headers = [*reply.headers.items(), ("content-length", str(len(reply.body)))]
    delays = [detail["retryDelay"] for detail in error.details if detail["@type"] == RETRY_INFO]
    headers += [("retry-after", delay.rstrip("s")) for delay in delays]
    return StreamedResponse(status=reply.status, headers=tuple(headers), chunks=_one(reply.body))
