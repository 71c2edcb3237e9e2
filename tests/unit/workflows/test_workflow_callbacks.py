"""Callbacks: a request and an await meet, whichever comes first and whatever dies between."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from jubako.boxes.workflows.callback_routes import CallbackRoutes
from jubako.boxes.workflows.resources import CancelExecutionRequest, Execution
from jubako.core.errors import NotFound, ResourceExhausted
from jubako.identity.access import LOCAL
from jubako.wire.extras import Extras
from jubako.wire.http import HttpRequest, HttpResponse
from jubako.wire.method import DocumentRequest

SOURCE = """
- make: {call: events.create_callback_endpoint, args: {http_callback_method: POST}, result: endpoint}
- told: {call: http.post, args: {url: "https://example.com/told", body: "${endpoint.url}"}}
- wait:
    try: {call: events.await_callback, args: {callback: "${endpoint}"}, result: got}
    except:
      as: e
      steps: [{late: {return: "${e.tags}"}}]
- again: {call: events.await_callback, args: {callback: "${endpoint}", timeout: 600}, result: second}
- done: {return: ["${got.http_request.body}", "${second.http_request.query}", "${got.type}"]}
"""


class Open:
    async def check(self, permission: str, caller: Any, resource: str = "") -> None:
        assert permission.startswith("workflows.callbacks.")


class Door:
    def __init__(self, house: Any) -> None:
        self.callbacks = CallbackRoutes(house.store, house.clock)
        self.extras = Extras(self.callbacks.routes(), Open())

    async def call(self, url: str, method: str = "POST", query: str = "", body: object = None) -> Any:
        path = "/" + url.removeprefix("http://here/")
        assert self.extras.covers(path)
        request = HttpRequest(
            method=method,
            path=path,
            query=query,
            headers={"content-type": "application/json", "authorization": "Bearer secret"},
            body=json.dumps(body).encode(),
        )
        reply = await self.extras.handle(request, LOCAL)
        assert isinstance(reply, HttpResponse)
        return reply


async def url_told(house: Any) -> str:
    await house.cloud.until(lambda: house.cloud.bodies)
    return str(json.loads(house.cloud.bodies[0]))


async def until_waiting(house: Any, door: Door, execution: Execution) -> None:
    async with asyncio.timeout(10):
        with house.store.watch(f"workflows/{execution.name.rpartition('/')[2]}") as watch:
            while (await endpoints(door, execution))[0]["waiters"] != "1":
                await watch.wait()


async def endpoints(door: Door, execution: Execution) -> Any:
    request = DocumentRequest(variables={"parent": execution.name}, query={}, body={}, location=None)
    return (await door.callbacks.list(request, LOCAL))["callbacks"]


async def started(house: Any) -> tuple[Execution, Door, str]:
    await house.deploy(SOURCE)
    execution = await house.begin()
    return execution, Door(house), await url_told(house)


async def test_requests_answer_awaits(house: Any) -> None:
    execution, door, url = await started(house)
    assert (await door.call(url, body={"x": 1})).status == 200
    await until_kept_is_taken(door, execution, url, query="a=b&c=d%20e")
    final = await house.until_final(execution)
    assert json.loads(final.result) == [{"x": 1}, {"a": "b", "c": "d e"}, "HTTP"]


async def until_kept_is_taken(door: Door, execution: Execution, url: str, query: str) -> None:
    """Send, as a client does that is told 429."""
    async with asyncio.timeout(10):
        while True:
            try:
                await door.call(url, query=query)
            except NotFound:  # both were taken, and the execution has ended
                return
            except ResourceExhausted:
                await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(None, lambda: None), 5)
            else:
                return


async def test_a_request_that_comes_before_its_await_is_kept_over_a_restart(house: Any) -> None:
    execution, door, url = await started(house)
    await house.stop()
    while True:  # the slot may be free, or an await that is a row already takes the first
        try:
            await door.call(url, body="kept")
        except ResourceExhausted:
            break
    house.start()
    await until_kept_is_taken(door, execution, url, query="")
    final = await house.until_final(execution)
    assert final.state is Execution.State.SUCCEEDED
    assert json.loads(final.result)[0] == "kept"


async def test_nobody_calls_and_the_await_ends_after_half_a_day(house: Any) -> None:
    execution, door, _ = await started(house)
    while (await endpoints(door, execution))[0]["waiters"] != "1":
        await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(None, lambda: None), 5)
    async with asyncio.timeout(10):
        await house.clock.wait_for_sleepers(1)
    await house.clock.advance(timedelta(seconds=60))
    await house.restart()
    async with asyncio.timeout(10):
        await house.clock.wait_for_sleepers(1)
    await house.clock.advance(timedelta(seconds=43_100))
    assert (await house.get(execution)).state is Execution.State.ACTIVE
    await house.clock.advance(timedelta(seconds=100))
    final = await house.until_final(execution)
    assert json.loads(final.result) == ["TimeoutError"]


async def test_another_method_is_refused_by_name(house: Any) -> None:
    _, door, url = await started(house)
    reply = await door.call(url, "PUT")
    assert (reply.status, reply.headers["allow"]) == (405, "POST")


async def test_an_endpoint_ends_with_its_execution(house: Any) -> None:
    execution, door, url = await started(house)
    await house.executions.cancel(CancelExecutionRequest(name=execution.name), LOCAL)
    with pytest.raises(NotFound):
        await door.call(url)
    with pytest.raises(NotFound):
        await door.call(f"http://here/v1/{execution.name}/callbacks/none")


@pytest.mark.parametrize(
    ("step", "tag"),
    [
        ('{call: events.await_callback, args: {callback: {url: "http://here/elsewhere"}}}', "ValueError"),
        ("{call: events.await_callback, args: {callback: {}}}", "TypeError"),
        ("{call: events.await_callback, args: {callback: {url: u}, timeout: -1}}", "ValueError"),
        ("{call: events.create_callback_endpoint, args: {http_callback_method: TRACE}}", "ValueError"),
    ],
)
async def test_a_wrong_argument_is_a_named_error(house: Any, step: str, tag: str) -> None:
    await house.deploy(f"- a: {step}")
    final = await house.until_final(await house.begin())
    assert final.error is not None
    assert json.loads(final.error.payload)["tags"] == [tag]
