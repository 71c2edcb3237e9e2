"""CONNECT on a real port: our names end here, strangers' pass through untouched, link-local never."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from jubako.runtime.system import SystemClock
from jubako.testing.events import RecordedEvents
from jubako.wire.authority import Authority
from jubako.wire.connect import ConnectDoor, ConnectPorts, Inside
from jubako.wire.dial import Dialer
from jubako.wire.http import HttpRequest, HttpResponse
from jubako.wire.listener import Listener
from jubako.wire.plain import Plain

BIG = 8 * 1024 * 1024


class Names:
    async def plays(self, name: str) -> bool:
        return name.endswith(".googleapis.com")


class Hello(asyncio.Protocol):
    """Stands for the gRPC server: says what it got, to the end."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        assert isinstance(self.transport, asyncio.Transport)
        self.transport.write(b"h2:" + data)


@dataclass
class Place:
    port: int
    authority: Authority
    door: ConnectDoor
    listener: Listener

    async def connect(self, target: str) -> tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]:
        """Send CONNECT; return the status line and the open connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        line = await reader.readline()
        while (await reader.readline()).strip():
            pass
        return line, reader, writer


def answer(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=200, body=f"{request.headers['host']}{request.path}".encode())


async def _place(tmp_path: Path, dial: Dialer | None) -> Place:
    authority = Authority(tmp_path, SystemClock())
    listeners: list[Listener] = []
    ports = ConnectPorts(names=Names(), contexts=authority, dial=dial, events=RecordedEvents())

    def http() -> asyncio.Protocol:
        return listeners[0].accept_http()

    door = ConnectDoor(ports, Inside(http=http, h2=Hello))
    listener = Listener(Plain(answer), [door])
    listeners.append(listener)
    return Place(await listener.start("127.0.0.1", 0), authority, door, listener)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    place = await _place(tmp_path, Dialer())
    yield place
    await place.listener.close()


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """Return the port of a stranger that sends back what it gets."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def tls(place: Place, writer: asyncio.StreamWriter, alpn: list[str]) -> None:
    context = ssl.create_default_context(cadata=place.authority.certificate_pem)
    if alpn:
        context.set_alpn_protocols(alpn)
    await writer.start_tls(context, server_hostname="run.googleapis.com")


@pytest.mark.parametrize("alpn", [[], ["http/1.1"], ["h2", "http/1.1"]], ids=str)
async def test_our_name_speaks_http_inside_tls(place: Place, alpn: list[str]) -> None:
    line, reader, writer = await place.connect("run.googleapis.com:443")
    assert line.startswith(b"HTTP/1.1 200")
    await tls(place, writer, alpn)
    for path in ("/a", "/b"):  # the connection is kept
        writer.write(f"GET {path} HTTP/1.1\r\nHost: run.googleapis.com\r\n\r\n".encode())
        reply = await reader.readuntil(f"run.googleapis.com{path}".encode())
        assert reply.startswith(b"HTTP/1.1 200")
    writer.transport.abort()


async def test_who_speaks_http2_only_reaches_the_other_side(place: Place) -> None:
    _, reader, writer = await place.connect("RUN.googleapis.com:443")
    await tls(place, writer, ["h2"])
    writer.write(b"PRI")
    assert await reader.readexactly(6) == b"h2:PRI"
    writer.transport.abort()


async def test_a_strangers_bytes_pass_untouched_and_with_flow_control(place: Place, echo: int) -> None:
    line, reader, writer = await place.connect(f"127.0.0.1:{echo}")
    assert line.startswith(b"HTTP/1.1 200")
    sent = bytes(range(256)) * (BIG // 256)
    writer.write(sent)
    received = bytearray()
    async with asyncio.timeout(30):
        while len(received) < len(sent):
            received += await reader.read(65536)
    assert received == sent
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize(
    "target", ["169.254.169.254:80", "[fe80::1]:443", "[::ffff:169.254.169.254]:80", "0.0.0.0:80"]
)
async def test_link_local_is_never_reached(place: Place, target: str) -> None:
    line, _, writer = await place.connect(target)
    assert line.split()[1] in {b"403", b"502"}
    writer.close()


async def test_offline_strangers_are_refused_and_ours_are_not(tmp_path: Path, echo: int) -> None:
    place = await _place(tmp_path, None)
    for target, status in ((f"127.0.0.1:{echo}", b"403"), ("run.googleapis.com:443", b"200")):
        line, _, writer = await place.connect(target)
        assert line.split()[1] == status
        writer.transport.abort()
    await place.listener.close()


@pytest.mark.parametrize(
    "request_",
    [
        b"CONNECT  HTTP/1.1\r\n\r\n",
        b"CONNECT run.googleapis.com HTTP/1.1\r\n\r\n",
        b"CONNECT run.googleapis.com:0 HTTP/1.1\r\n\r\n",
        b"CONNECT run.googleapis.com:99999 HTTP/1.1\r\n\r\n",
        b"CONNECT a@b:443 HTTP/1.1\r\n\r\n",
        b"CONNECT run.googleapis.com:443 HTTP/1.1\r\n\r\n\x16\x03\x01",
        b"CONNECT \xff\xfe:443 HTTP/1.1\r\n\r\n",
        b"CONNECT " + b"x" * 20_000,
    ],
)
async def test_what_is_no_request_gets_400_or_a_close(place: Place, request_: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
    writer.write(request_)
    async with asyncio.timeout(5):
        reply = await reader.read()
    assert reply.startswith(b"HTTP/1.1 400")
    writer.close()


async def test_a_client_that_does_not_believe_us_or_goes_away_leaves_nothing(place: Place) -> None:
    for first in (b"", b"\x16\x03\x01\x00\x05hello", b"GET / HTTP/1.1\r\n\r\n"):
        _, _, writer = await place.connect("run.googleapis.com:443")
        writer.write(first)
        writer.transport.abort()
    async with asyncio.timeout(5):
        await asyncio.gather(*place.door.tasks, return_exceptions=True)
    assert not place.door.splices


async def test_a_proxy_that_this_machine_needs_is_asked_in_turn(
    tmp_path: Path, place: Place, echo: int
) -> None:
    (tmp_path / "second").mkdir()
    chained = await _place(tmp_path / "second", Dialer(f"http://127.0.0.1:{place.port}"))
    line, reader, writer = await chained.connect(f"127.0.0.1:{echo}")
    assert line.startswith(b"HTTP/1.1 200")
    writer.write(b"through two")
    assert await reader.readexactly(11) == b"through two"
    writer.transport.abort()
    await chained.listener.close()
