"""The way out, as this box needs it; the egress of wire is it."""

from typing import Protocol

from jubako.wire.egress import Call
from jubako.wire.http import HttpResponse
from jubako.wire.method import Caller


class Outgoing(Protocol):
    """Sends HTTP requests."""

    async def send(self, call: Call, caller: Caller) -> HttpResponse:
        """Return the reply; names that are ours are answered in process for ``caller``.

        Raises:
            EgressError: There was no (whole) reply; its class says why.

        """
        ...
