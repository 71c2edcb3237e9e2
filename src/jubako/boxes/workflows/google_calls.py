"""Connectors of services that this server does not play: calls to the real Google, where that is switched on.

1. How a method is called is read from Google's discovery document; with whose rights, the operator has said.
2. Google keeps no idempotency keys. Where a method takes a ``requestId``, it is made from the effect's key, so that
   a call repeated after a crash starts nothing twice; any other may be made twice then.
3. Credentials go to Google's hosts alone: an operation that says that it is elsewhere is not looked at.

Source: cloud.google.com/workflows/docs/connectors.
"""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from jubako.boxes.workflows.connectors import ConnectorRequest
from jubako.boxes.workflows.language import Problem, Program, SourceRefused
from jubako.core.errors import Unavailable
from jubako.identity.google_credentials import GoogleCredentials
from jubako.wire.google_discovery import Discovery, DiscoveryFailed, GoogleMethod

_REQUEST_ID = "requestId"
_ASIDE = frozenset({"body", "connector_params"})
_NAMESPACE = uuid.UUID("7d1f3b1e-6f0c-5d65-9c5e-1f3a3c0a7a51")


class GoogleCalls:
    """See the module."""

    def __init__(self, discovery: Discovery, credentials: GoogleCredentials) -> None:
        self._discovery = discovery
        self._credentials = credentials

    async def problem(self, name: str) -> str:
        """Return why a connector cannot be called, "" if it can.

        Raises:
            Unavailable: Google cannot be asked.

        """
        try:
            await self._discovery.method(name)
        except DiscoveryFailed as failed:
            if failed.is_passing:
                raise Unavailable(f"{failed}.") from failed
            return str(failed)
        return ""

    async def method(self, name: str) -> GoogleMethod:
        """Return how a connector is called.

        Raises:
            DiscoveryFailed: It cannot be found.

        """
        return await self._discovery.method(name)

    def request(self, method: GoogleMethod, args: Mapping[str, Any], key: str) -> ConnectorRequest:
        """Return the request of a call, whose effect has the idempotency key ``key``.

        Raises:
            ValueError: The arguments do not fit.

        """
        given = {name: value for name, value in args.items() if name not in _ASIDE}
        if _REQUEST_ID in method.parameters and method.verb != "GET":
            given.setdefault(_REQUEST_ID, str(uuid.uuid5(_NAMESPACE, key)))
        return ConnectorRequest(method.verb, method.url(given), args.get("body"))

    async def authorized(self, request: ConnectorRequest) -> ConnectorRequest:
        """Return a request with credentials.

        Raises:
            NoGoogleToken: There are none now.

        """
        return replace(request, headers=await self._credentials.headers())


async def check_foreign(program: Program, own: frozenset[str], google: GoogleCalls) -> None:
    """Look up the connectors of a program that are not our own.

    Raises:
        SourceRefused: Google does not have one of them.
        Unavailable: Google cannot be asked.

    """
    problems: list[Problem] = []
    for name in program.connectors:
        if name not in own and (told := await google.problem(name)):
            problems += _problems(program, name, told)
    if problems:
        raise SourceRefused(problems)


def _problems(program: Program, name: str, told: str) -> Iterator[Problem]:
    """Yield a problem for each step that calls the connector."""
    what, _, has = told.partition("; ")
    for unit in program.units.values():
        for where in dict.fromkeys(unit.wheres):
            if where.callee == name:
                fix = has or "see Google's reference of connectors"
                yield Problem(where.line, where.column, where.step, f"unknown connector {name}: {what}", fix)
