"""The ASGI application behind the one port: checks every request, then sends it where its path says.

1. Host and Origin are checked before anything else, on every path.
2. ``/healthz`` needs no caller. APIs and ``/jubako/v1/`` do; their bodies are bounded and read whole.
3. ``/run/PROJECT/LOCATION/NAME/...``, and any path under a service's host name, streams both ways without limit.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from urllib.parse import unquote

from jubako.core.errors import Cancelled, InvalidArgument, JubakoError, NotFound, Unimplemented
from jubako.core.events import Events
from jubako.wire.addresses import is_api_host, is_service_host
from jubako.wire.body import BODY_MAX, Body, BodyTooLarge, Receive
from jubako.wire.errors import JSON_TYPE, error_response, supervised
from jubako.wire.extras import Extras
from jubako.wire.gateway import ServiceCall, ServiceGateway, ServiceName
from jubako.wire.http import HttpRequest, HttpResponse, StreamedResponse, closed
from jubako.wire.method import Caller
from jubako.wire.origins import Origins
from jubako.wire.rest import Router
from jubako.wire.upgrade import EXTENSION

COMMON = {"x-content-type-options": "nosniff"}
"""Headers of every whole reply."""
HEAD_MAX = 64 * 1024
"""Bytes of request line and headers together."""
IDEMPOTENCY_KEY_MAX = 255
GOOGLE_APIS = ".googleapis.com"
HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
) | frozenset({"proxy-authenticate", "proxy-authorization"})
"""Source: RFC 9110, 7.6.1."""

_TELLING = frozenset({"expect", "idempotency-key", "transfer-encoding", "upgrade"})
"""Headers of requests that cannot be answered at once."""

Headers = tuple[tuple[str, str], ...]
Reply = HttpResponse | StreamedResponse
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


PublicHandler = Callable[[HttpRequest], Awaitable[HttpResponse]]


class Callers(Protocol):
    """Says who sends a request."""

    def caller(self, headers: Mapping[str, str]) -> Caller:
        """Return the caller that the headers (names in lower case) prove.

        Raises:
            Unauthenticated: The credentials are bad, or missing where they are needed.

        """
        ...

    def holds(self, permission: str, caller: Caller) -> bool:
        """Return whether ``caller`` holds ``permission`` on everything; False also if that had to be looked up."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Where requests go."""

    router: Router
    extras: Extras
    gateway: ServiceGateway
    callers: Callers
    origins: Origins
    public: Mapping[tuple[str, str], PublicHandler] = field(default_factory=dict)
    """By verb and path: what everybody may ask (public keys, tokens for assertions)."""
    api_hosts: frozenset[str] | None = None
    """Google's API names that are served; the others answer 404. None: all."""


