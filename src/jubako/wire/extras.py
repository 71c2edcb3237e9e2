"""Routes that are no methods of an API.

What Google has no API for is under ``/jubako/v1/``; what takes any HTTP request, such as the callbacks of a workflow,
is where Google has it.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from jubako.core.errors import NotFound, PermissionDenied
from jubako.wire.binding import parse_query
from jubako.wire.dispatch import Access
from jubako.wire.http import HttpRequest, HttpResponse, StreamedResponse
from jubako.wire.method import Caller
from jubako.wire.resources import resource_of_path
from jubako.wire.template import Template, parse_template, split_path

PREFIX = "/jubako/v1/"
ExtraHandler = Callable[[HttpRequest, Mapping[str, str], Caller], Awaitable[HttpResponse | StreamedResponse]]
"""``await handler(request, variables, caller)``; raises a JubakoError as API handlers do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """One route."""

    verb: str
    template: str
    """Such as ``/jubako/v1/{name=projects/*/locations/*/jobs/*/executions/*}:logs``."""
    permission: str
    """As in the method table: "" lets nobody in."""
    handler: ExtraHandler


class Extras:
    """All such routes."""

    def __init__(self, routes: Sequence[Extra], access: Access) -> None:
        self._access = access
        self._routes = [(parse_template(extra.template), extra) for extra in routes]
        for (one, a), (other, b) in combinations(self._routes, 2):
            assert a.verb != b.verb or not one.overlaps(other), (a.template, b.template)
        self._by_form: dict[tuple[int, str], list[tuple[Template, Extra]]] = {}
        for template, extra in self._routes:
            self._by_form.setdefault((len(template.segments), template.verb), []).append((template, extra))

    def ways(self) -> list[tuple[str, str]]:
        """Return verb and path template of every route."""
        return [(extra.verb, extra.template) for _, extra in self._routes]

    def covers(self, path: str) -> bool:
        """Return whether requests to ``path`` belong here, whatever their method."""
        if path.startswith(PREFIX):
            return True
        return bool(self._at(*split_path(path)))

    async def handle(self, request: HttpRequest, caller: Caller) -> HttpResponse | StreamedResponse:
        """Return the reply of the matching route.

        Raises:
            NotFound: There is none.
            PermissionDenied: The caller may not.
            JubakoError: Whatever the handler raised.

        """
        segments, verb = split_path(request.path)
        for template, extra in self._at(segments, verb):
            if extra.verb == request.method:
                if not extra.permission:
                    raise PermissionDenied("This route is open to nobody.")
                await self._access.check(extra.permission, caller, _resource(request))
                return await extra.handler(request, template.bind(segments), caller)
        raise NotFound("Nothing is served at this path and method.")

    def _at(self, segments: tuple[str, ...], verb: str) -> list[tuple[Template, Extra]]:
        return [one for one in self._by_form.get((len(segments), verb), ()) if one[0].match(segments)]


def _resource(request: HttpRequest) -> str:
    """Return what a request is about: the resource in its path, else the project that its query names."""
    project = dict(parse_query(request.query)).get("project", "")
    return resource_of_path(request.path) or (f"projects/{project}" if project else "")
