"""The way out, as this box needs it; the egress of wire is it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol

from jubako.wire.http import HttpResponse
from jubako.wire.method import Caller


class Outgoing(Protocol):
    """Sends HTTP requests."""

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes,
        limit: timedelta,
        caller: Caller,
    ) -> HttpResponse:
        """Return the reply; names that are ours are answered in process for ``caller``.

        Raises:
            JubakoError: There was no (whole) reply; an attribute ``tag``, if any, is the workflow language's tag.

        """
        ...
