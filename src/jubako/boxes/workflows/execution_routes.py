"""Routes about executions that Google's API has no word for.

``POST /jubako/v1/EXECUTION:wait`` (body ``{"timeout": "30s"}``, the default and at most one minute): the Execution
once it has ended, or as it is when the time is over. So a client learns the end at once, without polling.

``GET /jubako/v1/EXECUTION:timeline``: the chart of timeline.py. ``GET /jubako/v1/EXECUTION:steps?rows=N``: the newest N
step entries and those around them, as a tree for a screen of so many rows. ``GET /jubako/v1/EXECUTION:limits``: the
limits of which the execution has used 80 % or more, each with the step at which that showed.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any

from jubako.boxes.workflows.gauge import near_argument
from jubako.boxes.workflows.histories import Histories, Past
from jubako.boxes.workflows.language.dependence import read_source
from jubako.boxes.workflows.running import WAIT_MAX, until_ended
from jubako.boxes.workflows.step_tree import newest
from jubako.boxes.workflows.timeline import timeline
from jubako.core.clock import Clock
from jubako.store.port import Store
from jubako.wire import codec
from jubako.wire.binding import parse_query
from jubako.wire.extras import Extra
from jubako.wire.http import HttpRequest, HttpResponse
from jubako.wire.method import Caller
from jubako.wire.schema import Field, Message

WAIT_DEFAULT = timedelta(seconds=30)
ROWS = 100
_NAME = "/jubako/v1/{name=projects/*/locations/*/workflows/*/executions/*}"
_JSON = {"content-type": "application/json; charset=UTF-8"}


class WaitRequest(Message):
    """The body of ``:wait``."""

    __proto__ = "jubako.v1.WaitExecutionRequest"

    timeout: Annotated[timedelta | None, Field(1)] = None


class ExecutionRoutes:
    """Serves the routes above."""

    def __init__(self, store: Store, clock: Clock, wall: Clock, histories: Histories) -> None:
        """``clock`` is the time of executions, ``wall`` that of the people who wait."""
        self._store = store
        self._clock = clock
        self._wall = wall
        self._histories = histories

    def routes(self) -> list[Extra]:
        """Return the routes."""
        permission = "workflows.executions.get"
        return [
            Extra(verb="POST", template=f"{_NAME}:wait", permission=permission, handler=self.wait),
            Extra(verb="GET", template=f"{_NAME}:timeline", permission=permission, handler=self.timeline),
            Extra(verb="GET", template=f"{_NAME}:steps", permission=permission, handler=self.steps),
            Extra(verb="GET", template=f"{_NAME}:limits", permission=permission, handler=self.limits),
        ]

    async def wait(self, request: HttpRequest, variables: Mapping[str, str], caller: Caller) -> HttpResponse:  # noqa: ARG002
        """Answer ``:wait``."""
        name = variables["name"]
        body = codec.decode(WaitRequest, request.body or b"{}")
        patience = min(body.timeout if body.timeout is not None else WAIT_DEFAULT, WAIT_MAX)
        execution = await until_ended(self._store, self._wall, name, self._wall.now() + patience)
        return HttpResponse(status=200, headers=_JSON, body=codec.encode(execution))

    async def timeline(
        self,
        request: HttpRequest,  # noqa: ARG002
        variables: Mapping[str, str],
        caller: Caller,  # noqa: ARG002
    ) -> HttpResponse:
        """Answer ``:timeline``."""
        past = await self._histories.of(variables["name"])
        chart = await asyncio.to_thread(_chart, past, self._clock.now())
        return _reply({"execution": past.execution.name, "state": past.execution.state.name, **chart})

    async def steps(self, request: HttpRequest, variables: Mapping[str, str], caller: Caller) -> HttpResponse:  # noqa: ARG002
        """Answer ``:steps``."""
        rows = dict(parse_query(request.query)).get("rows", "")
        past = await self._histories.of(variables["name"])
        now = past.execution.end_time or self._clock.now()
        return _reply({"steps": newest(past.history, int(rows) if rows.isdecimal() else ROWS, now)})

    async def limits(
        self,
        request: HttpRequest,  # noqa: ARG002
        variables: Mapping[str, str],
        caller: Caller,  # noqa: ARG002
    ) -> HttpResponse:
        """Answer ``:limits``."""
        past = await self._histories.of(variables["name"])
        near = [
            *near_argument(past.execution.argument or ""),
            *(past.history.near if past.history is not None else ()),
        ]
        return _reply({"near": [asdict(one) for one in near]})


def _chart(past: Past, now: datetime) -> dict[str, Any]:
    begin, end = past.execution.start_time or now, past.execution.end_time or now
    return timeline(read_source(past.workflow.source_contents or ""), past.history, begin, end)


def _reply(document: dict[str, Any]) -> HttpResponse:
    return HttpResponse(status=200, headers=_JSON, body=json.dumps(document, ensure_ascii=False).encode())
