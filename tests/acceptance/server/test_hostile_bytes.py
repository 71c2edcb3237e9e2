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
    "a body that grows too large in chunks": (
        get("/v2/entries:list", b"transfer-encoding: chunked\r\n").replace(b"GET", b"POST")
        + b"100000\r\n%b\r\n" % bytes(1 << 20) * 6,
        413,
        "INVALID_ARGUMENT",
    ),
    "a hundred thousand headers": (get("/healthz", b"a: b\r\n" * 100_000), 431, ""),
    "JSON that is no UTF-8": (post(b'{"labels":{"a":"\xff"}}'), 400, "INVALID_ARGUMENT"),
    "JSON ten thousand levels deep": (post(DEEP), 400, "INVALID_ARGUMENT"),
    "JSON as deep without a schema": (
        post(DEEP, "/apis/run.googleapis.com/v1/namespaces/local/jobs"),
        400,
        "INVALID_ARGUMENT",
    ),
    "a number of a million digits": (post(b'{"etag":' + b"1" * 10**6 + b"}"), 400, "INVALID_ARGUMENT"),
    "a surrogate without its other half": (post(b'{"etag":"\\ud800"}'), 400, "INVALID_ARGUMENT"),
    "a query that is no UTF-8": (get(f"{JOBS}?pageToken=%ff"), 400, "INVALID_ARGUMENT"),
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


def field(number: int, wire_type: int, payload: bytes) -> bytes:
    """One field whose payload is shorter than 128 bytes. Source: protobuf.dev, "Encoding"."""
    length = bytes([len(payload)]) if wire_type == 2 else b""
    return bytes([number << 3 | wire_type]) + length + payload


def deep(levels: int) -> bytes:
    """A google.protobuf.ListValue in a Value in a ListValue..., with the longest lengths that protobuf takes."""
    message = b""
    for _ in range(levels):
        message = b"\x0a" + varint(len(message)) + message  # ListValue.values
        message = b"\x32" + varint(len(message)) + message  # Value.list_value
    return message


def varint(number: int) -> bytes:
    octets = bytearray()
    while number > 0x7F:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*octets, number])


NO_MESSAGE = "not a valid google.cloud.run.v2.CreateJobRequest"
GARBAGE = {
    "a text that is no UTF-8": (field(1, 2, b"\xff\xfe"), NO_MESSAGE),
    "a number where a message is": (field(2, 0, b"\x05"), "job: has another type"),
    "a number where a text is": (field(2, 2, field(11, 0, b"\x05")), "job.lastModifier: has another type"),
    "a wrong enum": (field(2, 2, field(14, 0, b"\x63")), "job.launchStage: 99 is not one of"),
    "a group that nobody closes": (b"\x0b" * 1_000, NO_MESSAGE),
    "wrong wire types": (b"\x0d\x01\x02", NO_MESSAGE),
    "a length beyond the end": (b"\x0a\xff\xff\x03a", NO_MESSAGE),
    "zeros": (bytes(64), NO_MESSAGE),
}


@pytest.mark.parametrize("what", GARBAGE)
def test_messages_that_are_none_are_refused_over_grpc(server: ServerProcess, what: str) -> None:
    message, why = GARBAGE[what]
    with grpc.insecure_channel(server.address.removeprefix("http://")) as channel:
        call = channel.unary_unary("/google.cloud.run.v2.Jobs/CreateJob")
        with pytest.raises(grpc.RpcError) as refused:
            call(message, timeout=30)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert why in refused.value.details()


@pytest.mark.parametrize("levels", [200, 10_000])
def test_messages_that_are_too_deep_are_refused_over_grpc(server: ServerProcess, levels: int) -> None:
    value = deep(levels)
    json_payload = b"\x0a" + varint(len(value) + 5) + b"\x0a\x01a\x12" + varint(len(value)) + value
    entry = b"\x32" + varint(len(json_payload)) + json_payload
    request = b"\x22" + varint(len(entry)) + entry
    with grpc.insecure_channel(server.address.removeprefix("http://")) as channel:
        call = channel.unary_unary("/google.logging.v2.LoggingServiceV2/WriteLogEntries")
        with pytest.raises(grpc.RpcError) as refused:
            call(request, timeout=30)
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "not a valid google.logging.v2.WriteLogEntriesRequest" in refused.value.details()


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
