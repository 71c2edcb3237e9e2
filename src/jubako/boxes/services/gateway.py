"""The way in for requests to services, from outside and from inside the process.

1. A request that cannot be served is answered with Google's error shape: 404 no such service, 503 not started or not
   reachable (with ``retry-after``), 502 broken off by the instance, 504 no reply within the service's time-out. None of
   these ends an instance.
2. A request is sent once. It goes to the next attempt only if its instance died, and either nobody had accepted its
   connection, or it is a GET, HEAD or OPTIONS without a body and had no reply (RFC 9110, 9.2.2: safe to repeat).
3. Whoever takes a reply must ``aclose`` its ``chunks`` when it is done or gives up: that ends the request at the
   instance, and lets a replaced instance go.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Protocol, Self

from jubako.boxes.services import addresses, forwarding, rows
from jubako.boxes.services.admission import RETRY_INFO, Admission, Lease
from jubako.boxes.services.forwarding import Arrival, Headers, Outgoing
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
REFUSAL_PATIENCE = timedelta(seconds=2)
"""How long the news of a process's death may take after its port refused a connection."""
BREAK_PATIENCE = timedelta(milliseconds=500)
"""The same after it broke off a connection, which need not mean its death."""
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
        key = await self._store.peek(partial(rows.find_host, host=host.lower()))
        return None if key is None else ServiceName(key.project, key.location, key.service)

    async def forward(self, call: ServiceCall) -> StreamedResponse:
        """See ServiceGateway.

        Raises:
            Cancelled: The client went away while it sent the body.

        """
        key = ServiceKey(call.service.project, call.service.location, call.service.service)
        try:
            await self._invoker.admit(str(key), call.headers, call.caller)
            return await self._send(key, await forwarding.outgoing(call, self._arrival(key, call)))
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
        own = addresses.host_of(key)
        # Calls from inside say no host: they are made to the service's own name.
        host = next((value for name, value in call.headers if name == "host"), own)
        is_own_name = host_name(host) == own
        return Arrival(
            client=_CLIENT,
            scheme="https" if is_own_name else "http",
            host=host,
            prefix="" if is_own_name else addresses.path_of(key),
            trace_id=self._ids.uid().replace("-", ""),
        )

    async def _send(self, key: ServiceKey, request: Outgoing) -> StreamedResponse:
        """Send the request; a second time only if its instance died and it may be repeated."""
        while True:
            lease, exchange = await self._connect(key)
            try:
                return await _exchange(lease, exchange, request)
            except Broken:
                # Also so that who asks again after a 502 does not meet the same dying instance.
                is_gone = await self._admission.wait_gone(lease, BREAK_PATIENCE)
                if not is_gone or not request.may_be_repeated:
                    raise
                request = replace(request, may_be_repeated=False)

    async def _connect(self, key: ServiceKey) -> tuple[Lease, Exchange]:
        """Return a connection to an instance, started if need be; nothing of the request is sent yet."""
        for _ in range(CONNECT_TRIES):
            lease = await self._admission.admit(key)
            try:
                async with asyncio.timeout(lease.request_timeout.total_seconds()):
                    return lease, await Exchange.open(lease.port)
            except TimeoutError:
                lease.release()
                raise _too_late(lease) from None
            except Refused:
                lease.release()
                if not await self._admission.wait_gone(lease, REFUSAL_PATIENCE):
                    break
            except BaseException:
                lease.release()
                raise
        raise Unavailable(f"The instance of service {str(key)!r} runs but accepts no connection.")


async def _exchange(lease: Lease, exchange: Exchange, request: Outgoing) -> StreamedResponse:
    reply = ReplyBody(lease, exchange)
    try:
        status = await reply.begin(request)
    except BaseException:
        await reply.aclose()
        raise
    return StreamedResponse(status=status, headers=forwarding.reply_headers(exchange.headers), chunks=reply)


class ReplyBody:
    """The body of a reply, piece by piece; holds connection and lease until its end, ``aclose`` or the time-out."""

    def __init__(self, lease: Lease, exchange: Exchange) -> None:
        """Take both over; the request's time begins now."""
        self._lease = lease
        self._exchange = exchange
        self._is_open = True
        self._is_late = False
        loop = asyncio.get_running_loop()
        # Also for a client that takes no more of the reply: it must not hold an instance for ever.
        self._timer = loop.call_later(lease.request_timeout.total_seconds(), self._expire)

    async def begin(self, request: Outgoing) -> int:
        """Send the request and return the status of the reply, once it is there.

        Raises:
            Broken: There is no reply.
            Cancelled: The client went away while it sent the body.
            DeadlineExceeded: The service's request time-out is over.

        """
        self._exchange.send(request)
        try:
            return await self._exchange.status()
        except Broken:
            self._check_time()
            raise

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Return the next piece. Raises as ``begin`` does; the client must then not take the body for complete."""
        self._check_time()
        try:
            piece = await self._exchange.read() if self._is_open else b""
        except BaseException:
            await self.aclose()
            self._check_time()
            raise
        self._check_time()
        if not piece:
            await self.aclose()
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        """End the request, whatever is under way. Safe to call twice."""
        self._close()
        await self._exchange.wait_closed()

    def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._timer.cancel()
            self._lease.release()
            self._exchange.abort()

    def _expire(self) -> None:
        self._is_late = True
        self._close()

    def _check_time(self) -> None:
        if self._is_late:
            raise _too_late(self._lease)


def _too_late(lease: Lease) -> DeadlineExceeded:
    limit = format_duration(lease.request_timeout)
    return DeadlineExceeded(
        f"Service {str(lease.key)!r} did not answer within its request timeout of {limit}."
    )


async def _one(piece: bytes) -> AsyncIterator[bytes]:
    yield piece


def _failure(error: JubakoError, status: int | None = None) -> StreamedResponse:
    reply = error_response(error, status)
    headers = [*reply.headers.items(), ("content-length", str(len(reply.body)))]
    delays = [detail["retryDelay"] for detail in error.details if detail["@type"] == RETRY_INFO]
    headers += [("retry-after", delay.rstrip("s")) for delay in delays]
    return StreamedResponse(status=reply.status, headers=tuple(headers), chunks=_one(reply.body))
