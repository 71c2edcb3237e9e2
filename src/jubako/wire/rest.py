"""REST transcoding: the router over any number of APIs. It needs no socket."""

import asyncio
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations

from jubako.core.errors import NotFound, Unimplemented
from jubako.core.events import Events
from jubako.wire.answers import Answer
from jubako.wire.binding import bind, parse_query, wants_enum_numbers
from jubako.wire.body import BIG_BODY, BODY_MAX
from jubako.wire.codec import encode
from jubako.wire.dispatch import Access, Dispatch, Question
from jubako.wire.documents import Documents, refuse_overlaps
from jubako.wire.errors import JSON_TYPE, error_response, supervised
from jubako.wire.http import HttpRequest, HttpResponse
from jubako.wire.json_in import shown
from jubako.wire.method import Api, Caller, DocumentRoute, HttpRule, Method
from jubako.wire.resources import resource_of_segments
from jubako.wire.template import Template, parse_template, split_path

_METHOD_NOT_ALLOWED = 405


@dataclass(frozen=True, slots=True)
class Route:
    """One HTTP rule of one method."""

    template: Template
    rule: HttpRule
    method: Method


class Router:
    """Answers the requests of all APIs given to it."""

    def __init__(self, apis: Sequence[Api], access: Access, events: Events) -> None:
        self._dispatch = Dispatch(apis, access)
        self._documents = Documents([route for api in apis for route in api.documents], access)
        self._events = events
        self._routes: dict[tuple[int, str], list[Route]] = {}
        for api in apis:
            for method in api.methods:
                for rule in method.http:
                    route = Route(parse_template(rule.path), rule, method)
                    self._routes.setdefault((len(route.template.segments), route.template.verb), []).append(
                        route
                    )
        for bucket in self._routes.values():
            _refuse_ambiguity(bucket)
        refuse_overlaps(
            self._documents.templates(),
            [(route.rule.verb, route.template) for bucket in self._routes.values() for route in bucket],
        )

    def ways(self) -> list[tuple[str, str]]:
        """Return verb and path template of everything that is served."""
        routes = [route for bucket in self._routes.values() for route in bucket]
        return [(route.rule.verb, route.rule.path) for route in routes] + self._documents.ways()

    def matches(self, path: str) -> bool:
        """Return whether something is served at this path, whatever the verb."""
        return bool(self._at(*split_path(path)) or self._documents.find(path))

    def body_max(self, verb: str, path: str) -> int:
        """Return how many bytes the body of a request may have."""
        at = [route.method.body_max for route in self._at(*split_path(path)) if route.rule.verb == verb]
        return max(at, default=BODY_MAX)

    def known(self, target: str) -> Answer | None:
        """Return the answer that ``GET target`` without a body got before; whether it is right, ``again`` says."""
        return self._dispatch.known(target)

    def again(self, target: str) -> HttpResponse | None:
        """Return the reply to ``GET target`` without a body if it is known; the caller's permission was looked at."""
        body = self._dispatch.again(target)
        return None if body is None else answered(body)

    async def handle(self, request: HttpRequest, caller: Caller) -> HttpResponse:
        """Return the reply to one request; never raises."""
        segments, verb = split_path(request.path)
        route = self._find(request, self._at(segments, verb))
        if isinstance(route, HttpResponse):
            return route
        if isinstance(route, DocumentRoute):
            answer = self._documents.answer(route, request, caller)
            return await supervised(self._events, f"{route.verb} {route.template}", answer)
        return await supervised(
            self._events, route.method.name, self._answer(route, segments, request, caller)
        )

    async def _answer(
        self, route: Route, segments: tuple[str, ...], request: HttpRequest, caller: Caller
    ) -> HttpResponse:
        method, resource = route.method, resource_of_segments(segments)
        await self._dispatch.authorise(method, caller, resource)
        asked = _asked(request)
        if (known := self._dispatch.again(asked)) is not None:
            return answered(known)
        query = parse_query(request.query) if request.query else []
        variables = route.template.bind(segments)
        if len(request.body) > BIG_BODY:
            message = await asyncio.to_thread(
                bind, method.request, route.rule, request.body, query, variables
            )
        else:
            message = bind(method.request, route.rule, request.body, query, variables)
        question = Question(
            asked=asked,
            method=method,
            resource=resource,
            request=message,
            encode=partial(encode, enum_as_int=wants_enum_numbers(query)),
        )
        return answered(await self._dispatch.answer(question, caller))

    def _at(self, segments: tuple[str, ...], verb: str) -> list[Route]:
        return [r for r in self._routes.get((len(segments), verb), ()) if r.template.match(segments)]

    def _find(self, request: HttpRequest, routes: Sequence[Route]) -> Route | DocumentRoute | HttpResponse:
        for route in routes:
            if route.rule.verb == request.method:
                return route
        documents = self._documents.find(request.path)
        if request.method in documents:
            return documents[request.method]
        if not routes and not documents:
            return error_response(NotFound(f"Nothing is served at {shown(request.path)}."))
        answered = {route.rule.verb for route in routes if self._dispatch.answers(route.method)}
        verbs = ", ".join(sorted(answered | documents.keys()))
        error = Unimplemented(f"{shown(request.method)} is not served at this path; it takes {verbs}.")
        refusal = error_response(error, _METHOD_NOT_ALLOWED)
        return replace(refusal, headers={**refusal.headers, "allow": verbs})


def answered(body: bytes) -> HttpResponse:
    """Return the reply that carries a method's response."""
    return HttpResponse(status=200, headers={"content-type": JSON_TYPE}, body=body)


def _asked(request: HttpRequest) -> Hashable:
    """Return what decides how a request is answered: of one that most often is the first to be known, its target."""
    target = f"{request.path}?{request.query}" if request.query else request.path
    return target if request.method == "GET" and not request.body else (request.method, target, request.body)


def _refuse_ambiguity(bucket: Sequence[Route]) -> None:
    for one, other in combinations(bucket, 2):
        if one.rule.verb == other.rule.verb and one.template.overlaps(other.template):
            raise AssertionError(
                f"{one.rule} of {one.method.name} and {other.rule} of {other.method.name} overlap"
            )
