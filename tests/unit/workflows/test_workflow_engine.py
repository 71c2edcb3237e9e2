"""The engine with a real store and machine; the outside is a small cloud that remembers idempotency keys."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from jubako.boxes.jobs.methods import JOBS
from jubako.boxes.workflows.resources import (
    CancelExecutionRequest,
    Execution,
    UpdateWorkflowRequest,
    Workflow,
)
from jubako.core.errors import Aborted, FailedPrecondition, InvalidArgument
from jubako.wire.method import Api, Caller
from jubako.wire.outbound import ConnectionFailed

PARENT = "projects/p/locations/l"
LOCAL = Caller(principal="user:local")
RUN = Api(name="run", version="v2", hosts=("run.googleapis.com",), methods=JOBS, handlers={})
JSON = {"content-type": "application/json"}


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


async def test_two_job_branches_run_in_parallel_and_are_merged(house: Any) -> None:
    await house.deploy(TWO_JOBS)
    execution = await house.begin({"x": 7})
    await house.until_requests(4)  # both :run and both :wait are under way
    steps = (await house.get(execution)).status
    assert steps is not None
    assert {step.step for step in steps.current_steps} >= {"run_left", "run_right"}
    await house.release()
    final = await house.until_final(execution)
    assert final.state is Execution.State.SUCCEEDED
    assert json.loads(final.result) == [
        f"{PARENT}/jobs/j/executions/0",
        f"{PARENT}/jobs/j/executions/1",
        7,
    ]


async def test_a_crash_while_jobs_run_starts_none_of_them_again(house: Any) -> None:
    await house.deploy(TWO_JOBS)
    execution = await house.begin({"x": 1})
    await house.until_requests(4)
    for _ in range(3):
        before = len(house.cloud.requests)
        await house.restart()
        await house.until_requests(before + 2)
    runs = [url for _, url in house.cloud.requests if url.endswith(":run")]
    assert len(runs) == 2, "a restart goes on looking, without a second call"
    await house.release()
    assert (await house.until_final(execution)).state is Execution.State.SUCCEEDED


async def test_cancel_is_final_at_once_and_cancels_what_was_started(house: Any) -> None:
    await house.deploy(TWO_JOBS)
    execution = await house.begin({"x": 1})
    await house.until_requests(4)
    cancelled = await house.executions.cancel(CancelExecutionRequest(name=execution.name), LOCAL)
    assert cancelled.state is Execution.State.CANCELLED
    await house.cloud.until(lambda: len(house.cloud.cancelled) == 2)
    assert len(house.cloud.started) == 2
    with pytest.raises(FailedPrecondition, match="CANCELLED"):
        await house.executions.cancel(CancelExecutionRequest(name=execution.name), LOCAL)


async def test_a_cancel_that_nobody_saw_is_cleaned_up_after_the_restart(house: Any) -> None:
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


async def test_a_wait_of_a_year_is_a_row_and_survives_restarts(house: Any) -> None:
    await house.deploy(YEAR)
    execution = await house.begin()
    async with asyncio.timeout(10):
        await house.clock.wait_for_sleepers(1)
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


async def test_an_http_failure_is_caught_by_its_tags(house: Any) -> None:
    await house.deploy("""
- ask:
    try: {call: http.get, args: {url: "http://localhost:1/"}, result: r}
    except: {as: e, steps: [{told: {return: "${e.tags[0]}"}}]}
""")
    house.cloud.fail_with = ConnectionFailed("connection refused")
    final = await house.until_final(await house.begin())
    assert json.loads(final.result) == "ConnectionFailedError"


async def test_an_uncaught_error_has_the_services_shape(house: Any) -> None:
    await house.deploy("- bad: {assign: [{x: '${1 / 0}'}]}\n- end_it: {return: '${x}'}")
    final = await house.until_final(await house.begin())
    assert final.state is Execution.State.FAILED
    assert final.error is not None
    assert final.error.stack_trace is not None
    assert "ZeroDivisionError" in final.error.payload
    assert final.error.stack_trace.elements[0].step == "bad"
    assert final.duration is not None


async def test_a_running_execution_keeps_the_revision_it_began_with(house: Any) -> None:
    await house.deploy(TWO_JOBS)
    execution = await house.begin({"x": 1})
    await house.until_requests(4)
    newer = Workflow(name=f"{PARENT}/workflows/w", source_contents="- a: {return: new}")
    await house.workflows.update(UpdateWorkflowRequest(workflow=newer), LOCAL)
    await house.restart()
    await house.release()
    assert len(json.loads((await house.until_final(execution)).result)) == 3
    assert json.loads((await house.until_final(await house.begin())).result) == "new"


async def test_the_same_key_gives_the_same_execution_and_another_request_is_refused(house: Any) -> None:
    await house.deploy("- a: {return: 1}")
    keyed = Caller(principal="user:local", idempotency_key="k")
    first, second = await house.begin({"n": 1}, keyed), await house.begin({"n": 1}, keyed)
    assert first.name == second.name
    with pytest.raises(Aborted, match="'k'"):
        await house.begin({"n": 2}, keyed)


async def test_a_source_that_calls_what_this_server_has_not_is_refused_at_deployment(house: Any) -> None:
    with pytest.raises(InvalidArgument, match=r"googleapis\.sheets\.v4\.spreadsheets\.get"):
        await house.deploy("- a: {call: googleapis.sheets.v4.spreadsheets.get, args: {name: x}}")


async def test_a_stretch_of_a_thousand_logged_steps_is_journalled_and_replayed(house: Any) -> None:
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
    await house.release()
    assert json.loads((await house.until_final(execution)).result) == 500_500
    assert len(house.events.named("workflow.logged")) == 1000


@pytest.mark.parametrize(
    ("limit", "work"),
    [
        (
            "memory_bytes",
            "- fill: {for: {value: i, range: [1, 450], steps: [{add: {assign: [{'l[string(i)]': '${s}'}]}}]}}",
        ),
        ("steps", "- turn: {for: {value: i, range: [1, 85000], steps: [{add: {assign: [{n: '${i}'}]}}]}}"),
    ],
)
async def test_four_fifths_of_a_limit_are_told_with_the_step(house: Any, limit: str, work: str) -> None:
    source = (
        "- init: {assign: [{l: {}}, {n: 0}, {s: '" + "x" * 1000 + "'}]}\n"
        "- first: {call: http.get, args: {url: 'https://example.com/'}}\n"
        + work
        + "\n- last: {call: http.get, args: {url: 'https://example.com/'}}\n"
    )
    await house.deploy(source)
    final = await house.until_final(await house.begin())
    assert final.state is Execution.State.SUCCEEDED, final.error
    (told,) = house.events.named("workflow_execution.limit_near")
    assert (told.fields["limit"], told.severity) == (limit, "WARNING")
    assert str(told.fields["step"]).startswith("main/")
