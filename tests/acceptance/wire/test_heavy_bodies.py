"""The largest bodies that are accepted, made of whatever takes longest to decode: others are answered meanwhile."""

import asyncio
import time

import pytest

from jubako.wire.body import BODY_MAX

JOBS = "/v2/projects/p/locations/l/jobs"
HEAVY = {
    "numbers far from one": b"1e300",
    "objects": b"{}",
    "texts": b'""',
    "numbers of many digits": b"1" * 4_000,
    "escapes": b'"' + b"\\u3042" * 1_000 + b'"',
}


async def status(port: int, request: bytes) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        return int((await reader.readuntil(b"\r\n"))[9:12])
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("what", HEAVY)
async def test_the_heaviest_body_holds_nobody_up_for_long(place, what: str) -> None:
    one = HEAVY[what]
    body = b'{"x":[' + b",".join([one] * ((BODY_MAX - 100) // (len(one) + 1))) + b"]}"
    head = f"POST {JOBS} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
    answering = asyncio.create_task(status(place.port, head.encode() + body))
    longest = 0.0
    async with asyncio.timeout(60):
        while not answering.done():
            start = time.monotonic()
            assert await status(place.port, b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n") == 200
            longest = max(longest, time.monotonic() - start)
    assert await answering == 400
    assert longest < 3  # on a busy machine; without the bounds it is minutes
