"""Answers that were given before: they are given at once, to whom they may be given, as long as they are right."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from jubako.boxes.jobs.resources import Job
from jubako.core.errors import PermissionDenied, Unauthenticated
from jubako.runtime.system import SystemClock
from jubako.store.migrations import load
from jubako.store.port import Tx
from jubako.store.sqlite import SqliteStore
from jubako.testing.events import RecordedEvents
from jubako.wire import listener, operations, protobuf_codec
from jubako.wire.extras import Extras
from jubako.wire.front import Doors, Front
from jubako.wire.google_types import GetOperationRequest, Operation
from jubako.wire.grpc_door import Checks, GrpcDoor
from jubako.wire.http import HttpResponse
from jubako.wire.listener import AtOnce
from jubako.wire.method import Caller
from jubako.wire.operations_api import OperationsHandlers, operations_api
from jubako.wire.origins import Origins
from jubako.wire.rest import Router
from jubako.wire.websockets import WebSocketListener

NAME = "projects/p/locations/l/operations/o"
PATH = f"/v2/{NAME}"
DEADLINE_S = 20
Connect = Callable[[], Awaitable["Wire"]]
Answer = tuple[int, dict[str, str], bytes]


class Policies:
    """Lets ``user:local`` do everything, and others what is granted."""

    def __init__(self) -> None:
        self.granted = {"user:guest"}

    def caller(self, headers: Mapping[str, str]) -> Caller:
        token = headers.get("authorization")
        if token == "Bearer bad":
            raise Unauthenticated("The token is not ours.")
        return Caller(principal="user:guest" if token else "user:local")

    def holds(self, permission: str, caller: Caller) -> bool:
        return bool(permission) and caller.principal == "user:local"

    async def check(self, permission: str, caller: Caller, resource: str = "") -> None:
        if not self.holds(permission, caller) and caller.principal not in self.granted:
            raise PermissionDenied(f"{permission} on {resource} is denied.")


class NoServices:
    async def locate(self, host: str) -> None:
        del host

    async def forward(self, call: object) -> Any:
        raise AssertionError(call)


@dataclass
class Place:
    port: int
    store: SqliteStore
    database: Path
    policies: Policies
    outside: list[str]
    at_once: list[str] = field(default_factory=list)
    """Targets that were answered at once."""
    described: int = 0
    """How often the metadata of the operation was made."""

    def watched(self, at_once: AtOnce) -> AtOnce:
        def watch(target: str, headers: Sequence[tuple[bytes, bytes]]) -> HttpResponse | None:
            reply = at_once(target, headers)
            self.at_once += [] if reply is None else [target]
            return reply

        return watch

    async def start(self, state: str = "running") -> None:
        start = operations.Start(
            name=NAME, api="run", metadata=Job(creator=state), target_kind="toy", target="t"
        )
        await self.store.write(lambda tx: operations.start(tx, start))


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    clock, events, policies = SystemClock(), RecordedEvents(), Policies()
    database = tmp_path / "store.db"
    store = SqliteStore(database, clock, load("jubako.store", "jubako.wire"))
    place = Place(0, store, database, policies, ["here"])

    def describe(tx: Tx, target: str) -> Job:
        del tx
        place.described += 1
        return Job(name=target, creator=place.outside[0])

    handlers = OperationsHandlers(store, clock, "run", {"toy": describe}, lambda: place.outside[0])
    apis = [operations_api(handlers, "v2", ())]
    router, origins = Router(apis, policies, events), Origins()
    front = Front(
        Doors(
            router=router,
            extras=Extras([], policies),
            gateway=NoServices(),
            callers=policies,
            origins=origins,
            api_hosts=frozenset({"run.googleapis.com"}),
        ),
        events,
    )
    checks = Checks(access=policies, callers=policies, is_ours=origins.answers_to)
    door = GrpcDoor(apis, checks, events, lambda: tmp_path / "grpc.sock")
    port = WebSocketListener(front, [door], place.watched(front.at_once))
    place.port = await port.start("127.0.0.1", 0)
    await place.start()
    yield place
    await port.close()
    await store.close()


@pytest.fixture
async def connect(place: Place) -> AsyncIterator[Connect]:
    """Opens connections; all are closed after the test."""
    opened = []

    async def one() -> Wire:
        opened.append(await Wire.to(place))
        return opened[-1]

    yield one
    for wire in opened:
        wire.writer.transport.abort()


@pytest.fixture
async def wire(connect: Connect) -> "Wire":
    return await connect()


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def to(cls, place: Place) -> "Wire":
        return cls(*await asyncio.open_connection("127.0.0.1", place.port))

    async def ask(self, target: str = PATH, **changes: str) -> Answer:
        self.writer.write(request(target, **changes))
        return await self.reply()

    async def reply(self) -> Answer:
        async with asyncio.timeout(DEADLINE_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:-2])
            body = await self.reader.readexactly(int(headers["content-length"]))
            return int(head[0].split()[1]), headers, body


def request(
    target: str = PATH, verb: str = "GET", version: str = "1.1", body: str = "", **more: str
) -> bytes:
    headers = {"host": "localhost"} | {name.replace("_", "-"): value for name, value in more.items()}
    lines = [f"{verb} {target} HTTP/{version}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", body]).encode()


async def test_what_was_answered_before_is_answered_at_once_and_alike(place: Place, wire: Wire) -> None:
    first = await wire.ask()
    assert place.at_once == []
    assert first[0] == 200
    assert await wire.ask() == first
    assert await wire.ask() == first
    assert await wire.ask(content_length="0", user_agent="curl", accept="*/*") == first
    assert place.at_once == [PATH] * 3


async def test_a_change_is_seen_by_the_next_request(place: Place, wire: Wire) -> None:
    for _ in range(2):
        assert b'"done":true' not in (await wire.ask())[2]
    await place.store.write(lambda tx: operations.finish(tx, NAME, Job(name="done")))
    assert b'"done":true' in (await wire.ask())[2]
    assert b'"done":true' in (await wire.ask())[2]
    await place.store.write(lambda tx: operations.delete(tx, NAME))
    assert (await wire.ask())[0] == 404
    await place.start("again")
    assert (await wire.ask())[0] == 200
    assert place.at_once == [PATH] * 2


async def test_a_change_by_another_program_is_seen_too(place: Place, wire: Wire) -> None:
    await wire.ask()
    with sqlite3.connect(place.database) as other:
        other.execute("UPDATE operations SET done = 1")
    other.close()
    assert b'"done":true' in (await wire.ask())[2]
    assert place.at_once == []


async def test_a_change_outside_of_the_store_is_seen_too(place: Place, wire: Wire) -> None:
    await wire.ask()
    place.outside[0] = "there"
    assert b'"creator":"there"' in (await wire.ask())[2]
    assert place.at_once == []


async def test_changes_of_other_rows_do_not_matter(place: Place, wire: Wire) -> None:
    first = await wire.ask()
    other = operations.Start(name=NAME + "2", api="run", metadata=Job(), target_kind="", target="")
    await place.store.write(lambda tx: operations.start(tx, other))
    assert await wire.ask() == first
    assert place.at_once == [PATH]


REFUSED = {
    "a name that is not ours": ({"host": "evil.example"}, 403),
    "a page of another site": ({"origin": "https://evil.example"}, 403),
    "a bad token": ({"authorization": "Bearer bad"}, 401),
    "an API that is not served": ({"host": "other.googleapis.com"}, 404),
    "a service": ({"host": "web-1.l.run.app"}, 404),
    "a body": ({"content_length": "1", "body": "x"}, 400),
    "a body in pieces": ({"transfer_encoding": "chunked", "body": "1\r\nx\r\n0\r\n\r\n"}, 400),
    "a bad key": ({"idempotency_key": "a b"}, 400),
    "a long head": ({"x": "x" * 70_000}, 431),
    "another verb": ({"verb": "PATCH"}, 405),
}


@pytest.mark.parametrize(("changes", "status"), REFUSED.values(), ids=REFUSED)
async def test_what_is_refused_is_refused_as_if_nothing_were_known(
    place: Place, connect: Connect, changes: dict[str, str], status: int
) -> None:
    fresh = await (await connect()).ask(**changes)
    await (await connect()).ask()
    assert await (await connect()).ask(**changes) == fresh
    assert (fresh[0], place.at_once) == (status, [])


async def test_two_hosts_are_refused(place: Place, wire: Wire) -> None:
    await wire.ask()
    wire.writer.write(request(Host="localhost"))
    assert (await wire.reply())[0] == 400
    assert place.at_once == []


async def test_the_policies_are_asked_for_whom_they_are_about(place: Place, wire: Wire) -> None:
    first = await wire.ask()
    assert await wire.ask(authorization="Bearer guest") == first
    place.policies.granted.clear()
    assert (await wire.ask(authorization="Bearer guest"))[0] == 403
    assert place.at_once == []


@pytest.mark.parametrize("changes", [{"version": "1.0"}, {"connection": "close"}])
async def test_a_connection_that_ends_after_its_answer_ends(
    place: Place, wire: Wire, changes: dict[str, str]
) -> None:
    first = await wire.ask()
    status, _, body = await wire.ask(**changes)
    assert (status, body) == (first[0], first[2])
    async with asyncio.timeout(DEADLINE_S):
        assert await wire.reader.read() == b""


async def test_each_target_has_its_own_answer(place: Place, wire: Wire) -> None:
    plain = await wire.ask()
    for _ in range(2):
        assert await wire.ask(PATH + "?%24alt=json%3Benum-encoding=int") == plain
        assert await wire.ask(PATH + "?") == plain
        assert (await wire.ask(PATH + "?none=1"))[0] == 400
        assert (await wire.ask(PATH + "#x"))[0] in {200, 400}
    assert place.at_once == [PATH + "?%24alt=json%3Benum-encoding=int"]


async def test_pipelined_requests_are_answered_in_order_whether_known_or_not(
    place: Place, wire: Wire
) -> None:
    await wire.ask()
    wire.writer.write(request() + request("/none") + request() + request("/healthz") + request() * 2)
    assert [(await wire.reply())[0] for _ in range(6)] == [200, 404, 200, 200, 200, 200]


async def test_a_client_that_asks_far_ahead_gets_all_answers(wire: Wire) -> None:
    first = await wire.ask()
    count = 20_000
    wire.writer.write(request() * count)
    assert [await wire.reply() for _ in range(count)] == [first] * count


async def test_a_connection_stays_after_it_was_answered_at_once(
    wire: Wire, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    await wire.ask()
    monkeypatch.setattr(listener, "HEAD_S", 0.01)
    first = await wire.ask()
    slow = await connect()
    slow.writer.write(b"GET / HTTP/1.1\r\n")
    async with asyncio.timeout(DEADLINE_S):
        assert await slow.reader.read() == b""
    assert await wire.ask() == first


async def test_over_grpc_the_same_holds(place: Place) -> None:
    async with grpc.aio.insecure_channel(f"localhost:{place.port}") as channel:
        call: Any = channel.unary_unary("/google.longrunning.Operations/GetOperation")

        async def get(*metadata: tuple[str, str]) -> bytes:
            async with asyncio.timeout(DEADLINE_S):
                answer: bytes = await call(
                    protobuf_codec.encode(GetOperationRequest(name=NAME)), metadata=metadata
                )
                return answer

        first = await get()
        assert [await get(), await get(("authorization", "Bearer guest"))] == [first] * 2
        assert place.described == 1
        place.policies.granted.clear()
        for metadata, code in (
            (("authorization", "Bearer guest"), grpc.StatusCode.PERMISSION_DENIED),
            (("authorization", "Bearer bad"), grpc.StatusCode.UNAUTHENTICATED),
            (("origin", "http://localhost"), grpc.StatusCode.PERMISSION_DENIED),
            (("idempotency-key", "a b"), grpc.StatusCode.INVALID_ARGUMENT),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await get(metadata)
            assert refused.value.code() is code
        place.outside[0] = "there"
        assert (await get(), place.described) != (first, 1)
        await place.store.write(lambda tx: operations.finish(tx, NAME, Job(name="done")))
        assert protobuf_codec.decode(Operation, await get()).done
        await place.store.write(lambda tx: operations.delete(tx, NAME))
        with pytest.raises(grpc.aio.AioRpcError) as gone:
            await get()
        assert gone.value.code() is grpc.StatusCode.NOT_FOUND
