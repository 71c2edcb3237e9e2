"""Connections to the outside: kept open, bounded, and honest about what broke; against a server of raw bytes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from jubako.wire.outbound import ConnectionBroken, InvalidCall, Outbound, ResponseTooLarge, parse_url

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
LIMIT = 1_000
Answer = Callable[[int, int], bytes | None]
"""``answer(connection number, request number on it)``: what to write; None closes without an answer."""


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[tuple[str, list[int]]]:
    """Serve ``answer``; yield the address and the requests each connection brought."""
    requests: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(requests)
        requests.append(0)
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                requests[number] += 1
                told = answer(number, requests[number])
                if told is None:
                    return
                writer.write(told)
                if b"content-length" not in told and b"chunked" not in told:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", requests


async def fetch(outbound: Outbound, address: str, method: str = "GET", **headers: str) -> bytes:
    async with asyncio.timeout(20):
        response = await outbound.send(method, parse_url(address), headers, b"", LIMIT)
    return response.body


async def test_a_connection_is_used_again() -> None:
    outbound = Outbound(loopback_allowed=True)
    async with serving(lambda _connection, _request: OK) as (address, requests):
        assert [await fetch(outbound, address) for _ in range(3)] == [b"ok"] * 3
        assert requests == [3]
        await outbound.close()


async def test_a_kept_connection_that_closes_without_an_answer_costs_a_get_nothing_and_is_told_to_a_post() -> (
    None
):
    outbound = Outbound(loopback_allowed=True)
    async with serving(lambda _connection, request: OK if request == 1 else None) as (address, requests):
        assert await fetch(outbound, address) == b"ok"
        assert await fetch(outbound, address) == b"ok"
        assert requests == [2, 1]
        with pytest.raises(ConnectionBroken):
            await fetch(outbound, address, "POST")
        assert requests == [2, 2]
        await outbound.close()


async def test_an_answer_to_head_has_no_body_whatever_it_says() -> None:
    outbound = Outbound(loopback_allowed=True)
    async with serving(lambda _c, _r: b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n") as (address, _):
        assert await fetch(outbound, address, "HEAD") == b""
        await outbound.close()


@pytest.mark.parametrize(
    ("told", "body"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 200 OK\r\n\r\nto the end", b"to the end"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", b"abc"),
    ],
)
async def test_bodies_end_where_http_says(told: bytes, body: bytes) -> None:
    outbound = Outbound(loopback_allowed=True)
    async with serving(lambda _c, _r: told) as (address, _):
        assert await fetch(outbound, address) == body
        await outbound.close()


@pytest.mark.parametrize(
    ("told", "error"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n" + b"x" * 2_000, ResponseTooLarge),
        (b"HTTP/1.1 200 OK\r\n" + b"x-a: b\r\n" * 20_000 + b"content-length: 0\r\n\r\n", ConnectionBroken),
        (b"no http at all, content-length\r\n\r\n", ConnectionBroken),
        (None, ConnectionBroken),
    ],
)
async def test_what_is_no_whole_answer_is_an_error(told: bytes | None, error: type[Exception]) -> None:
    outbound = Outbound(loopback_allowed=True)
    async with serving(lambda _c, _r: told) as (address, _):
        with pytest.raises(error):
            await fetch(outbound, address)
        await outbound.close()


@pytest.mark.parametrize("value", ["a\r\nx: y", " led", "trailing\t", "nul\0"])
async def test_a_header_cannot_smuggle_another_one(value: str) -> None:
    async with serving(lambda _c, _r: OK) as (address, requests):
        with pytest.raises(InvalidCall):
            await fetch(Outbound(loopback_allowed=True), address, x=value)
        assert requests == []
