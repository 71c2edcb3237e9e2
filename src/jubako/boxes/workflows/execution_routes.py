"""Routes about executions that Google's API has no word for.

``POST /jubako/v1/EXECUTION:wait`` (body ``{"timeout": "30s"}``, the default and at most one minute): the Execution
once it has ended, or as it is when the time is over. So a client learns the end at once, without polling.
"""

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

from jubako.boxes.workflows import execution_rows
from jubako.boxes.workflows.history import replay
from jubako.boxes.workflows.history_rows import Told, execution_history
from jubako.boxes.workflows.language import compile_workflow
from jubako.boxes.workflows.language.dependence import read_source
from jubako.boxes.workflows.resources import Execution
from jubako.boxes.workflows.seat import decode_outcome
from jubako.boxes.workflows.states import FINAL, State
from jubako.boxes.workflows.timeline import timeline
from jubako.core.clock import Clock
from jubako.core.names import WORKFLOW_EXECUTION
from jubako.core.timestamps import to_micros
from jubako.store.port import Store
from jubako.wire import codec
from jubako.wire.extras import Extra
from jubako.wire.http import HttpRequest, HttpResponse
from jubako.wire.method import Caller
from jubako.wire.schema import Field, Message

WAIT_MAX = timedelta(seconds=60)
WAIT_DEFAULT = timedelta(seconds=30)
_NAME = "/jubako/v1/{name=projects/*/locations/*/workflows/*/executions/*}"
_JSON = {"content-type": "application/json; charset=UTF-8"}


class WaitRequest(Message):
    """The body of ``:wait``."""

    __proto__ = "jubako.v1.WaitExecutionRequest"

    timeout: Annotated[timedelta | None, Field(1)] = None


class ExecutionRoutes:
    """Serves the routes above."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def routes(self) -> list[Extra]:
        """Return the routes."""
        permission = "workflows.executions.get"
        return [
            Extra(verb="POST", template=f"{_NAME}:wait", permission=permission, handler=self.wait),
            Extra(verb="GET", template=f"{_NAME}:timeline", permission=permission, handler=self.timeline),
        ]

    async def wait(self, request: HttpRequest, variables: Mapping[str, str], caller: Caller) -> HttpResponse:  # noqa: ARG002
        """Answer ``:wait``."""
        name = variables["name"]
        body = codec.decode(WaitRequest, request.body or b"{}")
        patience = min(body.timeout if body.timeout is not None else WAIT_DEFAULT, WAIT_MAX)
        execution = await self._ended(name, self._clock.now() + patience)
        return HttpResponse(status=200, headers=_JSON, body=codec.encode(execution))

    async def timeline(
        self,
        request: HttpRequest,  # noqa: ARG002
        variables: Mapping[str, str],
        caller: Caller,  # noqa: ARG002
    ) -> HttpResponse:
        """Answer ``:timeline``."""
        told = await self._store.read(lambda tx: execution_history(tx, variables["name"]))
        chart = await asyncio.to_thread(_chart, told, self._clock.now())
        return HttpResponse(status=200, headers=_JSON, body=json.dumps(chart, ensure_ascii=False).encode())

    async def _ended(self, name: str, deadline: datetime) -> Execution:
        topic = execution_rows.execution_topic(WORKFLOW_EXECUTION.parse(name)["execution"])
        with self._store.watch(topic) as watch:
            while True:
                execution = await self._store.read(lambda tx: execution_rows.find_execution(tx, name))
                ended = State(execution.state.name) in FINAL
                if ended or not await watch.wait_until(self._clock, deadline):
                    return execution


def _chart(told: Told, now: datetime) -> dict[str, Any]:
    execution = told.execution
    begin = execution.start_time or now
    outcomes = [(at, decode_outcome(text)) for at, text in told.outcomes]
    history = replay(
        compile_workflow(told.source), json.loads(execution.argument or "null"), to_micros(begin), outcomes
    )
    chart = timeline(read_source(told.source), history, begin, execution.end_time or now)
    return {"execution": execution.name, "state": execution.state.name, **chart}
