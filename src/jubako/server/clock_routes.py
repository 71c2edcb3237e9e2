"""``GET /jubako/v1/clock`` tells the server's time; ``POST /jubako/v1/clock:advance`` lets some of it pass."""

import json
from collections.abc import Mapping
from datetime import timedelta

from jubako.core.clock import Clock
from jubako.core.errors import FailedPrecondition
from jubako.core.timestamps import format_duration, format_timestamp, parse_duration
from jubako.server.timekeeper import Timekeeper
from jubako.wire.codec import invalid, parse
from jubako.wire.extras import Extra
from jubako.wire.http import HttpRequest, HttpResponse
from jubako.wire.method import Caller

ADVANCE_MAX = timedelta(days=36_525)


class ClockRoutes:
    """Serves them; without a timekeeper the clock is the machine's."""

    def __init__(self, clock: Clock, wall: Clock, timekeeper: Timekeeper | None) -> None:
        self._clock = clock
        self._wall = wall
        self._timekeeper = timekeeper

    def routes(self) -> list[Extra]:
        """Return the routes."""
        return [
            Extra(verb="GET", template="/jubako/v1/clock", permission="jubako.clock.get", handler=self.show),
            Extra(
                verb="POST",
                template="/jubako/v1/clock:advance",
                permission="jubako.clock.advance",
                handler=self.advance,
            ),
        ]

    async def show(self, request: HttpRequest, variables: Mapping[str, str], caller: Caller) -> HttpResponse:  # noqa: ARG002
        """Tell the time, how it goes, and when it would jump to next."""
        keeper = self._timekeeper
        mode = "real" if keeper is None else "virtual" if keeper.runs_by_itself else "manual"
        told = {
            "now": format_timestamp(self._clock.now()),
            "mode": mode,
            "ahead": format_duration(
                self._clock.now() - self._wall.now() if keeper is not None else timedelta()
            ),
        }
        due = await keeper.next_due() if keeper is not None else None
        if due is not None:
            told["nextDue"] = format_timestamp(due)
        return HttpResponse(
            status=200, headers={"content-type": "application/json"}, body=json.dumps(told).encode()
        )

    async def advance(
        self, request: HttpRequest, variables: Mapping[str, str], caller: Caller
    ) -> HttpResponse:
        """Let the ``duration`` of the body pass."""
        if self._timekeeper is None:
            raise FailedPrecondition(
                "The server's clock is the machine's; start it with --clock manual or --clock virtual."
            )
        body = parse(request.body or b"{}")
        given = body.get("duration") if isinstance(body, dict) else None
        duration = parse_duration(given if isinstance(given, str) else "", "duration")
        if not timedelta() <= duration <= ADVANCE_MAX:
            raise invalid("duration", f"must be between 0 and {ADVANCE_MAX.days} days.")
        await self._timekeeper.advance(duration)
        return await self.show(request, variables, caller)
