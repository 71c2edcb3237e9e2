"""Where the APIs' descriptions are served: as Google does, and one OpenAPI document for all."""

from collections.abc import Mapping, Sequence

import msgspec

from jubako.wire.addresses import host_name
from jubako.wire.binding import parse_query
from jubako.wire.discovery import by_document, discovery_document, find
from jubako.wire.errors import JSON_TYPE
from jubako.wire.extras import Extra
from jubako.wire.http import HttpRequest, HttpResponse
from jubako.wire.method import Api, Caller
from jubako.wire.openapi import openapi_document

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_PERMISSION = "jubako.documents.get"


class DiscoveryRoutes:
    """Answers from the method tables; nothing is made before it is asked for."""

    def __init__(self, apis: Sequence[Api], base_url: str) -> None:
        self._apis = apis
        self._base_url = base_url

    def routes(self) -> list[Extra]:
        """Return the routes."""
        handlers = {
            "/$discovery/rest": self._rest,
            "/discovery/v1/apis": self._list,
            "/discovery/v1/apis/{api}/{version}/rest": self._named,
            "/jubako/v1/openapi.json": self._openapi,
        }
        return [
            Extra(verb="GET", template=template, permission=_PERMISSION, handler=handler)
            for template, handler in handlers.items()
        ]

    async def _rest(
        self, request: HttpRequest, _variables: Mapping[str, str], _caller: Caller
    ) -> HttpResponse:
        """``version`` chooses; ``api`` too, where the host name does not say which API is meant."""
        query = dict(parse_query(request.query))
        host = host_name(request.headers.get("host", ""))
        host = "" if host in _LOOPBACK else host
        document, tables = find(self._apis, query.get("api", ""), query.get("version", ""), host)
        return _reply(discovery_document(document, tables, self._base_url))

    async def _named(
        self, _request: HttpRequest, variables: Mapping[str, str], _caller: Caller
    ) -> HttpResponse:
        document, tables = find(self._apis, variables["api"], variables["version"], "")
        return _reply(discovery_document(document, tables, self._base_url))

    async def _list(
        self, _request: HttpRequest, _variables: Mapping[str, str], _caller: Caller
    ) -> HttpResponse:
        items = [
            {
                "kind": "discovery#directoryItem",
                "id": f"{name}:{version}",
                "name": name,
                "version": version,
                "discoveryRestUrl": f"{self._base_url}/discovery/v1/apis/{name}/{version}/rest",
            }
            for name, version in by_document(self._apis)
        ]
        return _reply({"kind": "discovery#directoryList", "discoveryVersion": "v1", "items": items})

    async def _openapi(
        self, _request: HttpRequest, _variables: Mapping[str, str], _caller: Caller
    ) -> HttpResponse:
        return _reply(openapi_document(self._apis, self._base_url))


def _reply(document: object) -> HttpResponse:
    return HttpResponse(status=200, headers={"content-type": JSON_TYPE}, body=msgspec.json.encode(document))
