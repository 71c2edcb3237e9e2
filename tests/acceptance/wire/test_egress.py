"""The one way out, against real sockets and against our own names."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta

import pytest

from jubako.boxes.jobs.resources import Job
from jubako.wire.codec import encode
from jubako.wire.egress import RESPONSE_MAX, Call, Egress
from jubako.wire.http import HttpResponse
from jubako.wire.method import Caller
from jubako.wire.outbound import (
    CallTimeout,
    ConnectionBroken,
    ConnectionFailed,
    InvalidCall,
    Outbound,
    RefusedAddress,
    ResponseTooLarge,
)
from jubako.wire.pool import CONNECTIONS_MAX

HOSTS = frozenset({"run.googleapis.com"})
CALLER = Caller(principal="serviceAccount:w@p", idempotency_key="effect#0")
API = "https://run.googleapis.com/v2/projects/p/locations/l/jobs"
Script = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class Peer:
    """A server that answers each request with what the test says, and keeps what it got."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.script: Script = self.reply(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        self.port = 0
        self.sent = 0
        self.connections = 0

    def reply(self, data: bytes) -> Script:
        async def script(request: bytes, writer: asyncio.StreamWriter) -> None:
            writer.write(data)

        return script

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while not writer.is_closing():
                request = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", request)
                self.requests.append(request + await reader.readexactly(int(length[1]) if length else 0))
                await self.script(request, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    peer = Peer()
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    yield peer
    server.close()


class Names:
    """A resolver whose answers the test sets; a list is used up one look-up at a time."""

    def __init__(self) -> None:
        self.answers: dict[str, list[list[str]]] = {}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        if host in self.answers:
            known = self.answers[host]
            return known.pop(0) if len(known) > 1 else known[0]
        if host[0].isdigit():
            return [host]
        raise OSError("unknown name")


@pytest.fixture
def names() -> Names:
    return Names()


class Begun(Egress):
    """Sends without a task what can be sent so."""

    async def send(self, call: Call, caller: Caller) -> HttpResponse:
        told: asyncio.Queue[HttpResponse | Exception] = asyncio.Queue()
        if self.begin(call, caller, told.put_nowait) is None:
            return await super().send(call, caller)
        found = await told.get()
        assert told.empty()
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture(params=[Egress, Begun])
async def egress(request, place, names) -> AsyncIterator[Egress]:
    egress = request.param(
        place.router, place.gateway, HOSTS, Outbound(loopback_allowed=True, resolver=names)
    )
    yield egress
    await egress.close()


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is bound, so nobody else takes it, and on which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


async def send(egress: Egress, url: str, method: str = "GET", **fields):
    return await egress.send(Call(method=method, url=url, **fields), CALLER)


async def test_googles_api_names_are_answered_here_with_the_callers_identity(place, egress) -> None:
    body = encode(Job(labels={"a": "b"}))
    response = await send(egress, f"{API}?jobId=j1", "POST", body=body)
    assert response.status == 200
    assert place.jobs.callers == [CALLER]
    regional = API.replace("run.", "asia-northeast1-run.")
    assert (await send(egress, f"{regional}/j1")).status == 200
    assert (await send(egress, f"{API}/none")).status == 404


async def test_a_deployed_services_name_is_answered_here_with_the_callers_identity(place, egress) -> None:
    response = await send(
        egress, "https://echo-1.l.run.app/a%2Fb?x=1", "POST", body=b"hello", headers={"x": "1"}
    )
    assert (response.status, response.body) == (207, b"h")
    [call] = place.gateway.calls
    assert (call.path, call.query, call.headers, call.caller) == ("/a%2Fb", "x=1", (("x", "1"),), CALLER)


async def test_an_endless_answer_of_a_service_is_cut_off(place, egress) -> None:
    place.gateway.located = "forever"
    with pytest.raises(ResponseTooLarge):
        await send(egress, "https://echo-1.l.run.app/")
    async with asyncio.timeout(20):
        await place.gateway.gone.wait()


async def test_another_address_is_called_over_the_network(peer, egress) -> None:
    response = await send(egress, peer.url("/p?q=1"), "POST", headers={"x-a": "1"}, body=b"abc")
    assert (response.status, response.body) == (200, b"ok")
    assert peer.requests[0].startswith(b"POST /p?q=1 HTTP/1.1\r\n")
    assert b"content-length: 3" in peer.requests[0]
    assert b"x-a: 1" in peer.requests[0]


async def test_a_name_is_looked_up_once_and_the_checked_address_is_called(peer, egress, names) -> None:
    names.answers["rebind.example"] = [["127.0.0.1"], ["169.254.169.254"]]
    assert (await send(egress, peer.url(host="rebind.example"))).status == 200
    assert names.asked == ["rebind.example"]
    assert b"host: rebind.example:" in peer.requests[0]


@pytest.mark.parametrize("addresses", [["169.254.169.254"], ["::ffff:169.254.169.254"], ["0.0.0.0"], []])
async def test_refused_addresses_are_not_connected_to(egress, names, addresses) -> None:
    names.answers["meta.example"] = [addresses]
    with pytest.raises(RefusedAddress, match=r"meta\.example"):
        await send(egress, "http://meta.example/")


async def test_loopback_is_refused_where_it_is_not_allowed(place, peer, names) -> None:
    egress = Egress(place.router, place.gateway, HOSTS, Outbound(loopback_allowed=False, resolver=names))
    with pytest.raises(RefusedAddress):
        await send(egress, peer.url())
    await egress.close()
    assert peer.requests == []


async def test_an_allowed_address_beside_a_refused_one_is_called(peer, egress, names) -> None:
    names.answers["two.example"] = [["169.254.169.254", "127.0.0.1"]]
    assert (await send(egress, peer.url(host="two.example"))).status == 200


async def redirected(peer: Peer, location: str, status: int = 302) -> None:
    async def script(request: bytes, writer: asyncio.StreamWriter) -> None:
        if b" /end " in request:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nend")
        else:
            writer.write(f"HTTP/1.1 {status} X\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n".encode())

    peer.script = script


async def test_redirects_are_followed_and_a_post_becomes_a_get(peer, egress) -> None:
    await redirected(peer, "/end")
    assert (await send(egress, peer.url(), "POST", body=b"x")).body == b"end"
    assert peer.requests[1].startswith(b"GET /end")
    await redirected(peer, "/end", 307)
    await send(egress, peer.url(), "PUT", body=b"x", headers={"content-type": "t"})
    assert peer.requests[3].startswith(b"PUT /end")


async def test_credentials_do_not_follow_a_redirect_to_another_place(peer, egress, names) -> None:
    names.answers["other.example"] = [["127.0.0.1"]]
    await redirected(peer, peer.url("/end", "other.example"))
    await send(egress, peer.url(), headers={"authorization": "Bearer secret", "x": "1"})
    assert b"secret" in peer.requests[0]
    assert b"secret" not in peer.requests[1]
    assert b"x: 1" in peer.requests[1]


async def test_a_redirect_to_a_refused_address_is_refused(peer, egress) -> None:
    await redirected(peer, "http://169.254.169.254/latest/meta-data")
    with pytest.raises(RefusedAddress):
        await send(egress, peer.url())


@pytest.mark.parametrize("location", [f"{API}/j:run", "https://echo-1.l.run.app/"])
async def test_another_server_cannot_borrow_the_callers_identity_by_a_redirect(
    place, peer, egress, location: str
) -> None:
    await redirected(peer, location, 307)
    with pytest.raises(RefusedAddress, match="redirected"):
        await send(egress, peer.url(), "POST")
    assert place.gateway.calls == []


async def test_redirects_in_a_circle_end(peer, egress) -> None:
    await redirected(peer, "/again")
    assert (await send(egress, peer.url())).status == 302
    assert len(peer.requests) == 6


async def test_a_large_answer_is_cut_off_before_it_fills_memory(peer, egress) -> None:
    async def script(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n")
        for _ in range(1024):
            writer.write(b"x" * 2**20)
            await writer.drain()
            peer.sent += 2**20

    peer.script = script
    with pytest.raises(ResponseTooLarge):
        await send(egress, peer.url())
    assert peer.sent < 10 * RESPONSE_MAX


async def test_a_call_that_nobody_answers_ends_with_its_time(peer, egress) -> None:
    arrived = asyncio.Event()

    async def silent(request: bytes, writer: asyncio.StreamWriter) -> None:
        arrived.set()

    peer.script = silent
    with pytest.raises(CallTimeout):
        await send(egress, peer.url(), timeout=timedelta(milliseconds=200))
    assert arrived.is_set()


async def test_a_call_that_is_given_up_is_told_to_nobody_and_leaves_its_place(peer, egress) -> None:
    arrived = asyncio.Event()

    async def silent(request: bytes, writer: asyncio.StreamWriter) -> None:
        arrived.set()

    answer, peer.script = peer.script, silent
    told: list[object] = []
    async with asyncio.timeout(20):
        begun = egress.begin(Call(method="GET", url=peer.url()), CALLER, told.append)
        await arrived.wait()
        waiting = [
            egress.begin(Call(method="GET", url=peer.url()), CALLER, told.append)
            for _ in range(2 * CONNECTIONS_MAX)
        ]
        for one in [begun, *waiting]:
            one.cancel()
        peer.script = answer
        assert (await send(egress, peer.url())).status == 200
    assert told == []


async def test_more_calls_than_may_be_under_way_wait_for_their_turn(peer, egress) -> None:
    async with asyncio.timeout(20):
        replies = await asyncio.gather(
            *(send(egress, peer.url(f"/{number}")) for number in range(CONNECTIONS_MAX + 50))
        )
    assert {reply.status for reply in replies} == {200}
    assert peer.connections == CONNECTIONS_MAX


async def test_a_closed_port_and_an_unknown_name_are_failed_connections(egress, closed_port) -> None:
    for url in (f"http://127.0.0.1:{closed_port}/", "http://unknown.example/"):
        with pytest.raises(ConnectionFailed):
            await send(egress, url)


BROKEN = [
    b"",
    b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc",
    b"nonsense\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-l",
]
BROKEN += [b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-encoding: gzip\r\n\r\nabc"]


@pytest.mark.parametrize("data", BROKEN)
async def test_an_answer_that_breaks_off_is_a_broken_connection(peer, egress, data: bytes) -> None:
    async def script(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        writer.close()

    peer.script = script
    with pytest.raises(ConnectionBroken):
        await send(egress, peer.url())


@pytest.mark.parametrize(
    "call",
    [
        Call(method="GET", url="file:///etc/passwd"),
        Call(method="GET", url="http://127.0.0.1/", headers={"a\r\nb": "1"}),
        Call(method="GET", url="http://127.0.0.1/", headers={"a": "1\r\nb: 2"}),
        Call(method="GE T", url="http://127.0.0.1/"),
    ],
)
async def test_what_cannot_be_sent_is_refused(peer, egress, call: Call) -> None:
    if call.url.startswith("http"):
        call = Call(method=call.method, url=peer.url(), headers=call.headers)
    with pytest.raises(InvalidCall):
        await egress.send(call, CALLER)
    assert peer.requests == []


async def test_a_connection_is_used_again(peer, egress) -> None:
    for _ in range(3):
        assert (await send(egress, peer.url())).status == 200
    assert len(peer.requests) == 3
