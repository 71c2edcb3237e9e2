"""The one way out: every HTTP call that a workflow step, a schedule or a trigger makes.

1. Google's API names and the names of deployed services are ours: such a call is answered in this process, with the
   identity of whoever makes it.
2. Everything else is a real HTTP call under the address rules (wire/outbound.py), one time limit for all of it, and a
   limit on the answer.
3. A redirect is followed like a new call. It may lead to one of our names only from that same name, because the
   caller's identity must not be lent to what another server wrote.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from http import HTTPStatus

from jubako.core.errors import JubakoError
from jubako.wire.addresses import is_api_host, is_service_host
from jubako.wire.errors import error_response
from jubako.wire.gateway import ServiceCall, ServiceGateway
from jubako.wire.http import HttpRequest, HttpResponse, closed
from jubako.wire.method import Caller
from jubako.wire.outbound import (
    Answered,
    CallTimeout,
    Outbound,
    RefusedAddress,
    ResponseTooLarge,
    Url,
    parse_url,
)
from jubako.wire.rest import Router
from jubako.wire.sending import Sending

RESPONSE_MAX = 2 * 1024 * 1024
"""Bytes of an answer. Source: Workflows, "Quotas and limits", HTTP response size (2 MB)."""
REDIRECTS_MAX = 5
_REDIRECTS = {301, 302, 303, 307, 308}
_KEEPS_METHOD = {307, 308}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One outgoing request."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    body: bytes = b""
    timeout: timedelta = timedelta(minutes=5)
    """For all of it: name look-up, connection, redirects, answer."""
    redirects_max: int = REDIRECTS_MAX


class Egress:
    """Makes outgoing calls."""

    def __init__(
        self, router: Router, gateway: ServiceGateway, api_hosts: frozenset[str], outbound: Outbound
    ) -> None:
        self._router = router
        self._gateway = gateway
        self._api_hosts = api_hosts
        self._outbound = outbound

    async def send(self, call: Call, caller: Caller) -> HttpResponse:
        """Return the answer, whatever its status.

        Raises:
            InvalidCall: No such method, URL or header can be sent.
            RefusedAddress: The address is one that may not be called.
            ConnectionFailed: No connection came about: the request did not reach anybody.
            ConnectionBroken: The connection broke off; the request may have taken effect.
            CallTimeout: The time was over; the request may have taken effect.
            ResponseTooLarge: The answer has more than RESPONSE_MAX bytes.

        """
        try:
            async with asyncio.timeout(call.timeout.total_seconds()):
                return await self._follow(call, caller)
        except TimeoutError:
            raise _late(call) from None

    def begin(self, call: Call, caller: Caller, answered: Answered) -> Sending | None:
        """Do what ``send`` does without a task, if the call is for the outside; else return None.

        ``answered`` is called later, once, with what ``send`` returns or raises.

        Raises:
            InvalidCall: See ``send``.

        """
        url = parse_url(call.url)
        if self._is_ours(url):
            return None

        def arrived(found: HttpResponse | Exception) -> None:
            if isinstance(found, HttpResponse) and _leads_on(found) and call.redirects_max:
                sending.follow(self._follow(call, caller, found))
            else:
                sending.tell(found)

        sending = Sending(answered, call.timeout.total_seconds(), partial(_late, call))
        sending.through(
            self._outbound.begin(call.method, url, call.headers, call.body, RESPONSE_MAX, arrived)
        )
        return sending

    async def close(self) -> None:
        """Close idle connections. Safe to call twice."""
        await self._outbound.close()

    async def _follow(self, call: Call, caller: Caller, first: HttpResponse | None = None) -> HttpResponse:
        """Return what a call leads to; ``first`` is its own answer, if it has one already."""
        url = parse_url(call.url)
        for _ in range(call.redirects_max):
            response, first = first or await self._once(call, url, caller), None
            if not _leads_on(response):
                return response
            target = url.join(response.headers["location"])
            if self._is_ours(target) and target.host != url.host:
                raise RefusedAddress(
                    f"{url.host} redirected to {target.host}, which is one of this server's own names."
                )
            call, url = _redirected(call, response.status, url, target), target
        return await self._once(call, url, caller)

    async def _once(self, call: Call, url: Url, caller: Caller) -> HttpResponse:
        if url.has_usual_port and is_api_host(url.host, self._api_hosts):
            return await self._api(call, url, caller)
        if url.has_usual_port and is_service_host(url.host):
            service = await self._gateway.locate(url.host)
            if service is not None:
                headers = tuple(call.headers.items())
                return await self._service(
                    ServiceCall(
                        service=service,
                        method=call.method,
                        path=url.path,
                        query=url.query,
                        headers=headers,
                        body=_once_only(call.body),
                        caller=caller,
                    )
                )
        return await self._outbound.send(call.method, url, call.headers, call.body, RESPONSE_MAX)

    def _is_ours(self, url: Url) -> bool:
        return is_api_host(url.host, self._api_hosts) or is_service_host(url.host)

    async def _api(self, call: Call, url: Url, caller: Caller) -> HttpResponse:
        # A regional name says the location of paths that do not (wire/documents.py).
        headers = {**call.headers, "host": url.host}
        request = HttpRequest(
            method=call.method, path=url.path, query=url.query, headers=headers, body=call.body
        )
        response = await self._router.handle(request, caller)
        if len(response.body) > RESPONSE_MAX:
            raise ResponseTooLarge(f"The answer of {url.host} is larger than {RESPONSE_MAX} bytes.")
        return response

    async def _service(self, service_call: ServiceCall) -> HttpResponse:
        try:
            reply = await self._gateway.forward(service_call)
        except JubakoError as error:
            return error_response(error)
        pieces, size = [], 0
        try:
            async for piece in reply.chunks:
                size += len(piece)
                if size > RESPONSE_MAX:
                    raise ResponseTooLarge(
                        f"The answer of {service_call.service} is larger than {RESPONSE_MAX} bytes."
                    )
                pieces.append(piece)
        finally:
            await closed(reply)  # else the instance is held until its request time-out
        return HttpResponse(status=reply.status, headers=dict(reply.headers), body=b"".join(pieces))


def _leads_on(response: HttpResponse) -> bool:
    return response.status in _REDIRECTS and bool(response.headers.get("location"))


def _late(call: Call) -> CallTimeout:
    return CallTimeout(f"{call.method} {call.url} took longer than {call.timeout.total_seconds():g} s.")


async def _once_only(body: bytes) -> AsyncIterator[bytes]:
    if body:
        yield body


def _redirected(call: Call, status: int, url: Url, target: Url) -> Call:
    """Return the call that follows a redirect. Source: RFC 9110, 15.4."""
    headers = dict(call.headers)
    if (target.scheme, target.host, target.port) != (url.scheme, url.host, url.port):
        for name in ("authorization", "cookie", "x-serverless-authorization"):
            headers.pop(name, None)
    becomes_get = status == HTTPStatus.SEE_OTHER or call.method == "POST"
    if status in _KEEPS_METHOD or not becomes_get or call.method == "HEAD":
        return replace(call, headers=headers)
    headers.pop("content-type", None)
    return replace(call, method="GET", headers=headers, body=b"")
