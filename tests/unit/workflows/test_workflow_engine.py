"""The engine with a real store and machine; the outside is a small cloud that remembers idempotency keys."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from jubako.boxes.jobs.methods import JOBS
from jubako.boxes.workflows.connectors import connectors
from jubako.boxes.workflows.engine import WorkflowsEngine
from jubako.boxes.workflows.execution_handlers import Executions
from jubako.boxes.workflows.handlers import Workflows
from jubako.boxes.workflows.instant import Instant
from jubako.boxes.workflows.parts import Parts, Programs
from jubako.boxes.workflows.performer import Performer
from jubako.boxes.workflows.resources import (
    CancelExecutionRequest,
    CreateExecutionRequest,
    CreateWorkflowRequest,
    Execution,
    GetExecutionRequest,
    UpdateWorkflowRequest,
    Workflow,
)
from jubako.core.errors import Aborted, FailedPrecondition, InvalidArgument
from jubako.core.faults import NoFaults
from jubako.store.migrations import load
from jubako.store.outbox import Outbox
from jubako.store.sqlite import SqliteStore
from jubako.store.timers import Timers
from jubako.testing.clock import FakeClock
from jubako.testing.events import RecordedEvents
from jubako.testing.ids import SeededIds
from jubako.wire.egress import Call
from jubako.wire.http import HttpResponse
from jubako.wire.method import Api, Caller
from jubako.wire.outbound import ConnectionFailed

PARENT = "projects/p/locations/l"
LOCAL = Caller(principal="user:local")
RUN = Api(name="run", version="v2", hosts=("run.googleapis.com",), methods=JOBS, handlers={})
JSON = {"content-type": "application/json"}


@dataclass
class Cloud:
    """Answers ``:run`` once for each key, holds operations open until ``release`` is set."""

    started: dict[str, str] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    fail_with: Exception | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, call: Call, caller: Caller) -> HttpResponse:
        url = call.url
        self.requests.append((call.method, url))
        self.changed.set()
        if self.fail_with is not None:
            raise self.fail_with
        if url.endswith(":run"):
            assert caller.idempotency_key is not None
            name = self.started.setdefault(caller.idempotency_key, f"{PARENT}/operations/{len(self.started)}")
            return self._operation(name, done=False)
        if url.endswith(":wait"):
            await self.release.wait()
            return self._operation(
                url.removeprefix("https://run.googleapis.com/v2/")[: -len(":wait")], done=True
            )
        if url.endswith(":cancel"):
            self.cancelled.append(url)
            self.changed.set()
        return HttpResponse(status=200, headers=JSON, body=json.dumps({"echo": call.body.decode()}).encode())

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    def _operation(self, name: str, *, done: bool) -> HttpResponse:
        execution = {"name": f"{PARENT}/jobs/j/executions/{name.rpartition('/')[2]}"}
        told = {"name": name, "metadata": execution, "done": done}
        if done:
            told["response"] = {"@type": "type.googleapis.com/google.cloud.run.v2.Execution", **execution}
        return HttpResponse(status=200, headers=JSON, body=json.dumps(told).encode())


class House:
    """One server's worth of the box; ``restart`` forgets everything that is not in the store."""

    def __init__(self, store: SqliteStore, clock: FakeClock, cloud: Cloud) -> None:
        self.store, self.clock, self.cloud = store, clock, cloud
        self.events = RecordedEvents()
        self.ids = SeededIds()
        self.known = connectors([RUN])
        self.workflows = Workflows(store, self.ids, frozenset(self.known))
        self.executions = Executions(store, self.ids)
        self.tasks: list[asyncio.Task[None]] = []
        self.start()

    def start(self) -> None:
        parts = Parts(
            store=self.store,
            clock=self.clock,
            events=self.events,
            faults=NoFaults(),
            programs=Programs(),
            instant=Instant(self.clock, self.ids, self.events),
            performer=Performer(self.cloud, self.known, self.clock),
        )
        engine = WorkflowsEngine(parts)
        timers = Timers(self.store, self.clock, engine.timer_handlers(), self.events, NoFaults())
        outbox = Outbox(self.store, self.clock, engine.deliveries(), self.events)
        self.tasks = [asyncio.create_task(service.run()) for service in (engine, timers, outbox)]

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def restart(self) -> None:
        await self.stop()
        self.start()

    async def deploy(self, source: str, name: str = "w") -> None:
        workflow = Workflow(source_contents=source)
        request = CreateWorkflowRequest(parent=PARENT, workflow_id=name, workflow=workflow)
        await self.workflows.create(request, LOCAL)

    async def begin(self, argument: object = None, caller: Caller = LOCAL) -> Execution:
        request = CreateExecutionRequest(
            parent=f"{PARENT}/workflows/w", execution=Execution(argument=json.dumps(argument))
        )
        return await self.executions.create(request, caller)

    async def get(self, execution: Execution) -> Execution:
        return await self.executions.get(GetExecutionRequest(name=execution.name), LOCAL)

    async def until_final(self, execution: Execution) -> Execution:
        with self.store.watch("workflows") as watch:
            while True:
                found = await self.get(execution)
                if found.state is not Execution.State.ACTIVE:
                    return found
                async with asyncio.timeout(10):
                    await watch.wait()

    async def until_requests(self, count: int) -> None:
        await self.cloud.until(lambda: len(self.cloud.requests) >= count)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    clock = FakeClock()
    rooms = load("jubako.store", "jubako.wire", "jubako.boxes.workflows")
    store = SqliteStore(None, clock, rooms)
    house = House(store, clock, Cloud())
    yield house
    await house.stop()
    await store.close()