class Front:
    """The ASGI application."""

    def __init__(self, doors: Doors, events: Events) -> None:
        self._doors = doors
        self._events = events

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        body = Body(receive)
        path = scope["raw_path"].decode("ascii")
        reply = await supervised(self._events, path.partition(":")[0], self._reply(scope, path, body))
        if isinstance(reply, HttpResponse):
            await _send_whole(reply, send)
        else:
            await self._send_stream(reply, body, send, path)

    def at_once(self, target: str, raw: Sequence[tuple[bytes, bytes]]) -> HttpResponse | None:
        """Return the reply to ``GET target``, if it was given before and is the same now.

        What is to be refused, or takes a second look, is left to ``__call__``.

        Args:
            target: As in the request line.
            raw: The headers; names in lower case.

        """
        known = self._doors.router.known(target)
        if known is None:
            return None
        headers, size = _decoded(raw)
        named = _joined(headers)
        if (
            size > HEAD_MAX
            or not named.keys().isdisjoint(_TELLING)
            or named.get("content-length", "0") != "0"
        ):
            return None
        try:
            host = self._doors.origins.check(_all(headers, "host"), _all(headers, "origin"))
            self._check_api(host)
            caller = self._doors.callers.caller(named)
        except JubakoError:
            return None
        if is_service_host(host) or not self._doors.callers.holds(known.method.permission, caller):
            return None
        return self._doors.router.again(target)

    async def _reply(self, scope: MutableMapping[str, Any], path: str, body: Body) -> Reply:
        query = scope["query_string"].decode("latin-1")
        headers, size = _decoded(scope["headers"])
        if len(path) + len(query) + size > HEAD_MAX:
            return error_response(InvalidArgument(f"Request line and headers exceed {HEAD_MAX} bytes."), 431)
        host = self._doors.origins.check(_all(headers, "host"), _all(headers, "origin"))
        request = HttpRequest(method=scope["method"], path=path, query=query, headers=_joined(headers))
        if path == "/healthz" and request.method in {"GET", "HEAD"}:
            return HttpResponse(status=200, headers={"content-type": JSON_TYPE}, body=b'{"status":"ok"}')
        is_upgrade = EXTENSION in scope.get("extensions", ())
        service, rest = await self._service(host, path)
        if service is not None:
            call = ServiceCall(
                service=service,
                method=request.method,
                path=rest,
                query=query,
                headers=without_hop_by_hop(headers),
                body=body.pieces(),
                caller=None,
                is_upgrade=is_upgrade,
            )
            return await _while_connected(body, self._doors.gateway.forward(call))
        if is_upgrade:
            raise Unimplemented("Only services take WebSockets.")
        public = self._public(request.method, path)
        if public is not None:
            return await public(
                replace(request, body=await body.whole(request.headers.get("content-length")))
            )
        self._check_api(host)
        return await self._api(request, body)

    def _public(self, verb: str, path: str) -> PublicHandler | None:
        """Return what everybody may ask at a path; ``*`` stands for the last segment."""
        own = self._doors.public.get((verb, path))
        return own or self._doors.public.get((verb, f"{path.rpartition('/')[0]}/*"))

    def _check_api(self, host: str) -> None:
        """Refuse the APIs of Google that are not served, whatever their paths look like."""
        served = self._doors.api_hosts
        if host.endswith(GOOGLE_APIS) and served is not None and not is_api_host(host, served):
            raise NotFound(f"{host} is not served here.")

    async def _service(self, host: str, path: str) -> tuple[ServiceName | None, str]:
        """Return the service that a request is for (None: for no service), and the path that it sees."""
        if is_service_host(host):
            found = await self._doors.gateway.locate(host)
            if found is None:
                raise NotFound(f"No service is deployed at {host}.")
            return found, path
        if not path.startswith("/run/"):
            return None, path
        parts = path.split("/", 5)
        if len(parts) < 5 or not all(parts[2:5]):
            raise NotFound("A service's path is /run/PROJECT/LOCATION/NAME/.")
        return ServiceName(*map(unquote, parts[2:5])), "/" + "".join(parts[5:])

    async def _api(self, request: HttpRequest, body: Body) -> Reply:
        caller = self._doors.callers.caller(request.headers)
        key = idempotency_key(request.headers)
        if key is not None:
            caller = replace(caller, idempotency_key=key)
        try:
            whole = await body.whole(request.headers.get("content-length"), self._body_max(request))
        except BodyTooLarge as error:
            refusal = error_response(error, 413)
            # The rest of the body is not read: the connection cannot be used again.
            return replace(refusal, headers={**refusal.headers, "connection": "close"})
        if whole:
            request = replace(request, body=whole)
        if self._doors.extras.covers(request.path):
            return await self._doors.extras.handle(request, caller)
        return await self._doors.router.handle(request, caller)

    def _body_max(self, request: HttpRequest) -> int:
        """Return how long a body may be; the method is looked up only where it could make a difference."""
        length = request.headers.get("content-length", "")
        if request.method != "POST" or (length.isdecimal() and int(length) <= BODY_MAX):
            return BODY_MAX
        return self._doors.router.body_max(request.method, request.path)

    async def _send_stream(self, reply: StreamedResponse, body: Body, send: Send, path: str) -> None:
        """Send a reply in pieces until it ends, breaks, or the client goes away."""
        sending = asyncio.create_task(_send_pieces(reply, send))
        leaving = asyncio.create_task(body.disconnected())
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            results = await asyncio.gather(sending, leaving, return_exceptions=True)
        for error in results:
            if isinstance(error, Exception):
                # The status is sent, so the client learns of it only by the connection breaking off.
                self._events.emit("response.broken", "WARNING", path=path, error=repr(error))


async def _while_connected(body: Body, reply: Coroutine[None, None, StreamedResponse]) -> StreamedResponse:
    """Return the reply, unless the client goes away before it: then the instance need not go on.

    Raises:
        Cancelled: The client went away.

    """
    answering = asyncio.ensure_future(reply)
    leaving = asyncio.ensure_future(body.disconnected())
    try:
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if answering.done():
            return answering.result()
        raise Cancelled("The client went away.")
    finally:
        for task in (answering, leaving):
            task.cancel()
        await asyncio.gather(answering, leaving, return_exceptions=True)


def without_hop_by_hop(headers: Iterable[tuple[str, str]]) -> Headers:
    """Return the headers that concern more than one connection."""
    return tuple((name, value) for name, value in headers if name not in HOP_BY_HOP)


def _decoded(raw: Iterable[tuple[bytes, bytes]]) -> tuple[Headers, int]:
    """Return the headers as text, and how many bytes they have."""
    headers, size = [], 0
    for name, value in raw:
        size += len(name) + len(value)
        headers.append((name.decode("latin-1"), value.decode("latin-1")))
    return tuple(headers), size


def _all(headers: Headers, wanted: str) -> list[str]:
    return [value for name, value in headers if name == wanted]


def _joined(headers: Headers) -> Mapping[str, str]:
    joined: dict[str, str] = {}
    for name, value in headers:
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def idempotency_key(headers: Mapping[str, str]) -> str | None:
    """Return the ``Idempotency-Key`` of a call, if any.

    Raises:
        InvalidArgument: It is too long, or has other characters than visible ASCII.

    """
    key = headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= IDEMPOTENCY_KEY_MAX or not all("!" <= letter <= "~" for letter in key):
        raise InvalidArgument(
            f"Idempotency-Key: must have 1 to {IDEMPOTENCY_KEY_MAX} visible ASCII characters, without spaces."
        )
    return key


async def _send_whole(reply: HttpResponse, send: Send) -> None:
    headers = {**COMMON, **reply.headers, "content-length": str(len(reply.body))}
    await send({"type": "http.response.start", "status": reply.status, "headers": _encoded(headers.items())})
    await send({"type": "http.response.body", "body": reply.body})


async def _send_pieces(reply: StreamedResponse, send: Send) -> None:
    headers = _encoded(without_hop_by_hop(reply.headers))
    try:
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        async for piece in reply.chunks:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        await closed(reply)


def _encoded(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
