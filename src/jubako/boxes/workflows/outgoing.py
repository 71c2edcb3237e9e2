"""The way out, as this box needs it; the egress of wire is it."""

from collections.abc import Callable
from typing import Protocol

from jubako.wire.egress import Call
from jubako.wire.http import HttpResponse
from jubako.wire.method import Caller
from jubako.wire.outbound import Answered
from jubako.wire.sending import Cancellable

Begin = Callable[[Call, Caller, Answered], Cancellable | None]
"""Sends like ``Outgoing.send``, without a task, what can be sent so, and returns None for what cannot.

The reply, or what ``send`` would raise, is told later. What can be sent in no way may raise an EgressError at once.
"""


class Outgoing(Protocol):
    """Sends HTTP requests."""

    async def send(self, call: Call, caller: Caller) -> HttpResponse:
        """Return the reply; names that are ours are answered in process for ``caller``.

        Raises:
            EgressError: There was no (whole) reply; its class says why.

        """
        ...