TWO_JOBS = """
main:
  params: [input]
  steps:
    - both:
        parallel:
          shared: [a, b]
          branches:
            - left: {steps: [{run_left: {call: googleapis.run.v2.projects.locations.jobs.run,
                      args: {name: projects/p/locations/l/jobs/left}, result: a}}]}
            - right: {steps: [{run_right: {call: googleapis.run.v2.projects.locations.jobs.run,
                      args: {name: projects/p/locations/l/jobs/right}, result: b}}]}
    - merged:
        return: ["${a.name}", "${b.name}", "${input.x}"]
"""
TWO_JOBS = TWO_JOBS.replace("    - both:", "    - init: {assign: [{a: null}, {b: null}]}\n    - both:")


async def test_two_job_branches_run_in_parallel_and_are_merged(house: House) -> None:
    await house.deploy(TWO_JOBS)
    execution = await house.begin({"x": 7})
    await house.until_requests(4)  # both :run and both :wait are under way
    steps = (await house.get(execution)).status
    assert steps is not None
    assert {step.step for step in steps.current_steps} >= {"run_left", "run_right"}
    house.cloud.release.set()
    final = await house.until_final(execution)
    assert final.state is Execution.State.SUCCEEDED
    assert json.loads(final.result) == [
        f"{PARENT}/jobs/j/executions/0",
        f"{PARENT}/jobs/j/executions/1",
        7,
    ]


async def test_a_crash_while_jobs_run_starts_none_of_them_again(house: House) -> None:
    await house.deploy(TWO_JOBS)
    execution = await house.begin({"x": 1})
    await house.until_requests(4)
    for _ in range(3):
        before = len(house.cloud.requests)
        await house.restart()
        await house.until_requests(before + 4)
    assert len(house.cloud.started) == 2
    house.cloud.release.set()
    assert (await house.until_final(execution)).state is Execution.State.SUCCEEDED


async def test_cancel_is_final_at_once_and_cancels_what_was_started(house: House) -> None:
    await house.deploy(TWO_JOBS)
    execution = await house.begin({"x": 1})
    await house.until_requests(4)
    cancelled = await house.executions.cancel(CancelExecutionRequest(name=execution.name), LOCAL)
    assert cancelled.state is Execution.State.CANCELLED
    await house.cloud.until(lambda: len(house.cloud.cancelled) == 2)
    assert len(house.cloud.started) == 2
    with pytest.raises(FailedPrecondition, match="CANCELLED"):
        await house.executions.cancel(CancelExecutionRequest(name=execution.name), LOCAL)


async def test_a_cancel_that_nobody_saw_is_cleaned_up_after_the_restart(house: House) -> None:
    await house.deploy(TWO_JOBS)
    execution = await house.begin({"x": 1})
    await house.until_requests(4)
    await house.stop()
    await house.executions.cancel(CancelExecutionRequest(name=execution.name), LOCAL)
    house.start()
    await house.cloud.until(lambda: len(house.cloud.cancelled) == 2)


