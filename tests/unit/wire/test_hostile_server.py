"""What a server outside may answer with to hurt us: an error, in bounded memory and time, and no connection kept."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from itertools import chain, repeat

import pytest

from jubako.wire.connection import HEAD_BYTES_MAX, INTERIM_MAX
from jubako.wire.http import HttpResponse
from jubako.wire.outbound import ConnectionBroken, EgressError, Outbound, ResponseTooLarge, parse_url

LIMIT = 100_000
MEGABYTE = b"x" * 1_000_000
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
TAKEN_MAX = 20_000_000
"""Bytes that a server can be rid of before we close; most of it is what the sockets of both sides hold."""


class Server:
    """Answers every request with the same pieces, then keeps the connection open."""

    def __init__(self, pieces: Iterable[bytes], *, closes: bool) -> None:
        self.pieces = pieces
        self.closes = closes
        self.connections = 0
        self.taken = 0
        self.gone = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                for piece in self.pieces:
                    writer.write(piece)
                    await writer.drain()
                    self.taken += len(piece)
                if self.closes:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            self.gone.set()
        finally:
            writer.close()


@asynccontextmanager
async def serving(
    *pieces: bytes, closes: bool = False, then: Iterable[bytes] = ()
) -> AsyncIterator[tuple[Server, str]]:
    server = Server(Endless(pieces, then), closes=closes)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    async with listening:
        yield server, f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"


class Endless:
    """Pieces, and then others, again for every request."""

    def __init__(self, pieces: Iterable[bytes], then: Iterable[bytes]) -> None:
        self._all = pieces, then

    def __iter__(self) -> Iterator[bytes]:
        return chain(*self._all)


async def fetch(outbound: Outbound, address: str) -> HttpResponse:
    async with asyncio.timeout(20):
        return await outbound.send("GET", parse_url(address), {}, b"", LIMIT)


BROKEN = {
    "a chunk size that is none": CHUNKED + b"zz\r\nab\r\n",
    "a negative chunk size": CHUNKED + b"-1\r\nab\r\n",
    "a chunk size beyond all numbers": CHUNKED + b"f" * 17 + b"\r\nab\r\n",
    "a chunk longer than it said": CHUNKED + b"2\r\nabcd\r\n0\r\n\r\n",
    "a length and chunks": CHUNKED.replace(b"\r\n\r\n", b"\r\ncontent-length: 2\r\n\r\n")
    + b"2\r\nok\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc",
    "a length that is none": b"HTTP/1.1 200 OK\r\ncontent-length: 2x\r\n\r\nab",
    "a length beyond all numbers": b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\nab",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n",
    "a header without a name": b"HTTP/1.1 200 OK\r\n: b\r\ncontent-length: 0\r\n\r\n",
    "a folded header": b"HTTP/1.1 200 OK\r\na: b\r\n c\r\ncontent-length: 0\r\n\r\n",
    "a NUL in a header": b"HTTP/1.1 200 OK\r\na: \0\r\ncontent-length: 0\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\ncontent-length: 0\n\n",
    "another protocol": b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
    "HTTP/2": b"\0\0\x12\x04\0\0\0\0\0" + bytes(18),
    "TLS": b"\x15\x03\x01\x00\x02\x02\x50",
}


@pytest.mark.parametrize("what", BROKEN)
async def test_what_is_no_http_is_an_error_and_its_connection_is_dropped(what: str) -> None:
    outbound = Outbound(loopback_allowed=True)
    async with serving(BROKEN[what]) as (server, address):
        for _ in range(2):
            with pytest.raises(ConnectionBroken):
                await fetch(outbound, address)
        assert server.connections == 2
        await outbound.close()


CUT = {
    "a status line": b"HTTP/1.1 200 O",
    "a head": b"HTTP/1.1 200 OK\r\ncontent-le",
    "a body": b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
    "a chunk": CHUNKED + b"10\r\nhalf",
    "chunks without their end": CHUNKED + b"2\r\nab\r\n",
    "an interim answer alone": INTERIM,
    "gzip that is none": b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nab",
    "gzip": b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n" + zlib.compress(b"a" * 99, wbits=31)[:-9],
}


@pytest.mark.parametrize("what", CUT)
async def test_an_answer_that_is_cut_off_is_never_taken_for_a_whole_one(what: str) -> None:
    outbound = Outbound(loopback_allowed=True)
    async with serving(CUT[what], closes=True) as (_, address):
        with pytest.raises(ConnectionBroken):
            await fetch(outbound, address)


FLOODS: dict[str, tuple[bytes, bytes, type[EgressError]]] = {
    "a body of a known length": (
        b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n",
        MEGABYTE,
        ResponseTooLarge,
    ),
    "a body that ends never": (b"HTTP/1.1 200 OK\r\n\r\n", MEGABYTE, ResponseTooLarge),
    "chunks": (CHUNKED, b"f4240\r\n" + MEGABYTE + b"\r\n", ResponseTooLarge),
    "chunks of a byte": (CHUNKED, b"1\r\nx\r\n" * 100_000, ResponseTooLarge),
    "one header": (b"HTTP/1.1 200 OK\r\na: ", MEGABYTE, ConnectionBroken),
    "one name of a header": (b"HTTP/1.1 200 OK\r\n", MEGABYTE, ConnectionBroken),
    "one reason": (b"HTTP/1.1 200 ", MEGABYTE, ConnectionBroken),
    "many headers": (b"HTTP/1.1 200 OK\r\n", b"a: b\r\n" * 100_000, ConnectionBroken),
    "one trailer": (CHUNKED + b"0\r\na: ", MEGABYTE, ConnectionBroken),
    "many trailers": (CHUNKED + b"0\r\n", b"a: b\r\n" * 100_000, ConnectionBroken),
    "one extension of a chunk": (CHUNKED + b"1;", MEGABYTE, ConnectionBroken),
    "interim answers": (b"", INTERIM * 10_000, ConnectionBroken),
}


@pytest.mark.parametrize("what", FLOODS)
async def test_a_flood_is_cut_off_early(what: str) -> None:
    first, more, error = FLOODS[what]
    outbound = Outbound(loopback_allowed=True)
    async with serving(first, then=repeat(more)) as (server, address):
        with pytest.raises(error):
            await fetch(outbound, address)
        async with asyncio.timeout(20):
            await server.gone.wait()
        assert server.taken < TAKEN_MAX
        assert server.connections == 1


WHOLE = {
    "trailers": CHUNKED + b"2;a=b\r\nok\r\n0\r\nchecksum: x\r\n\r\n",
    "interim answers": INTERIM * INTERIM_MAX + OK,
    "a head as large as allowed": b"HTTP/1.1 200 OK\r\na: "
    + b"b" * (HEAD_BYTES_MAX - 100)
    + b"\r\n"
    + OK[17:],
    "in small pieces": OK,
}


@pytest.mark.parametrize("what", WHOLE)
async def test_what_is_unusual_but_right_is_taken_and_the_connection_used_again(what: str) -> None:
    answer = WHOLE[what]
    outbound = Outbound(loopback_allowed=True)
    async with serving(*(answer[at : at + 7] for at in range(0, len(answer), 7))) as (server, address):
        for _ in range(2):
            assert (await fetch(outbound, address)).body == b"ok"
        assert server.connections == 1
        await outbound.close()


@pytest.mark.parametrize("more", [b"x", OK, OK[:20], b"\r\n\r\nHTTP/1.1 "])
async def test_a_connection_that_said_more_than_was_asked_is_not_used_again(more: bytes) -> None:
    outbound = Outbound(loopback_allowed=True)
    async with serving(OK + more) as (server, address):
        for _ in range(2):
            assert (await fetch(outbound, address)).body == b"ok"
        assert server.connections == 2
        await outbound.close()


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\na: ", b"HTTP/1.1 200 OK\r\n\r\n", CHUNKED])
async def test_time_bounds_an_answer_that_trickles_in(start: bytes) -> None:
    outbound = Outbound(loopback_allowed=True)
    release = asyncio.Event()

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while not writer.is_closing() and not reader.at_eof():
            writer.write(b"1\r\nx\r\n" if start == CHUNKED else b"H")
            await asyncio.wait({asyncio.ensure_future(reader.read(1_000))}, timeout=0.01)
        release.set()
        writer.close()

    listening = await asyncio.start_server(trickle, "127.0.0.1", 0)
    async with listening:
        address = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
        with pytest.raises((TimeoutError, ConnectionBroken)):
            async with asyncio.timeout(0.3):
                await outbound.send("GET", parse_url(address), {}, b"", LIMIT)
        async with asyncio.timeout(20):
            await release.wait()
