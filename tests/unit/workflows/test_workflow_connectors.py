"""Connector calls: child workflows, retries, parameters."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from jubako.boxes.workflows.connectors import RUN_WORKFLOW
from jubako.boxes.workflows.parameters import parameters_of
from jubako.boxes.workflows.resources import CancelExecutionRequest, Execution, ListExecutionsRequest
from jubako.core.errors import InvalidArgument
from jubako.identity.access import LOCAL
from jubako.wire.outbound import ConnectionBroken, ConnectionFailed

CHILD = """
main:
  params: [n]
  steps:
    - check: {switch: [{condition: "${n < 0}", raise: "negative"}]}
    - done: {return: {twice: "${2 * n}"}}
"""
PARENT = f"""
main:
  params: [n]
  steps:
    - child: {{call: {RUN_WORKFLOW}, args: {{workflow_id: child, argument: "${{n}}"}}, result: r}}
    - done: {{return: "${{r.twice}}"}}
"""


async def children(house: Any) -> list[Execution]:
    request = ListExecutionsRequest(parent="projects/p/locations/l/workflows/child")
    return list((await house.executions.list(request, LOCAL)).executions)


async def test_a_child_workflow_is_waited_for_and_its_result_decoded(house: Any) -> None:
    await house.deploy(CHILD, "child")
    await house.deploy(PARENT)
    final = await house.until_final(await house.begin(21))
    assert json.loads(final.result) == 42
    assert len(await children(house)) == 1


async def test_a_failed_child_is_an_operation_error(house: Any) -> None:
    await house.deploy(CHILD, "child")
    await house.deploy(PARENT)
    final = await house.until_final(await house.begin(-1))
    assert final.error is not None
    told = json.loads(final.error.payload)
    assert told["tags"] == ["OperationError"]
    assert told["operation"]["state"] == "FAILED"


async def test_a_crash_while_a_child_runs_starts_no_second_one(house: Any) -> None:
    await house.deploy("- nap: {call: http.get, args: {url: 'https://run/x:hang'}}", "child")
    await house.deploy(PARENT.replace("${{r.twice}}", "${{r}}").replace('"${r.twice}"', '"ended"'))
    execution = await house.begin(1)
    await house.cloud.until(lambda: ("GET", "https://run/x:hang") in house.cloud.requests)
    await house.restart()
    await house.release()
    final = await house.until_final(execution)
    assert json.loads(final.result) == "ended"
    assert len(await children(house)) == 1


async def test_cancelling_the_parent_cancels_the_child(house: Any) -> None:
    await house.deploy("- nap: {call: sys.sleep, args: {seconds: 1000}}", "child")
    await house.deploy(PARENT)
    execution = await house.begin(1)
    gets = f"https://workflowexecutions.googleapis.com/v1/{PARENT_NAME}/child/executions/"
    await house.cloud.until(
        lambda: any(verb == "GET" and url.startswith(gets) for verb, url in house.cloud.requests)
    )
    await house.executions.cancel(CancelExecutionRequest(name=execution.name), LOCAL)
    (child,) = await children(house)
    assert (await house.until_final(child)).state is Execution.State.CANCELLED


PARENT_NAME = "projects/p/locations/l/workflows"


async def test_map_runs_one_child_for_each_argument(house: Any) -> None:
    await house.deploy(CHILD, "child")
    await house.deploy(
        "- all: {call: experimental.executions.map, args: {workflow_id: child, arguments: [1, 2, 3]}, result: r}\n"
        "- done: {return: '${r}'}"
    )
    final = await house.until_final(await house.begin())
    assert json.loads(final.result) == [{"twice": 2}, {"twice": 4}, {"twice": 6}]


GET = """
- ask: {call: googleapis.run.v2.projects.locations.jobs.get, args: {name: projects/p/locations/l/jobs/j}, result: r}
- done: {return: "${r}"}
"""


@pytest.mark.parametrize(
    ("call", "failure", "requests"),
    [
        (GET, ConnectionBroken("broke off"), 6),
        (GET, ConnectionFailed("no connection"), 6),
        (GET.replace("jobs.get", "jobs.run"), ConnectionFailed("no connection"), 6),
        (GET.replace("jobs.get", "jobs.run"), ConnectionBroken("broke off"), 1),
    ],
)
async def test_retries_are_those_of_the_service(
    house: Any, call: str, failure: Exception, requests: int
) -> None:
    await house.deploy(call)
    house.cloud.fail_with = failure
    execution = await house.begin()
    async with asyncio.timeout(10):
        while (await house.get(execution)).state is Execution.State.ACTIVE:
            await house.clock.advance(timedelta(seconds=1))
    final = await house.until_final(execution)
    assert final.error is not None
    assert "ConnectionError" in json.loads(final.error.payload)["tags"]
    assert len(house.cloud.requests) == requests


@pytest.mark.parametrize(
    "given",
    [5, {"time": 5}, {"timeout": "5"}, {"timeout": -1}, {"polling_policy": {"x": 1}}, {"skip_polling": 1}],
)
def test_parameters_are_checked(given: object) -> None:
    with pytest.raises(InvalidArgument):
        parameters_of({"connector_params": given})


async def test_skip_polling_returns_the_operation(house: Any) -> None:
    run = GET.replace("jobs.get", "jobs.run").replace(
        "jobs/j}", "jobs/j, connector_params: {skip_polling: true}}"
    )
    await house.deploy(run)
    final = await house.until_final(await house.begin())
    assert json.loads(final.result)["done"] is False
