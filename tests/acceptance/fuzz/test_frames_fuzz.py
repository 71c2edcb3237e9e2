"""HTTP/2 frames of a valid gRPC call, and a tunnel's TLS, with some bytes changed: closed or answered, at no cost."""

import os
import socket
import struct
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random

import pytest

from jubako.boxes.jobs.resources import GetJobRequest
from jubako.testing.server import PARENT, ServerProcess
from jubako.wire.protobuf_codec import encode

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, HEADERS, DATA, PING, RST, WINDOW, CONTINUATION = 4, 1, 0, 6, 3, 8, 9
END_STREAM, END_HEADERS = 1, 4
SECONDS = float(os.environ.get("JUBAKO_FUZZ_SECONDS", "60"))
SEEDS = [int(seed) for seed in os.environ.get("JUBAKO_FUZZ_SEEDS", "1").split(",")]
PATIENCE_S = 2.0
"""How long an open connection is listened to: one that waits for more frames is no fault."""
HELLO = bytes.fromhex("160301002f0100002b0303") + bytes(32) + bytes.fromhex("0000021301010000")


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name: str, value: str) -> bytes:
    """A header without any compression. Source: RFC 7541, 6.2.2."""
    return b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def call(path: str, message: bytes) -> list[bytes]:
    """The frames of one unary call."""
    headers = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "localhost",
        "content-type": "application/grpc",
        "te": "trailers",
        "grpc-timeout": "5S",
    }
    block = b"".join(literal(name, value) for name, value in headers.items())
    body = b"\0" + struct.pack(">I", len(message)) + message
    return [
        frame(SETTINGS, 0, 0),
        frame(HEADERS, END_HEADERS, 1, block),
        frame(DATA, END_STREAM, 1, body),
    ]


FRAMES = call("/google.cloud.run.v2.Jobs/GetJob", encode(GetJobRequest(name=f"{PARENT}/jobs/known")))
OTHERS = [
    frame(PING, 0, 0, bytes(8)),
    frame(RST, 0, 1, bytes(4)),
    frame(WINDOW, 0, 0, b"\x7f\xff\xff\xff"),
    frame(CONTINUATION, END_HEADERS, 1, b"\x82" * 100),
    frame(HEADERS, 0, 3, b"\x3f\xff\xff\xff\xff\xff\x7f"),
    frame(SETTINGS, 0, 0, b"\0\4\xff\xff\xff\xff"),
    frame(DATA, 0, 1, b"\0\xff\xff\xff\xff" + bytes(100)),
    frame(200, 255, 0x7FFFFFFF, bytes(20)),
]


def changed(frames: Sequence[bytes], random: Random) -> bytes:
    """Return the frames with others among them, repeated, left out, or with bytes changed."""
    chosen = list(frames)
    for _ in range(random.randrange(1, 4)):
        at = random.randrange(len(chosen))
        what = random.randrange(5)
        if what == 0:
            chosen.insert(at, random.choice(OTHERS))
        elif what == 1:
            chosen.insert(at, random.choice(chosen))
        elif what == 2:
            chosen[at] = chosen[at][: random.randrange(len(chosen[at]) + 1)]
        else:
            spoilt = bytearray(chosen[at] or b"\0")
            spoilt[random.randrange(len(spoilt))] = random.randrange(256)
            chosen[at] = bytes(spoilt)
    return b"".join(chosen)


def converse(server: ServerProcess, *said: bytes) -> bytes:
    """Say one thing after the other, each after an answer began; return what was answered."""
    host, _, port = server.address.removeprefix("http://").rpartition(":")
    heard = b""
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as sock, suppress(OSError):
        for piece in said:
            sock.sendall(piece)
            if piece is not said[-1]:
                heard += sock.recv(65_536)
        sock.shutdown(socket.SHUT_WR)
        while piece := sock.recv(65_536):
            heard += piece
    return heard


def call_well(server: ServerProcess) -> None:
    """Make the call, and wait for its answer."""
    host, _, port = server.address.removeprefix("http://").rpartition(":")
    heard = b""
    with socket.create_connection((host, int(port)), timeout=30) as sock:
        sock.sendall(PREFACE + b"".join(FRAMES))
        while b"grpc-status" not in heard:
            heard += sock.recv(65_536)
    assert b"jobs/known" in heard


def rounds(seconds: float, one: Callable[[], object]) -> int:
    """Do it again and again; return how often."""
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        one()
        count += 1
    sys.stdout.write(f"{count} connections\n")
    return count


@pytest.mark.parametrize(
    "seconds", [1.0, pytest.param(SECONDS, marks=[pytest.mark.nightly, pytest.mark.timeout(SECONDS + 120)])]
)
@pytest.mark.parametrize("seed", SEEDS)
def test_changed_frames_are_answered_or_closed(
    victim: ServerProcess, unharmed: Callable[[int], None], seed: int, seconds: float
) -> None:
    random = Random(seed)
    call_well(victim)
    unharmed(1)
    count = rounds(seconds, lambda: converse(victim, PREFACE + changed(FRAMES, random)))
    unharmed(count)
    call_well(victim)


@pytest.mark.parametrize(
    "seconds", [1.0, pytest.param(SECONDS, marks=[pytest.mark.nightly, pytest.mark.timeout(SECONDS + 120)])]
)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_tunnel_without_tls_is_closed(
    victim: ServerProcess, unharmed: Callable[[int], None], seed: int, seconds: float
) -> None:
    random = Random(seed)
    request = b"CONNECT run.googleapis.com:443 HTTP/1.1\r\nhost: run.googleapis.com:443\r\n\r\n"
    converse(victim, request, HELLO)
    unharmed(1)

    def one() -> None:
        heard = converse(victim, request, changed([HELLO, PREFACE, random.randbytes(50)], random))
        assert heard.startswith(b"HTTP/1.1 200 ")

    unharmed(rounds(seconds, one))
