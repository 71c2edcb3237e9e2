"""Whatever bytes come to the port of a real server: an error in Google's shape or a closed connection, and no trace."""

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import grpc
import pytest

from jubako.testing.server import PARENT, ServerProcess

JOBS = f"/v2/{PARENT}/jobs"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GIBIBYTE = 1 << 30
GROWTH_MAX_KB = 40_000
DEEP = b'{"template":' * 10_000 + b"0" + b"}" * 10_000
pytestmark = pytest.mark.timeout(120)


def post(
    body: bytes, path: str = f"{JOBS}?jobId=j", *, headers: bytes = b"", length: int | None = None
) -> bytes:
    size = len(body) if length is None else length
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {size}\r\n".encode()
    return head + headers + b"\r\n" + body


def get(path: str, headers: bytes = b"") -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: localhost\r\n".encode() + headers + b"\r\n"


REFUSED: dict[str, tuple[bytes, int, str]] = {
    "a body of a gibibyte": (post(b"", length=GIBIBYTE), 413, "INVALID_ARGUMENT"),
    "a hundred thousand headers": (get("/healthz", b"a: b\r\n" * 100_000), 431, ""),
    "JSON that is no UTF-8": (post(b'{"labels":{"a":"\xff"}}'), 400, "INVALID_ARGUMENT"),
    "JSON ten thousand levels deep": (post(DEEP), 400, "INVALID_ARGUMENT"),
    "JSON that is cut": (post(b'{"template":'), 400, "INVALID_ARGUMENT"),
    "an unknown field": (post(b'{"tempalte":{}}'), 400, "INVALID_ARGUMENT"),
    "a wrong enum": (
        post(b'{"template":{"template":{"executionEnvironment":"GEN_9"}}}'),
        400,
        "INVALID_ARGUMENT",
    ),
    "a number that is none": (post(b'{"template":{"taskCount":"many"}}'), 400, "INVALID_ARGUMENT"),
    "a path where nothing is": (get("/v2/projects/p/nothing"), 404, "NOT_FOUND"),
    "a verb that is none": (post(b"{}", f"{JOBS}/j:explode"), 404, "NOT_FOUND"),
    "a slash that is encoded": (get(f"{JOBS}/a%2Fb"), 404, "NOT_FOUND"),
    "a malformed escape": (get(f"{JOBS}/a%zz"), 400, "INVALID_ARGUMENT"),
    "a path that is no UTF-8": (get(f"{JOBS}/%ff%fe"), 400, "INVALID_ARGUMENT"),
    "a strange host": (b"GET /healthz HTTP/1.1\r\nhost: evil.example\r\n\r\n", 403, "PERMISSION_DENIED"),
}
BROKEN: dict[str, bytes] = {
    "half a request line": b"GET /v2/proj",
    "half a head": b"GET /healthz HTTP/1.1\r\nhost: loc",
    "half a body": post(b"{", length=100),
    "a preface and garbage": PREFACE + os.urandom(4_096),
    "a preface and a frame of sixteen megabytes": PREFACE + b"\xff\xff\xff\x00\x00\x00\x00\x00\x00",
    "half a preface": PREFACE[:10],
    "nothing but zeros": bytes(100_000),
    "a TLS hello": bytes.fromhex("16030100050100000100"),
    "a CONNECT to nowhere": b"CONNECT nowhere:99999999 HTTP/1.1\r\n\r\n",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path_factory.mktemp("hostile") / "state") as started:
        yield started


def address_of(server: ServerProcess) -> tuple[str, int]:
    host, _, port = server.address.removeprefix("http://").rpartition(":")
    return host, int(port)


def exchange(server: ServerProcess, data: bytes) -> bytes:
    """Send bytes, say that no more come, and return all that is answered."""
    with socket.create_connection(address_of(server), timeout=30) as sock:

        def send() -> None:
            with suppress(OSError):  # it may be closed before everything is sent: that is an answer too
                sock.sendall(data)

        sending = threading.Thread(target=send)
        sending.start()
        answer = b""
        with suppress(ConnectionError):
            while not is_whole(answer) and (piece := sock.recv(65_536)):
                answer += piece
        sock.close()
        sending.join()
        return answer


def is_whole(answer: bytes) -> bool:
    head, found, body = answer.partition(b"\r\n\r\n")
    lengths = [
        line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
    ]
    return bool(found) and bool(lengths) and len(body) >= int(lengths[0])


def leave(server: ServerProcess, data: bytes) -> None:
    """Send bytes, and go away; return when the server has closed too."""
    with socket.create_connection(address_of(server), timeout=30) as sock, suppress(OSError):
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65_536):
            pass


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_in_googles_shape(server: ServerProcess, what: str) -> None:
    request, status, code = REFUSED[what]
    head, _, body = exchange(server, request).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode()), head[:200]
    if code:
        error = json.loads(body)["error"]
        assert (error["code"], error["status"]) == (status, code)
        assert error["message"]


@pytest.mark.parametrize("what", BROKEN)
def test_it_is_closed_and_the_next_one_is_served(server: ServerProcess, what: str) -> None:
    leave(server, BROKEN[what])
    assert server.get("/healthz") == {"status": "ok"}


GARBAGE = {
    "wrong wire types": b"\x0d\x01\x02",
    "a length beyond the end": b"\x0a\xff\xff\x03a",
    "zeros": bytes(64),
}


@pytest.mark.parametrize("what", GARBAGE)
def test_messages_that_are_none_are_refused_over_grpc(server: ServerProcess, what: str) -> None:
    with grpc.insecure_channel(server.address.removeprefix("http://")) as channel:
        call = channel.unary_unary("/google.cloud.run.v2.Jobs/CreateJob")
        with pytest.raises(grpc.RpcError) as refused:
            call(GARBAGE[what], timeout=30)
    assert refused.value.code() in {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL}


def test_a_method_that_is_none_is_unimplemented_over_grpc(server: ServerProcess) -> None:
    channel = grpc.insecure_channel(server.address.removeprefix("http://"))
    with channel, pytest.raises(grpc.RpcError) as refused:
        channel.unary_unary("/google.cloud.run.v2.Jobs/ExplodeJob")(b"", timeout=30)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="memory and descriptors are read from /proc")
def test_all_of_it_again_and_again_costs_no_memory_no_descriptor_and_no_line_of_log(
    server: ServerProcess,
) -> None:
    def all_of_it() -> None:
        for request, _, _ in REFUSED.values():
            exchange(server, request)
        for data in BROKEN.values():
            leave(server, data)

    all_of_it()
    memory, files = server.resident_kb(), server.descriptors()
    for _ in range(5):
        all_of_it()
    assert server.get("/healthz") == {"status": "ok"}
    assert server.resident_kb() < memory + GROWTH_MAX_KB
    assert server.descriptors() <= files + 2
    assert "Traceback" not in server.log()
    assert not server.get(JOBS).get("jobs")
