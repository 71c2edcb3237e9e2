"""The one port, spoken to in bytes: what a hostile or clumsy client can send."""

import asyncio
import json
from datetime import timedelta

import pytest

from jubako.core.errors import Unavailable
from jubako.wire import listener
from jubako.wire.body import BODY_MAX
from jubako.wire.front import HEAD_MAX, Front
from jubako.wire.http import HttpRequest
from jubako.wire.listener import Listener
from jubako.wire.method import Caller

JOBS = "/v2/projects/p/locations/l/jobs"
DEADLINE_S = 20


Answer = tuple[int, dict[str, list[str]], bytes]


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def to(cls, port: int) -> "Wire":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def request(self, verb: str, path: str, body: bytes = b"", **headers: str) -> Answer:
        self.write(verb, path, headers={"content-length": str(len(body)), **headers})
        self.writer.write(body)
        return await self.response()

    def write(self, verb: str, path: str, headers: dict[str, str]) -> None:
        named = {"host": "localhost"} | {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{name}: {value}" for name, value in named.items()]
        self.writer.write("\r\n".join([f"{verb} {path} HTTP/1.1", *lines, "", ""]).encode("latin-1"))

    async def response(self) -> Answer:
        async with asyncio.timeout(DEADLINE_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers: dict[str, list[str]] = {}
            for line in head[1:-2]:
                name, _, value = line.partition(": ")
                headers.setdefault(name.lower(), []).append(value)
            if "content-length" in headers:
                body = await self.reader.readexactly(int(headers["content-length"][0]))
            else:
                body = await self.chunks() if "transfer-encoding" in headers else await self.reader.read()
            return int(head[0].split()[1]), headers, body

    async def chunks(self) -> bytes:
        body = b""
        while size := int(await self.reader.readline(), 16):
            body += await self.reader.readexactly(size)
            await self.reader.readexactly(2)
        await self.reader.readexactly(2)
        return body

    async def ended(self) -> bytes:
        """What comes until the server closes the connection."""
        async with asyncio.timeout(DEADLINE_S):
            try:
                return await self.reader.read()
            except ConnectionResetError:  # it closed while we were still sending
                return b""


@pytest.fixture
async def connect(place):
    """Opens connections; all are closed after the test."""
    opened = []

    async def one() -> Wire:
        opened.append(await Wire.to(place.port))
        return opened[-1]

    yield one
    for connection in opened:
        connection.writer.transport.abort()


@pytest.fixture
async def wire(connect):
    return await connect()


def error(body: bytes) -> tuple[int, str]:
    shape = json.loads(body)["error"]
    assert shape["message"]
    return shape["code"], shape["status"]


async def test_health_needs_no_caller(wire) -> None:
    status, headers, body = await wire.request("GET", "/healthz", authorization="Bearer bad")
    assert (status, body) == (200, b'{"status":"ok"}')
    assert headers["x-content-type-options"] == ["nosniff"]


async def test_one_connection_serves_many_requests(wire) -> None:
    for number in range(3):
        status, _, _ = await wire.request("POST", f"{JOBS}?jobId=j{number}", b"{}")
        assert status == 200
    _, _, body = await wire.request("GET", JOBS)
    assert len(json.loads(body)["jobs"]) == 3


async def test_pipelined_requests_are_answered_in_order(wire) -> None:
    for path in ("/healthz", "/none", "/healthz"):
        wire.write("GET", path, {})
    assert [(await wire.response())[0] for _ in range(3)] == [200, 404, 200]


OURS = ["localhost", "localhost:8123", "127.0.0.1:1", "[::1]:8123", "LOCALHOST", "jubako.example"]
OURS += ["run.googleapis.com", "asia-northeast1-run.googleapis.com:443"]
FOREIGN = [
    "evil.example",
    "evil.example:8123",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "",
    "localhost@evil",
]
FOREIGN += [
    "localhost@evil",
    "googleapis.com.evil.example",
    ".googleapis.com",
    "run.app",
    "0.0.0.0",
    "[::1",
    "localhost.",
]


@pytest.mark.parametrize("host", OURS)
async def test_our_names_are_answered(wire, host: str) -> None:
    assert (await wire.request("GET", "/healthz", host=host))[0] == 200


@pytest.mark.parametrize("path", ["/healthz", JOBS, "/run/p/l/echo/", "/jubako/v1/whoami/x", "/none"])
@pytest.mark.parametrize("host", FOREIGN)
async def test_other_names_are_refused_everywhere(wire, place, host: str, path: str) -> None:
    status, _, body = await wire.request("GET", path, host=host)
    assert (status, error(body)) == (403, (403, "PERMISSION_DENIED"))
    assert place.gateway.calls == []


async def test_two_host_headers_or_none_are_refused(wire, connect) -> None:
    wire.writer.write(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n\r\n")
    assert (await wire.response())[0] == 400
    other = await connect()
    other.writer.write(b"GET /healthz HTTP/1.0\r\n\r\n")
    assert (await other.response())[0] == 400


@pytest.mark.parametrize("verb", ["GET", "POST", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://localhost:3000",
        "https://evil.run.app",
        "http://[",
        "localhost:8123",
        "",
    ],
)
async def test_pages_of_other_sites_are_refused_on_every_method(wire, verb: str, origin: str) -> None:
    status, headers, _ = await wire.request(verb, JOBS, host="localhost:8123", origin=origin)
    assert status == 403
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("origin", ["http://localhost:8123", "http://127.0.0.1:8123", "http://[::1]:8123"])
async def test_our_own_pages_may_ask(wire, origin: str) -> None:
    assert (await wire.request("GET", JOBS, host="localhost:8123", origin=origin))[0] == 200


async def test_bad_credentials_are_401(wire) -> None:
    status, headers, body = await wire.request("GET", JOBS, authorization="Bearer bad")
    assert (status, error(body)) == (401, (401, "UNAUTHENTICATED"))
    assert headers["www-authenticate"]


async def test_the_idempotency_key_reaches_the_handler(wire, place) -> None:
    key = "k" * 255
    assert (await wire.request("POST", f"{JOBS}?jobId=j", b"{}", idempotency_key=key))[0] == 200
    assert place.jobs.callers[0].idempotency_key == key
    assert (await wire.request("POST", "/jubako/v1/whoami/me", idempotency_key="k2"))[2] == b"me k2"


@pytest.mark.parametrize("key", ["k" * 256, "a b", "", "\xe9", "a\tb"])
async def test_a_bad_idempotency_key_is_refused(wire, place, key: str) -> None:
    status, _, body = await wire.request("POST", f"{JOBS}?jobId=j", b"{}", idempotency_key=key)
    assert (status, error(body)) == (400, (400, "INVALID_ARGUMENT"))
    assert place.jobs.jobs == {}


BAD_BODIES = [b"{", b"\xff\xfe", b'{"labels":{"a":"\xff"}}', b"null", b'{"nope":1}']
BAD_BODIES += [b"[" * 10_000, b'{"template":' * 10_000]


@pytest.mark.parametrize("body", BAD_BODIES)
async def test_bad_bodies_are_400_and_the_connection_lives_on(wire, place, body: bytes) -> None:
    status, _, reply = await wire.request("POST", f"{JOBS}?jobId=j", body)
    assert (status, error(reply)) == (400, (400, "INVALID_ARGUMENT"))
    assert (await wire.request("GET", "/healthz"))[0] == 200
    assert place.events.all == []


async def test_a_big_body_does_not_hold_up_small_requests(place) -> None:
    path = "/v2/projects/p/locations/l/jobs"
    body = b'{"annotations":{' + b",".join(b'"k%d":"v"' % number for number in range(200_000)) + b"}}"
    big = HttpRequest(method="POST", path=path, query="jobId=big", headers={}, body=body)
    small = HttpRequest(method="GET", path=f"{path}/none", query="", headers={})
    async with asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as both:
        first = both.create_task(place.router.handle(big, Caller(principal="user:local")))
        second = both.create_task(place.router.handle(small, Caller(principal="user:local")))
        assert (await second).status == 404
        assert not first.done()
        assert (await first).status == 200


async def test_an_announced_body_that_is_too_large_is_refused_unread(wire) -> None:
    wire.write("POST", JOBS, {"content-length": str(BODY_MAX + 1)})
    status, headers, body = await wire.response()
    assert (status, error(body)) == (413, (413, "INVALID_ARGUMENT"))
    assert headers["connection"] == ["close"]
    assert await wire.ended() == b""


async def test_an_unannounced_body_that_is_too_large_is_refused(wire) -> None:
    wire.write("POST", JOBS, {"transfer-encoding": "chunked"})
    piece = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    for _ in range(33):
        wire.writer.write(piece)
    assert (await wire.response())[0] == 413


async def test_headers_beyond_the_limit_are_431(wire) -> None:
    wire.write("GET", "/healthz", {f"x-{n}": "v" * 100 for n in range(700)})
    status, _, body = await wire.response()
    assert (status, error(body)[0]) == (431, 431)


@pytest.mark.parametrize("start", [b"GET /", b"GET / HTTP/1.1\r\nx: ", b"GET / HTTP/1.1\r\n"])
async def test_a_head_that_never_ends_is_cut_off(wire, start: bytes) -> None:
    wire.writer.write(start)
    line = b"y: z\r\n" if start.endswith(b"\n") else b"aaaaaa"
    wire.writer.write(line * (12 * HEAD_MAX // len(line)))
    assert (await wire.ended())[:12] in {b"", b"HTTP/1.1 431", b"HTTP/1.1 400"}


JUNK = [b"\x16\x03\x01\x02\x00\x01\x00\x01", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET\r\n\r\n", b"\0" * 100]
JUNK += [b"GET /\xff HTTP/1.1\r\nhost: localhost\r\n\r\n", b"CONNECT localhost:443 HTTP/1.1\r\n\r\n"]
JUNK += [b"GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n"]
JUNK += [b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"]


@pytest.mark.parametrize("junk", JUNK)
async def test_what_is_no_http_is_answered_or_closed_and_harms_nobody(
    wire, connect, place, junk: bytes
) -> None:
    wire.writer.write(junk)
    wire.writer.write_eof()
    reply = await wire.ended()
    assert reply[:10] in {b"", b"HTTP/1.1 4"}
    if reply:
        assert error(reply.partition(b"\r\n\r\n")[2])[0] == int(reply[9:12])
    other = await connect()
    assert (await other.request("GET", "/healthz"))[0] == 200
    assert place.events.named("request.failed") == []


async def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_bug(wire, connect, place) -> None:
    wire.write("POST", JOBS, {"content-length": "100"})
    wire.writer.write(b"{")
    await wire.writer.drain()
    wire.writer.transport.abort()
    other = await connect()
    assert (await other.request("GET", "/healthz"))[0] == 200
    assert place.events.named("request.failed") == []


async def test_a_service_gets_the_request_as_it_was_and_answers_in_pieces(wire, place) -> None:
    status, headers, body = await wire.request(
        "PUT", "/run/p/l/echo/a%2Fb/c?x=1&y", b"hello", x_a="1", connection="keep-alive"
    )
    assert (status, body) == (207, b"h")
    assert headers["set-cookie"] == ["a=1", "b=2"]
    [call] = place.gateway.calls
    assert (call.method, call.path, call.query, call.caller) == ("PUT", "/a%2Fb/c", "x=1&y", None)
    assert ("x-a", "1") in call.headers
    assert "connection" not in dict(call.headers)
    assert (await wire.request("GET", "/healthz"))[0] == 200


async def test_a_service_is_also_reached_by_its_own_name(wire, place) -> None:
    status, _, _ = await wire.request("POST", "/run/x/y", b"hi", host="echo-123.l.run.app")
    assert (status, place.gateway.calls[0].path) == (207, "/run/x/y")
    status, _, _ = await wire.request("GET", "/", host="none-123.l.run.app")
    assert status == 404


PATHS = [("/run/p/l/none/", 404), ("/run/p/l", 404), ("/run//l/echo/", 404), ("/run/p/l/echo", 207)]


@pytest.mark.parametrize(("path", "status"), PATHS)
async def test_service_paths_that_name_nothing_are_404(wire, path: str, status: int) -> None:
    assert (await wire.request("GET", path))[0] == status


async def test_an_upload_larger_than_any_limit_streams_through(wire, place) -> None:
    size, piece = BODY_MAX + 2**20, b"x" * 2**20
    wire.write("POST", "/run/p/l/echo/", {"content-length": str(size)})

    async def upload() -> None:
        for _ in range(size // len(piece)):
            wire.writer.write(piece)
            await wire.writer.drain()

    uploading = asyncio.create_task(upload())
    status, _, _ = await wire.response()
    await uploading
    assert (status, place.gateway.received) == (207, size)


async def test_an_endless_answer_ends_when_the_client_leaves(wire, place) -> None:
    wire.write("GET", "/run/p/l/forever/", {})
    async with asyncio.timeout(DEADLINE_S):
        await wire.reader.readuntil(b"tick")
        wire.writer.transport.abort()
        await place.gateway.gone.wait()


@pytest.mark.parametrize("start", [b"GET / HTTP/1.1\r\nhost: local", b"\r\n"])
async def test_a_head_that_trickles_in_is_dropped(wire, monkeypatch, start: bytes) -> None:
    monkeypatch.setattr(listener, "HEAD_S", 0.05)
    assert (await wire.request("GET", "/healthz"))[0] == 200
    wire.writer.write(start)
    assert await wire.ended() == b""


async def test_a_port_that_is_taken_is_told(place) -> None:
    with pytest.raises(Unavailable, match=str(place.port)):
        await Listener(Front(None, place.events)).start("127.0.0.1", place.port)  # type: ignore[arg-type]


async def test_closing_ends_idle_and_endless_connections(place, connect) -> None:
    idle, endless = await connect(), await connect()
    assert (await idle.request("GET", "/healthz"))[0] == 200
    endless.write("GET", "/run/p/l/forever/", {})
    await endless.reader.readuntil(b"tick")
    async with asyncio.timeout(DEADLINE_S):
        await place.listener.close(timedelta(0))
        await idle.ended()
        await place.gateway.gone.wait()
    with pytest.raises(ConnectionRefusedError):
        await connect()


async def test_an_answer_that_breaks_off_breaks_the_connection_and_is_told(place, wire) -> None:
    place.gateway.breaks = True
    wire.write("GET", "/run/p/l/echo/", {})
    wire.writer.write_eof()
    assert not (await wire.ended()).endswith(b"0\r\n\r\n")
    assert (await place.events.wait_for("response.broken")).fields["path"] == "/run/p/l/echo/"
