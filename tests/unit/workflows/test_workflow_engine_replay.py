"""Random programs on the real store, completed in random order, interrupted anywhere: the journal says it all.

The outside answers every call with a number that it never gave before, so an outcome that was used and not journalled,
or journalled and used in another order, gives another result than the journal does.
"""

import asyncio
import json
import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from jubako.boxes.workflows.language import Continue, Start, Status, advance, compile_workflow, initial_state
from jubako.boxes.workflows.resources import Execution
from jubako.boxes.workflows.seat import decode_outcome
from jubako.store.port import Tx
from jubako.wire.egress import Call
from jubako.wire.http import HttpResponse
from jubako.wire.method import Caller


@dataclass
class Fickle:
    """Answers in random order, sometimes with 503, never twice the same."""

    chance: random.Random
    count: int = 0
    calls: dict[str, set[bytes]] = field(default_factory=dict)
    """Bodies by idempotency key."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, call: Call, caller: Caller) -> HttpResponse:
        self.calls.setdefault(call.headers["idempotency-key"], set()).add(call.body)
        await asyncio.wait_for(some_turns(self.chance.randrange(1, 40)), 20)
        self.count += 1
        self.changed.set()
        status = 503 if self.chance.random() < 0.2 else 200
        return HttpResponse(
            status=status, headers={"content-type": "application/json"}, body=str(self.count).encode()
        )


class Between:
    """Answers ``/late`` while the machine is given way for, in the midst of what ``/early`` led to."""

    def __init__(self) -> None:
        self.may_begin = asyncio.Event()
        self._has_begun = asyncio.Event()

    async def send(self, call: Call, caller: Caller) -> HttpResponse:
        if call.url.endswith("/late"):
            await self._has_begun.wait()
            await some_turns(2)
        else:
            await self.may_begin.wait()
            self._has_begun.set()
        return HttpResponse(status=200, headers={"content-type": "application/json"}, body=b"1")


async def some_turns(count: int) -> None:
    """Give way to all that is ready, so many times."""
    for _ in range(count):
        turn = asyncio.Event()
        asyncio.get_running_loop().call_soon(turn.set)
        await turn.wait()


class Maker:
    """Makes a random program of calls, waits, branches, loops and handlers that share variables."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._count = 0

    def source(self) -> str:
        steps = [
            {"init": {"assign": [{"n": 1}, {"seen": []}]}},
            *self.block(0),
            {"out": {"return": ["${n}", "${seen}"]}},
        ]
        return json.dumps({"main": {"steps": steps}})

    def block(self, depth: int) -> list[Any]:
        kinds = [self.call, self.call, self.nap, self.attempt]
        if depth < 2:
            kinds += [self.loop, self.branches, self.branches]
        return [
            step for _ in range(self._chance.randrange(1, 4)) for step in self._chance.choice(kinds)(depth)
        ]

    def call(self, depth: int) -> list[Any]:
        one, two, three = self.name(), self.name(), self.name()
        post = {"call": "http.post", "args": {"url": "https://example.com/", "body": "${n}"}, "result": one}
        return [
            {
                two: {
                    "try": post,
                    "except": {"as": "e", "steps": [{self.name(): {"assign": [{one: {"body": 0}}]}}]},
                }
            },
            {
                three: {
                    "assign": [
                        {"n": f"${{(2 * n + {one}.body) % 100003}}"},
                        {"seen": f"${{list.concat(seen, {one}.body)}}"},
                    ]
                }
            },
        ]

    def nap(self, depth: int) -> list[Any]:
        return [{self.name(): {"call": "sys.sleep", "args": {"seconds": 0}}}]

    def attempt(self, depth: int) -> list[Any]:
        retry = {
            "predicate": "${retry.always}",
            "max_retries": 3,
            "backoff": {"initial_delay": 0, "max_delay": 0, "multiplier": 1},
        }
        post = {"call": "http.post", "args": {"url": "https://example.com/", "body": "${n}"}}
        caught = {"as": "e", "steps": [{self.name(): {"assign": [{"n": "${n + 1}"}]}}]}
        return [{self.name(): {"try": post, "retry": retry, "except": caught}}]

    def loop(self, depth: int) -> list[Any]:
        return [
            {self.name(): {"for": {"value": self.name(), "range": [1, 2], "steps": self.block(depth + 1)}}}
        ]

    def branches(self, depth: int) -> list[Any]:
        branches = [
            {self.name(): {"steps": self.block(depth + 1)}} for _ in range(self._chance.randrange(2, 4))
        ]
        return [{self.name(): {"parallel": {"shared": ["n", "seen"], "branches": branches}}}]

    def name(self) -> str:
        self._count += 1
        return f"s{self._count}"


