"""The second kind of API route: JSON documents without a schema, as Google's older APIs have them.

Cloud Run v1 (Kubernetes-shaped), Cloud Logging's entries, Service Usage and Resource Manager are served so. A route has
a permission as a method has one, is matched by the same templates, and is host-aware: a regional name such as
``asia-northeast1-run.googleapis.com`` says the location that the path does not.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from jubako.core.errors import PermissionDenied
from jubako.wire.addresses import host_name
from jubako.wire.binding import parse_query
from jubako.wire.body import BIG_BODY
from jubako.wire.codec import invalid, parse
from jubako.wire.dispatch import Access
from jubako.wire.errors import JSON_TYPE
from jubako.wire.http import HttpRequest, HttpResponse
from jubako.wire.method import Caller, DocumentRequest, DocumentRoute
from jubako.wire.resources import resource_of_path
from jubako.wire.template import Template, parse_template, split_path

_GOOGLE = ".googleapis.com"


class Documents:
    """All such routes; the router asks them where no method lives."""

    def __init__(self, routes: Sequence[DocumentRoute], access: Access) -> None:
        self._access = access
        self._routes = [(parse_template(route.template), route) for route in routes]

    def templates(self) -> list[tuple[str, Template]]:
        """Return verb and template of every route, for the router's check that no path means two things."""
        return [(route.verb, template) for template, route in self._routes]

    def ways(self) -> list[tuple[str, str]]:
        """Return verb and path template of every route as they are written."""
        return [(route.verb, route.template) for _, route in self._routes]

    def find(self, path: str) -> dict[str, DocumentRoute]:
        """Return the routes at a path by their verbs."""
        segments, verb = split_path(path)
        found = {}
        for template, route in self._routes:
            is_here = len(segments) == len(template.segments) and verb == template.verb
            if is_here and template.match(segments):
                found[route.verb] = route
        return found

    async def answer(self, route: DocumentRoute, request: HttpRequest, caller: Caller) -> HttpResponse:
        """Return the reply of a route.

        Raises:
            PermissionDenied: The caller may not.
            JubakoError: Whatever the handler raised.

        """
        if not route.permission:
            raise PermissionDenied("This route is open to nobody.")
        location = location_of(request.headers.get("host", ""))
        await self._access.check(route.permission, caller, resource_of_path(request.path, location))
        body = await _parsed(request.body) if request.body.strip() else {}
        if not isinstance(body, dict):
            raise invalid("", "is not a JSON object.")
        reply = await route.handler(
            DocumentRequest(
                variables=parse_template(route.template).bind(split_path(request.path)[0]),
                query=dict(parse_query(request.query)),
                body=body,
                location=location,
                agent=request.headers.get("user-agent", ""),
            ),
            caller,
        )
        return HttpResponse(status=200, headers={"content-type": JSON_TYPE}, body=msgspec.json.encode(reply))


async def _parsed(body: bytes) -> Any:  # noqa: ANN401 - any JSON value
    return await asyncio.to_thread(parse, body) if len(body) > BIG_BODY else parse(body)


def location_of(authority: str) -> str | None:
    """Return the location in the regional form of an API's name: LOCATION-run.googleapis.com; None if it says none."""
    name = host_name(authority)
    if not name.endswith(_GOOGLE):
        return None
    stem = name.removesuffix(_GOOGLE)
    location, dash, _ = stem.rpartition("-")
    return location if dash and "." not in stem else None


def refuse_overlaps(
    documents: Sequence[tuple[str, Template]], methods: Sequence[tuple[str, Template]]
) -> None:
    """Assert that no path and verb is meant by a document and something else."""
    for at, (verb, template) in enumerate(documents):
        for other_verb, other in (*documents[at + 1 :], *methods):
            assert verb != other_verb or not template.overlaps(other), (verb, template, other)
