"""Starting an execution and waiting for its end in one request."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from jubako.boxes.workflows.running import RunRoutes
from jubako.core.errors import InvalidArgument, NotFound
from jubako.identity.access import LOCAL
from jubako.wire.http import HttpRequest, HttpResponse
from jubako.wire.method import Caller

PARENT = "projects/p/locations/l/workflows/w"


async def run(
    house: Any, body: Mapping[str, str], query: str = "", caller: Caller = LOCAL, parent: str = PARENT
) -> dict[str, Any]:
    (route,) = RunRoutes(house.store, house.clock, house.executions).routes()
    request = HttpRequest(method="POST", path="", query=query, headers={}, body=json.dumps(body).encode())
    response = await route.handler(request, {"parent": parent}, caller)
    assert isinstance(response, HttpResponse)
    told: dict[str, Any] = json.loads(response.body)
    return told


async def test_one_request_starts_and_brings_the_result(house: Any) -> None:
    await house.deploy("main: {params: [a], steps: [{b: {return: '${a + 1}'}}]}")
    told = await run(house, {"argument": "41"})
    assert (told["state"], told["result"]) == ("SUCCEEDED", "42")


async def test_a_key_brings_the_same_execution_again(house: Any) -> None:
    await house.deploy("- a: {return: '${uuid.generate()}'}")
    caller = Caller(principal="user:local", idempotency_key="k")
    first, second = await run(house, {}, caller=caller), await run(house, {}, caller=caller)
    assert first == second


async def test_when_the_time_is_over_the_execution_comes_as_it_is(house: Any) -> None:
    await house.deploy("- a: {call: sys.sleep, args: {seconds: 1000}}")
    assert (await run(house, {}, "timeout=0s"))["state"] == "ACTIVE"
    await house.clock.advance(timedelta(0))


async def test_what_cannot_be_started_is_refused(house: Any) -> None:
    with pytest.raises(NotFound):
        await run(house, {})
    await house.deploy("- a: {return: 1}")
    with pytest.raises(InvalidArgument, match="timeout"):
        await run(house, {}, "timeout=soon")
