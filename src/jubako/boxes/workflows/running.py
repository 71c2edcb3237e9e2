"""Running a workflow in one request: start, wait, result.

``POST /jubako/v1/WORKFLOW:run?timeout=30s`` (30 s is the default, one minute the most) takes the body of
createExecution, and an ``Idempotency-Key`` as that does. It answers with the Execution once it has ended, or as it is
when the time is over; then ``:wait`` goes on.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from jubako.boxes.workflows import execution_rows
from jubako.boxes.workflows.execution_handlers import Executions
from jubako.boxes.workflows.resources import CreateExecutionRequest, Execution
from jubako.boxes.workflows.states import FINAL, State
from jubako.core.clock import Clock
from jubako.core.names import WORKFLOW_EXECUTION
from jubako.core.timestamps import parse_duration
from jubako.store.port import Store, Watch
from jubako.wire import codec
from jubako.wire.binding import parse_query
from jubako.wire.extras import Extra
from jubako.wire.http import HttpRequest, HttpResponse
from jubako.wire.method import Caller

WAIT_MAX = timedelta(seconds=60)
_JSON = {"content-type": "application/json; charset=UTF-8"}


async def until_ended(store: Store, wall: Clock, name: str, deadline: datetime) -> Execution:
    """Return an execution once it has ended, or as it is at the ``deadline`` of the clock ``wall``.

    Raises:
        NotFound: There is none.

    """
    topic = execution_rows.execution_topic(WORKFLOW_EXECUTION.parse(name)["execution"])
    with store.watch(topic) as watch:
        execution = await _find(store, name)
        return execution if _has_ended(execution) else await _end_of(store, wall, watch, name, deadline)


async def _end_of(store: Store, wall: Clock, watch: Watch, name: str, deadline: datetime) -> Execution:
    """Return an execution that had not ended when ``watch`` over it began; see ``until_ended``."""
    while await watch.wait_until(wall, deadline):
        found = watch.news if isinstance(watch.news, Execution) else await _find(store, name)
        if _has_ended(found):
            return found
    return await _find(store, name)


async def _find(store: Store, name: str) -> Execution:
    return await store.peek(lambda tx: execution_rows.find_execution(tx, name))


def _has_ended(execution: Execution) -> bool:
    return State(execution.state.name) in FINAL


class RunRoutes:
    """Serves the route above."""

    def __init__(self, store: Store, wall: Clock, executions: Executions) -> None:
        """``wall`` is the time of the people who wait."""
        self._store = store
        self._wall = wall
        self._executions = executions

    def routes(self) -> list[Extra]:
        """Return the route."""
        template = "/jubako/v1/{parent=projects/*/locations/*/workflows/*}:run"
        permission = "workflows.executions.create"
        return [Extra(verb="POST", template=template, permission=permission, handler=self.run)]

    async def run(self, request: HttpRequest, variables: Mapping[str, str], caller: Caller) -> HttpResponse:
        """Answer ``:run``."""
        patience = parse_duration(dict(parse_query(request.query)).get("timeout", "30s"), "timeout")
        deadline = self._wall.now() + min(patience, WAIT_MAX)
        execution = codec.decode(Execution, request.body or b"{}")
        wanted = CreateExecutionRequest(parent=variables["parent"], execution=execution)
        new_id = self._executions.new_id()
        with self._store.watch(execution_rows.execution_topic(new_id)) as watch:
            begun = await self._executions.create_as(new_id, wanted, caller)
            if begun.name.endswith(f"/{new_id}"):
                ended = await _end_of(self._store, self._wall, watch, begun.name, deadline)
            else:  # the same request came before
                ended = await until_ended(self._store, self._wall, begun.name, deadline)
        return HttpResponse(status=200, headers=_JSON, body=codec.encode(ended))
