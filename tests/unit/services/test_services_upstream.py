"""Instances that answer in unusual ways, on real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from jubako.boxes.services.forwarding import Framing, Outgoing
from jubako.boxes.services.upstream import HEAD_BYTES_MAX, Broken, Exchange, Refused
from jubako.core.errors import Cancelled
from jubako.runtime import loopback


async def nothing(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


GET = Outgoing(
    head=b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", body=nothing(), framing=Framing.NONE, may_be_repeated=True
)


@asynccontextmanager
async def instance(answer: bytes, *, then_waits: bool = False) -> AsyncIterator[int]:
    """Listen on a port, and give every request this answer; then close the connection, or keep it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        if then_waits:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


async def talk(port: int, request: Outgoing = GET) -> tuple[int, bytes]:
    exchange = await Exchange.open(port)
    try:
        async with asyncio.timeout(10):
            exchange.send(request)
            status, body = await exchange.status(), b""
            while piece := await exchange.read():
                body += piece
            return status, body
    finally:
        exchange.abort()
        await exchange.wait_closed()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc", (200, b"abc")),
        (b"HTTP/1.0 200 OK\r\n\r\nabc", (200, b"abc")),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", (200, b"abc")),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made\r\ncontent-length: 1\r\n\r\nx", (201, b"x")),
        (b"HTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 204 None\r\n\r\n", (204, b"")),
        (b"HTTP/1.1 304 Same\r\ncontent-length: 9\r\n\r\n", (304, b"")),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxHTTP/1.1 500 no\r\n\r\n", (200, b"x")),
    ],
)
async def test_replies_of_every_framing_are_read(answer: bytes, expected: tuple[int, bytes]) -> None:
    async with instance(answer) as port:
        assert await talk(port) == expected


async def test_a_reply_with_length_ends_though_the_connection_does_not() -> None:
    async with instance(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc", then_waits=True) as port:
        assert await talk(port) == (200, b"abc")


async def test_a_reply_to_head_has_no_body_whatever_its_length_says() -> None:
    request = Outgoing(
        head=b"HEAD / HTTP/1.1\r\n\r\n", body=nothing(), framing=Framing.NONE, may_be_repeated=True
    )
    async with instance(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n", then_waits=True) as port:
        assert await talk(port, request) == (200, b"")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nbytes",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    ],
)
async def test_what_is_cut_short_or_no_http_is_never_a_complete_reply(answer: bytes) -> None:
    async with instance(answer) as port:
        with pytest.raises(Broken):
            await talk(port)


async def test_headers_without_end_are_not_kept() -> None:
    endless = b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * (HEAD_BYTES_MAX // 3)
    async with instance(endless, then_waits=True) as port:
        with pytest.raises(Broken, match=r"too long|not valid"):
            await talk(port)


async def test_nobody_listening_is_refused_at_once() -> None:
    with pytest.raises(Refused):
        await Exchange.open(loopback.free_port())


async def test_a_client_who_leaves_in_the_middle_of_the_body_ends_the_request() -> None:
    async def leaving() -> AsyncIterator[bytes]:
        yield b"ab"
        raise Cancelled("The client went away.")

    request = Outgoing(
        head=b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\n",
        body=leaving(),
        framing=Framing.LENGTH,
        may_be_repeated=False,
    )
    async with instance(b"", then_waits=True) as port:
        with pytest.raises(Cancelled):
            await talk(port, request)


async def test_a_port_is_asked_whether_it_listens() -> None:
    async with instance(b"") as port:
        assert await loopback.listens(port)
    assert not await loopback.listens(port)


async def test_a_reply_is_read_though_the_instance_resets_the_connection_under_the_body() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 100_000
            await asyncio.sleep(0)

    request = Outgoing(
        head=b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n",
        body=endless(),
        framing=Framing.CHUNKED,
        may_be_repeated=False,
    )
    refusal = b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig"
    for _ in range(20):
        async with instance(refusal) as port:
            assert await talk(port, request) == (413, b"big")
            request = replace(request, body=endless())