def replayed(source: str, outcomes: list[str]) -> Any:
    """Return what the journal alone gives."""
    program = compile_workflow(source)
    state = initial_state(program, None)
    advance(program, state, Start())
    for outcome in outcomes:
        advance(program, state, decode_outcome(outcome))
        while state.ready:
            advance(program, state, Continue())
    assert state.status is Status.SUCCEEDED
    return state.result


def journal(tx: Tx) -> list[str]:
    return [row[0] for row in tx.all("SELECT outcome FROM workflow_journal ORDER BY seq")]


@pytest.mark.parametrize("seed", range(6))
async def test_interrupted_anywhere_the_journal_gives_the_result(house: Any, seed: int) -> None:
    chance = random.Random(seed)
    source = Maker(chance).source()
    cloud = house.cloud = Fickle(chance)
    await house.restart()
    await house.deploy(source)
    execution = await house.begin()
    for _ in range(chance.randrange(1, 6)):
        await until(cloud, cloud.count + chance.randrange(1, 5))
        await house.restart()
    final = await house.until_final(execution)
    assert final.state is Execution.State.SUCCEEDED, final.error
    outcomes = await house.store.read(journal)
    assert json.loads(final.result) == replayed(source, outcomes)
    names = [json.loads(outcome)["name"] for outcome in outcomes]
    assert len(set(names)) == len(names)
    assert all(len(bodies) == 1 for bodies in cloud.calls.values()), "one effect, two different requests"


async def until(cloud: Fickle, count: int) -> None:
    """Wait for this many answers, or until no more come."""
    try:
        async with asyncio.timeout(0.2):
            while cloud.count < count:
                cloud.changed.clear()
                await cloud.changed.wait()
    except TimeoutError:
        return


BUSY = """
main:
  steps:
    - both:
        parallel:
          branches:
            - late: {steps: [{l: {call: http.get, args: {url: "https://example.com/late"}}}]}
            - early:
                steps:
                  - e: {call: http.get, args: {url: "https://example.com/early"}}
                  - loop: {for: {value: n, range: [1, 40000], steps: [{a: {assign: [{x: "${n}"}]}}]}}
    - last: {call: http.post, args: {url: "https://example.com/early"}}
    - done: {return: 1}
"""


async def test_an_answer_that_comes_just_before_a_commit_begins_is_journalled_behind_it(house: Any) -> None:
    cloud = house.cloud = Between()
    await house.restart()
    await house.deploy(BUSY)
    execution = await house.begin()
    await until_steps(house)
    cloud.may_begin.set()
    final = await house.until_final(execution)
    assert final.state is Execution.State.SUCCEEDED, final.error
    assert await house.store.read(numbers) == [1, 2, 3]
    assert house.events.named("workflow_execution.runner_failed") == []


def numbers(tx: Tx) -> list[int]:
    return [row[0] for row in tx.all("SELECT seq FROM workflow_journal ORDER BY seq")]


async def until_steps(house: Any) -> None:
    """Wait until the first turn is committed."""
    sql = "SELECT 1 FROM workflow_executions WHERE current_steps != '[]'"
    async with asyncio.timeout(20):
        while await house.store.read(lambda tx: tx.one(sql)) is None:
            await some_turns(1)


class Careful:
    """Answers; of each POST it looks at what was journalled by then."""

    def __init__(self, house: Any) -> None:
        self._store = house.store
        self.journalled: list[int] = []

    async def send(self, call: Call, caller: Caller) -> HttpResponse:
        if call.method == "POST":
            self.journalled.append(len(await self._store.read(numbers)))
        return HttpResponse(status=200, headers={"content-type": "application/json"}, body=b"1")


CHAIN = """
- a: {call: http.get, args: {url: "https://example.com/a"}}
- b: {call: http.get, args: {url: "https://example.com/b"}}
- c: {call: http.post, args: {url: "https://example.com/c"}}
- d: {call: http.get, args: {url: "https://example.com/d"}}
- e: {call: http.post, args: {url: "https://example.com/e"}}
- done: {return: 1}
"""


async def test_a_request_that_may_change_something_goes_out_when_all_before_it_is_durable(house: Any) -> None:
    cloud = house.cloud = Careful(house)
    await house.restart()
    await house.deploy(CHAIN)
    final = await house.until_final(await house.begin())
    assert final.state is Execution.State.SUCCEEDED, final.error
    assert cloud.journalled == [2, 4]
    assert await house.store.read(numbers) == [1, 2, 3, 4, 5]


async def test_where_an_execution_waits_for_an_answer_is_told_while_it_waits(house: Any) -> None:
    cloud = house.cloud = Between()
    await house.restart()
    await house.deploy("- a: {call: http.get, args: {url: 'https://example.com/early'}}")
    execution = await house.begin()
    await until_steps(house)
    assert [step.step for step in (await house.get(execution)).status.current_steps] == ["a"]
    cloud.may_begin.set()
    assert (await house.until_final(execution)).state is Execution.State.SUCCEEDED
