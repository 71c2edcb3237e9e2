"""Filter and order of lists of executions."""

from typing import Any

import pytest

from jubako.boxes.workflows.backlog import Backlog
from jubako.boxes.workflows.execution_filters import (
    filter_of_executions,
    filter_of_workflows,
    order_of_executions,
)
from jubako.boxes.workflows.execution_handlers import Executions
from jubako.boxes.workflows.resources import (
    CreateExecutionRequest,
    Execution,
    ListExecutionsRequest,
    ListWorkflowsRequest,
)
from jubako.core.errors import InvalidArgument, ResourceExhausted
from jubako.identity.access import LOCAL

PARENT = "projects/p/locations/l/workflows/w"


async def listed(house: Any, filter_text: str = "", order: str = "", size: int = 0) -> list[str]:
    """Return the arguments of the executions listed, over all pages."""
    found, token = [], ""
    while True:
        reply = await house.executions.list(
            ListExecutionsRequest(
                parent=PARENT, filter=filter_text, order_by=order, page_size=size, page_token=token
            ),
            LOCAL,
        )
        found += [execution.name for execution in reply.executions]
        token = reply.next_page_token
        if not token:
            return found


@pytest.fixture
async def seven(house: Any) -> Any:
    """Seven executions, the even ones failed."""
    source = "main: {params: [n], steps: [{a: {switch: [{condition: '${n % 2 == 0}', raise: even}]}}]}"
    await house.deploy(source)
    house.names = []
    for number in range(7):
        begun = await house.begin(number)
        await house.until_final(begun)
        house.names.append(begun.name)
    return house


async def test_states_and_pages_agree(seven: Any) -> None:
    failed = await listed(seven, 'state="FAILED"', size=2)
    assert sorted(failed) == sorted(seven.names[::2])
    assert sorted(await listed(seven, "state != FAILED AND duration>=0s", size=1)) == sorted(
        seven.names[1::2]
    )


async def test_the_order_may_be_turned_round(seven: Any) -> None:
    newest = await listed(seven, size=3)
    assert await listed(seven, order="startTime", size=3) == newest[::-1]
    assert len(newest) == 7


async def test_one_is_found_by_its_id(seven: Any) -> None:
    wanted = seven.names[3]
    assert await listed(seven, f'executionId="{wanted.rpartition("/")[2]}"', size=2) == [wanted]


async def test_times_are_compared_as_times(seven: Any) -> None:
    assert await listed(seven, 'startTime<"2000-01-01T00:00:00Z"') == []
    assert len(await listed(seven, 'endTime>"2000-01-01T00:00:00Z"')) == 7


@pytest.mark.parametrize(
    "text",
    [
        "state",
        "state=A OR",
        "(state=A",
        "NOT",
        "(" * 30 + "state=A" + ")" * 30,
        "colour=red",
        "state<A",
        "startTime>yesterday",
        "state=A AND",
        "x" * 5000,
        "a=b c=d",
    ],
)
def test_what_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        filter_of_executions(text)


@pytest.mark.parametrize("text", ["colour", "state up", "labels.a", "stepName"])
def test_what_has_no_order_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        order_of_executions(text)


async def test_any_field_gives_an_order_and_pages_follow_it(seven: Any) -> None:
    by_state = await listed(seven, order="state desc, executionId", size=2)
    states = ["SUCCEEDED"] * 3 + ["FAILED"] * 4
    wanted = sorted(
        zip(states, [*sorted(seven.names[1::2]), *sorted(seven.names[::2])], strict=True), key=str
    )
    assert by_state == [name for state, name in wanted if state == "SUCCEEDED"] + [
        name for state, name in wanted if state == "FAILED"
    ]


async def test_or_and_not_and_stars_are_understood(seven: Any) -> None:
    assert len(await listed(seven, "state=FAILED OR state=SUCCEEDED")) == 7
    assert len(await listed(seven, "NOT state=FAILED")) == 3
    assert len(await listed(seven, "-state=FAIL*")) == 3
    # OR binds tighter than AND, as AIP-160 has it.
    assert len(await listed(seven, "state=FAILED AND state=FAILED OR state=SUCCEEDED")) == 4
    assert len(await listed(seven, "state=FAILED AND (state=SUCCEEDED)")) == 0


async def test_a_page_that_stands_at_nothing_is_told(seven: Any) -> None:
    reply = await seven.executions.list(
        ListExecutionsRequest(parent=PARENT, order_by="state", page_size=1), LOCAL
    )
    await seven.store.write(lambda tx: tx.run("DELETE FROM workflow_executions"))
    with pytest.raises(InvalidArgument, match="gone"):
        await seven.executions.list(
            ListExecutionsRequest(parent=PARENT, order_by="state", page_token=reply.next_page_token), LOCAL
        )


async def test_an_execution_that_is_not_to_wait_is_refused_where_others_wait(house: Any) -> None:
    house.executions = Executions(house.store, house.ids, Backlog(active_max=0))
    await house.deploy("[{a: {return: 1}}]")
    given = Execution(disable_concurrency_quota_overflow_buffering=True)
    with pytest.raises(ResourceExhausted):
        await house.executions.create(CreateExecutionRequest(parent=PARENT, execution=given), LOCAL)
    assert (await house.begin()).state is Execution.State.QUEUED


async def test_workflows_are_filtered_and_ordered_too(house: Any) -> None:
    for name in ("b", "a", "c"):
        await house.deploy("[{a: {return: 1}}]", name)

    async def names(**asked: Any) -> list[str]:
        request = ListWorkflowsRequest(parent="projects/p/locations/l", **asked)
        return [one.name[-1] for one in (await house.workflows.list(request, LOCAL)).workflows]

    assert await names() == ["a", "b", "c"]
    assert await names(order_by="name desc") == ["c", "b", "a"]
    assert await names(filter="name=b OR name=c") == ["b", "c"]
    assert await names(filter="state=UNAVAILABLE") == []
    with pytest.raises(InvalidArgument):
        filter_of_workflows("sourceContents=x")
