"""HTTP/1.1 and gRPC on one port: told apart by the first bytes, carried with flow control, closed cleanly."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from random import Random

import pytest

from jubako.boxes.jobs import methods
from jubako.boxes.jobs.resources import CreateJobRequest, GetJobRequest, Job
from jubako.wire import sniffer
from jubako.wire.body import BODY_MAX
from jubako.wire.front import Front
from jubako.wire.h2_calls import PREFACE
from jubako.wire.listener import Listener
from jubako.wire.method import Api
from jubako.wire.protobuf_codec import encode
from jubako.wire.splice import End, Splice

grpc = pytest.importorskip("grpc")
pytest.importorskip("google.cloud.run_v2")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

DEADLINE_S = 20
SETTINGS = b"\0\0\0\x04\0\0\0\0\0"
GET = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"


@pytest.fixture
async def port(place, tmp_path) -> AsyncIterator[int]:
    """The toy place once more, with gRPC beside it."""
    place.jobs.get_hook = None
    get = place.jobs.get

    async def hooked(request, caller):
        return await (place.jobs.get_hook or get)(request, caller)

    handlers = {**place.jobs.handlers(), "google.cloud.run.v2.Jobs.GetJob": hooked}
    api = Api(name="run", version="v2", hosts=(), methods=methods.JOBS, handlers=handlers)
    door = place.grpc(tmp_path / "g.sock", [api])
    listener = Listener(Front(place.doors, place.events), [door])
    yield await listener.start("127.0.0.1", 0)
    await listener.close(timedelta(seconds=2))
    assert door._splices == set()
    assert listener._sniffers == set()
    assert [e for e in place.events.all if e.severity == "ERROR"] == []


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for has no signal
            await asyncio.sleep(0)


async def exchange(port: int, *pieces: bytes, eof: bool = False) -> bytes:
    """What the server says until it closes; b"" too if it resets the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(DEADLINE_S):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            if eof:
                writer.write_eof()
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


async def test_http_comes_through_whole_or_byte_by_byte(port) -> None:
    assert (await exchange(port, GET)).startswith(b"HTTP/1.1 200")
    assert (await exchange(port, *(bytes([letter]) for letter in GET))).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("verb", [b"POST", b"PUT", b"PATCH", b"PRI", b"P", b"CONNECT", b"PROPFIND"])
async def test_methods_that_begin_like_the_preface_are_http(port, verb: bytes) -> None:
    request = verb + b" /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    assert (await exchange(port, request)).startswith(b"HTTP/1.1 4")


async def test_grpc_and_http_at_once(port, place) -> None:
    from google.cloud import run_v2
    from google.cloud.run_v2.services.jobs.transports import JobsGrpcAsyncIOTransport

    parent = "projects/p/locations/l"
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        jobs = run_v2.JobsAsyncClient(transport=JobsGrpcAsyncIOTransport(channel=channel))

        async def one(number: int) -> None:
            await jobs.create_job(parent=parent, job_id=f"j{number}", job=run_v2.Job(labels={"a": "ä"}))
            assert (await exchange(port, GET)).startswith(b"HTTP/1.1 200")
            assert (await jobs.get_job(name=f"{parent}/jobs/j{number}")).labels["a"] == "ä"

        await asyncio.gather(*(one(number) for number in range(20)))
        assert len(place.jobs.jobs) == 20


