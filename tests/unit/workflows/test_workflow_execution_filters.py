"""Filter and order of lists of executions."""

from typing import Any

import pytest

from jubako.boxes.workflows.execution_filters import is_oldest_first, parse_filter
from jubako.boxes.workflows.resources import ListExecutionsRequest
from jubako.core.errors import InvalidArgument
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
        "state=A OR state=B",
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
        parse_filter(text)


def test_other_orders_are_refused() -> None:
    with pytest.raises(InvalidArgument):
        is_oldest_first("state")
