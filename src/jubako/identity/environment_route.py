"""``GET /jubako/v1/environment?project=P&location=L&serviceAccount=A``: what ``jubako env`` and ``exec`` ask for."""

from collections.abc import Mapping

import msgspec

from jubako.core.names import LOCATION
from jubako.identity.environment import CONFLICTING
from jubako.identity.homes import Homes
from jubako.wire.binding import parse_query
from jubako.wire.errors import JSON_TYPE
from jubako.wire.extras import Extra
from jubako.wire.http import HttpRequest, HttpResponse
from jubako.wire.method import Caller

TEMPLATE = "/jubako/v1/environment"
PERMISSION = "jubako.environment.get"


class EnvironmentRoute:
    """See the module."""

    def __init__(self, homes: Homes) -> None:
        self._homes = homes

    def routes(self) -> list[Extra]:
        """Return the route."""
        return [Extra(verb="GET", template=TEMPLATE, permission=PERMISSION, handler=self.get)]

    async def get(self, request: HttpRequest, variables: Mapping[str, str], caller: Caller) -> HttpResponse:
        """Return ``{"set": {NAME: VALUE}, "unset": [NAME]}``.

        Raises:
            InvalidArgument: A parameter is missing or malformed.

        """
        del variables, caller
        query = dict(parse_query(request.query))
        parent = f"projects/{query.get('project', '')}/locations/{query.get('location', '')}"
        place = LOCATION.parse(parent, "project and location")
        account = query.get("serviceAccount", "")
        found = await self._homes.environment(place["project"], place["location"], account)
        body = msgspec.json.encode({"set": found, "unset": CONFLICTING})
        return HttpResponse(status=200, headers={"content-type": JSON_TYPE}, body=body)