YEAR = """
- wait: {call: sys.sleep, args: {seconds: 30000000}}
- done: {return: "${sys.now()}"}
"""


async def test_a_wait_of_a_year_is_a_row_and_survives_restarts(house: House) -> None:
    await house.deploy(YEAR)
    execution = await house.begin()
    async with asyncio.timeout(10):
        await house.clock.wait_for_sleepers(2)
    began = house.clock.now().timestamp()
    await house.clock.advance(timedelta(seconds=60))  # it has left memory by now
    await house.restart()
    async with asyncio.timeout(10):
        await house.clock.wait_for_sleepers(1)
    await house.clock.advance(timedelta(seconds=29_999_000))
    assert (await house.get(execution)).state is Execution.State.ACTIVE
    await house.clock.advance(timedelta(seconds=1_000))
    final = await house.until_final(execution)
    assert json.loads(final.result) >= began + 30_000_000


async def test_an_http_failure_is_caught_by_its_tags(house: House) -> None:
    await house.deploy("""
- ask:
    try: {call: http.get, args: {url: "http://localhost:1/"}, result: r}
    except: {as: e, steps: [{told: {return: "${e.tags[0]}"}}]}
""")
    house.cloud.fail_with = ConnectionFailed("connection refused")
    final = await house.until_final(await house.begin())
    assert json.loads(final.result) == "ConnectionFailedError"


async def test_an_uncaught_error_has_the_services_shape(house: House) -> None:
    await house.deploy("- bad: {assign: [{x: '${1 / 0}'}]}\n- end_it: {return: '${x}'}")
    final = await house.until_final(await house.begin())
    assert final.state is Execution.State.FAILED
    assert final.error is not None
    assert final.error.stack_trace is not None
    assert "ZeroDivisionError" in final.error.payload
    assert final.error.stack_trace.elements[0].step == "bad"
    assert final.duration is not None


async def test_a_running_execution_keeps_the_revision_it_began_with(house: House) -> None:
    await house.deploy(TWO_JOBS)
    execution = await house.begin({"x": 1})
    await house.until_requests(4)
    newer = Workflow(name=f"{PARENT}/workflows/w", source_contents="- a: {return: new}")
    await house.workflows.update(UpdateWorkflowRequest(workflow=newer), LOCAL)
    await house.restart()
    house.cloud.release.set()
    assert len(json.loads((await house.until_final(execution)).result)) == 3
    assert json.loads((await house.until_final(await house.begin())).result) == "new"


async def test_the_same_key_gives_the_same_execution_and_another_request_is_refused(house: House) -> None:
    await house.deploy("- a: {return: 1}")
    keyed = Caller(principal="user:local", idempotency_key="k")
    first, second = await house.begin({"n": 1}, keyed), await house.begin({"n": 1}, keyed)
    assert first.name == second.name
    with pytest.raises(Aborted, match="'k'"):
        await house.begin({"n": 2}, keyed)


async def test_a_source_that_calls_what_this_server_has_not_is_refused_at_deployment(house: House) -> None:
    with pytest.raises(InvalidArgument, match=r"googleapis\.sheets\.v4\.spreadsheets\.get"):
        await house.deploy("- a: {call: googleapis.sheets.v4.spreadsheets.get, args: {name: x}}")


async def test_a_stretch_of_a_thousand_logged_steps_is_journalled_and_replayed(house: House) -> None:
    await house.deploy("""
- count: {assign: [{n: 0}]}
- loop:
    for: {value: i, range: [1, 1000], steps: [
      {say: {call: sys.log, args: {text: "${string(i)}"}}}, {add: {assign: [{n: "${n + i}"}]}}]}
- run: {call: googleapis.run.v2.projects.locations.jobs.run, args: {name: projects/p/locations/l/jobs/left}}
- done: {return: "${n}"}
""")
    execution = await house.begin()
    await house.until_requests(2)
    await house.restart()
    house.cloud.release.set()
    assert json.loads((await house.until_final(execution)).result) == 500_500
    assert len(house.events.named("workflow.logged")) == 1000