async def test_large_messages_pass_both_ways(port) -> None:
    from google.cloud import run_v2
    from google.cloud.run_v2.services.jobs.transports import JobsGrpcAsyncIOTransport

    options = [("grpc.max_receive_message_length", -1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        jobs = run_v2.JobsAsyncClient(transport=JobsGrpcAsyncIOTransport(channel=channel))
        large = {"a": "x" * (3 << 20)}
        await jobs.create_job(
            parent="projects/p/locations/l", job_id="j", job=run_v2.Job(annotations=large), timeout=60
        )
        got = await jobs.get_job(name="projects/p/locations/l/jobs/j", timeout=60)
        assert got.annotations["a"] == large["a"]


async def test_a_message_larger_than_its_method_takes_is_refused(port, place) -> None:
    request = encode(CreateJobRequest(parent="x" * BODY_MAX, job_id="j", job=Job()))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        create = channel.unary_unary("/google.cloud.run.v2.Jobs/CreateJob")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await create(request, timeout=20)
        assert refused.value.code() in {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INVALID_ARGUMENT}
        assert not place.jobs.jobs


async def test_a_change_is_finished_although_the_client_gave_up(port, place) -> None:
    call_made, may_go_on = asyncio.Event(), asyncio.Event()
    operation = place.jobs.operation

    async def slow(*arguments: object):
        call_made.set()
        await may_go_on.wait()
        return await operation(*arguments)

    place.jobs.operation = slow
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary("/google.cloud.run.v2.Jobs/CreateJob")
        request = encode(CreateJobRequest(parent="projects/p/locations/l", job_id="j", job=Job()))
        calling = asyncio.ensure_future(call(request, timeout=5))
        await call_made.wait()
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
        may_go_on.set()
        get = channel.unary_unary("/google.cloud.run.v2.Jobs/GetJob")
        assert await get(encode(GetJobRequest(name="projects/p/locations/l/jobs/j")), timeout=20)
        await until(lambda: place.jobs.finishing)


HEADERS_OF_BROWSERS = [
    ("origin", value) for value in ("http://evil.example", "http://localhost:8123", "null")
]
HEADERS_OF_BROWSERS += [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")]


@pytest.mark.parametrize("header", HEADERS_OF_BROWSERS)
async def test_web_pages_may_not_call_grpc(port, place, header: tuple[str, str]) -> None:
    request = encode(CreateJobRequest(parent="projects/p/locations/l", job_id="j", job=Job()))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        create = channel.unary_unary("/google.cloud.run.v2.Jobs/CreateJob")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await create(request, timeout=20, metadata=(header,))
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert not place.jobs.jobs
        assert await create(request, timeout=20)


AUTHORITIES = [
    "evil.example",
    "evil.example:8123",
    "localhost.evil.example",
    "googleapis.com.evil.example",
    "127.0.0.2",
]


@pytest.mark.parametrize("authority", AUTHORITIES)
async def test_a_call_by_a_foreign_name_is_refused(port, place, authority: str) -> None:
    request = encode(CreateJobRequest(parent="projects/p/locations/l", job_id="j", job=Job()))
    options = [("grpc.default_authority", authority)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        create = channel.unary_unary("/google.cloud.run.v2.Jobs/CreateJob")
        for _ in range(2):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await create(request, timeout=20)
            assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
            assert ":authority" in (refused.value.details() or "")
        assert not place.jobs.jobs


@pytest.mark.parametrize("authority", ["localhost", "LOCALHOST:1", "[::1]:8123", "us-run.googleapis.com"])
async def test_a_call_by_a_name_of_ours_is_answered(port, authority: str) -> None:
    request = encode(CreateJobRequest(parent="projects/p/locations/l", job_id="j", job=Job()))
    options = [("grpc.default_authority", authority)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        assert await channel.unary_unary("/google.cloud.run.v2.Jobs/CreateJob")(request, timeout=20)


LENGTH = f"content-length: {len(PREFACE + SETTINGS)}\r\n".encode()
POST = b"POST /healthz HTTP/1.1\r\nhost: localhost\r\n"
UPGRADE = b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n"


@pytest.mark.parametrize(
    "request_before",
    [
        POST + LENGTH + b"\r\n",
        POST + b"transfer-encoding: chunked\r\n\r\n21\r\n",
        GET.replace(b"connection: close\r\n", b""),
        GET.replace(b"connection: close\r\n", UPGRADE),
        b"\r\n",
    ],
    ids=["in a body", "in a chunk", "after a request", "after an upgrade", "after an empty line"],
)
async def test_what_began_as_http_never_becomes_grpc(port, place, request_before: bytes) -> None:
    said = await exchange(port, request_before, PREFACE + SETTINGS, eof=True)
    assert said[:9] in {b"", b"HTTP/1.1 "}
    assert b"HTTP/1.1 101" not in said
    assert not place.events.named("grpc.started")


async def test_a_read_ends_at_the_deadline(port, place) -> None:
    ended = asyncio.Event()

    async def endless(request, caller):
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        get = channel.unary_unary("/google.cloud.run.v2.Jobs/GetJob")
        await asyncio.gather(get(b""), return_exceptions=True)  # the server has started
        place.jobs.get_hook = endless
        with pytest.raises(grpc.RpcError) as caught:
            await get(encode(GetJobRequest(name="endless")), timeout=1)
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        async with asyncio.timeout(DEADLINE_S):
            await ended.wait()


async def silent(port: int, head: bytes) -> bytes:
    return await exchange(port, head)


async def test_who_says_nothing_or_too_little_is_dropped(port, monkeypatch) -> None:
    monkeypatch.setattr(sniffer, "PATIENCE_S", 0.05)
    assert await asyncio.gather(*(silent(port, head) for head in (b"", b"P", PREFACE[:23]))) == [b""] * 3


async def test_half_a_preface_and_an_end_is_a_clean_close(port) -> None:
    for length in (0, 1, 4, 14, 23):
        assert await exchange(port, PREFACE[:length], eof=True) == b""


@pytest.mark.parametrize("garbage", [b"\xff" * 64, b"GET / HTTP/1.1\r\n\r\n", SETTINGS + b"\x01" * 40])
async def test_garbage_after_the_preface_closes_the_connection(port, garbage: bytes) -> None:
    await exchange(port, PREFACE + garbage, eof=True)
    assert (await exchange(port, GET)).startswith(b"HTTP/1.1 200")


async def test_random_bytes_never_hurt_the_port(port) -> None:
    rng = Random(20261124)
    heads = [b"", PREFACE, PREFACE + SETTINGS, PREFACE[:10], b"CONNECT ", b"GET / HTTP/1.1\r\n", b"PRI "]

    async def one() -> None:
        data = rng.choice(heads) + rng.randbytes(rng.choice([1, 20, 300]))
        cut = rng.randrange(len(data) + 1)
        await exchange(port, data[:cut], data[cut:], eof=True)

    for _ in range(12):
        await asyncio.gather(*(one() for _ in range(25)))
    assert (await exchange(port, GET)).startswith(b"HTTP/1.1 200")


async def test_dropped_connections_leave_nothing_behind(port) -> None:
    async def drop() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(PREFACE + SETTINGS)
        await writer.drain()
        writer.transport.abort()

    await asyncio.gather(*(drop() for _ in range(100)))
    assert (await exchange(port, GET)).startswith(b"HTTP/1.1 200")
    # The fixture looks: no splice is left when the listener has closed.


class Source(asyncio.Protocol):
    """The far side of a splice: counts what comes, and can stop reading."""

    def __init__(self) -> None:
        self.received = 0
        self.is_lost = False
        self.came = asyncio.Event()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport) -> None:
        self.transport = transport
        transport.pause_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self.is_lost = True

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        self.came.set()


async def test_a_side_that_does_not_read_slows_the_other_side_down(tmp_path) -> None:
    """What is written to a splice whose far side does not read stays bounded, and arrives whole afterwards."""
    loop, far, splices = asyncio.get_running_loop(), Source(), set[Splice]()
    server = await loop.create_unix_server(lambda: far, tmp_path / "far.sock")

    async def open_peer(protocol: asyncio.Protocol) -> None:
        await loop.create_unix_connection(lambda: protocol, str(tmp_path / "far.sock"))

    near = await loop.create_server(lambda: Splice(open_peer, splices), "127.0.0.1", 0)
    _, writer = await asyncio.open_connection("127.0.0.1", near.sockets[0].getsockname()[1])
    total = 64 << 20
    writer.write(b"x" * total)
    await until(lambda: splices and next(iter(splices)).peer)
    (splice,) = splices
    peer: End | None = splice.peer
    assert peer is not None
    assert peer.transport is not None
    await until(lambda: splice.transport is not None and not splice.transport.is_reading())
    assert peer.transport.get_write_buffer_size() < 1 << 20
    assert far.received == 0
    assert far.transport is not None
    far.transport.resume_reading()
    async with asyncio.timeout(60):
        while far.received < total:
            far.came.clear()
            await far.came.wait()
    writer.close()
    near.close()
    server.close()
    await until(lambda: not splices and far.is_lost)
