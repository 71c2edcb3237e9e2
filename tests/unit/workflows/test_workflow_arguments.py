"""Arguments of executions: what the language cannot hold is refused at once, not by every attempt to begin."""

from typing import Any

import pytest

from jubako.core.errors import InvalidArgument


@pytest.mark.parametrize("argument", [float("inf"), float("nan"), 2**64, [{"a": [-(2**70)]}]])
async def test_an_argument_that_is_no_value_is_refused(house: Any, argument: object) -> None:
    await house.deploy("- done: {return: 1}")
    with pytest.raises(InvalidArgument, match=r"execution\.argument"):
        await house.begin(argument)


async def test_an_argument_nested_too_deeply_is_refused(house: Any) -> None:
    await house.deploy("- done: {return: 1}")
    deep: list[Any] = []
    for _ in range(500):
        deep = [deep]
    with pytest.raises(InvalidArgument, match=r"execution\.argument"):
        await house.begin(deep)
