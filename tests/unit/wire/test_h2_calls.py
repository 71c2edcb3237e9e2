"""gRPC's frames on their way in: calls by our names pass unchanged, others are marked or end the connection."""

import struct
from random import Random

import pytest

from jubako.wire.h2_calls import BLOCK_BYTES_MAX, PREFACE, REFUSED, Calls, Unacceptable
from jubako.wire.hpack import Decoder

DATA, HEADERS, PUSH_PROMISE, PING, CONTINUATION = 0, 1, 5, 6, 9
END_STREAM, END_HEADERS, PADDED, PRIORITY = 1, 4, 8, 32
WHOLE = END_STREAM | END_HEADERS


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name: bytes, value: bytes) -> bytes:
    """A header that both sides keep in their tables."""
    return b"\x40" + bytes([len(name)]) + name + bytes([len(value)]) + value


def block(authority: bytes = b"ours:1", path: bytes = b"/a.B/C", more: bytes = b"") -> bytes:
    return b"\x83" + literal(b":path", path) + literal(b":authority", authority) + more


def read(*said: bytes) -> bytes:
    calls = Calls(lambda name: name.startswith("ours"))
    return b"".join(calls.read(piece) for piece in (PREFACE, *said))[len(PREFACE) :]


CALL = block()
GOOD = {
    "a call": frame(HEADERS, WHOLE, 1, CALL),
    "a call and a message": frame(HEADERS, END_HEADERS, 1, CALL) + frame(DATA, END_STREAM, 1, bytes(20_000)),
    "padding": frame(HEADERS, WHOLE | PADDED, 1, b"\x03" + CALL + bytes(3)),
    "a priority": frame(HEADERS, WHOLE | PRIORITY, 1, bytes(5) + CALL),
    "both": frame(HEADERS, WHOLE | PRIORITY | PADDED, 1, b"\x02" + bytes(5) + CALL + bytes(2)),
    "pieces": frame(HEADERS, 0, 1, CALL[:5]) + frame(CONTINUATION, END_HEADERS, 1, CALL[5:]),
    "an empty piece": frame(HEADERS, 0, 1) + frame(CONTINUATION, END_HEADERS, 1, CALL),
    "a second call from the table": frame(HEADERS, WHOLE, 1, CALL)
    + frame(HEADERS, WHOLE, 3, b"\x83\xbe\xbf"),
    "trailers": frame(HEADERS, END_HEADERS, 1, CALL) + frame(HEADERS, WHOLE, 1, literal(b"a", b"b")),
    "binary metadata": frame(HEADERS, WHOLE, 1, block(more=literal(b"a-bin", b"\xff\x00"))),
    "other frames": frame(PING, 0, 0, bytes(8)) + frame(200, 255, 7, b"x") + frame(HEADERS, WHOLE, 1, CALL),
    "host for authority": frame(HEADERS, WHOLE, 1, b"\x83\x84" + literal(b"host", b"ours")),
}


@pytest.mark.parametrize("what", GOOD)
def test_calls_by_our_names_pass_unchanged_however_they_come(what: str) -> None:
    said, random = GOOD[what], Random(1)
    assert read(said) == said
    assert read(*(said[at : at + 1] for at in range(len(said)))) == said
    cuts = sorted(random.sample(range(len(said)), 5))
    assert read(*(said[a:b] for a, b in zip([0, *cuts], [*cuts, len(said)], strict=True))) == said
    whole = Calls(lambda name: name.startswith("ours"))
    assert whole.read(PREFACE + said) == PREFACE + said


FOREIGN = {
    "another name": frame(HEADERS, WHOLE, 1, block(b"evil")),
    "two names": frame(HEADERS, WHOLE, 1, block(more=literal(b":authority", b"evil"))),
    "no name": frame(HEADERS, WHOLE, 1, b"\x83\x84"),
    "another host": frame(HEADERS, WHOLE, 1, b"\x83\x84" + literal(b"host", b"evil")),
    "in pieces": frame(HEADERS, END_STREAM, 1, block(b"evil")[:9])
    + frame(CONTINUATION, END_HEADERS, 1, block(b"evil")[9:]),
    "padded": frame(HEADERS, WHOLE | PADDED | PRIORITY, 1, b"\x04" + bytes(5) + block(b"evil") + bytes(4)),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_call_by_another_name_is_marked(what: str) -> None:
    passed = read(FOREIGN[what])
    size = int.from_bytes(passed[:3], "big")
    assert len(passed) == 9 + size
    assert (passed[3], passed[4]) == (HEADERS, WHOLE)
    assert (REFUSED.encode(), b"name") in Decoder().headers(passed[9:])


def test_a_call_after_a_foreign_one_is_read_with_the_same_table() -> None:
    first, second = frame(HEADERS, WHOLE, 1, block(b"evil")), frame(HEADERS, WHOLE, 3, block(b"ours"))
    third = frame(HEADERS, WHOLE, 5, b"\x83\xbf\xc0")  # path of the second, authority of the first
    passed = read(first, second, third)
    assert passed.count(REFUSED.encode()) == 2
    assert second in passed


LONG = b"".join(literal(b"a", b"b" * 100) for _ in range(200))
BAD = {
    "a path that is no text": frame(HEADERS, WHOLE, 1, block(path=b"/a\xff")),
    "a value that is no text": frame(HEADERS, WHOLE, 1, block(more=literal(b"a", b"\xff"))),
    "a name that is no text": frame(HEADERS, WHOLE, 1, block(more=literal(b"\xff", b"a"))),
    "a block that cannot be read": frame(HEADERS, WHOLE, 1, b"\xff\xff\xff\xff\xff\xff"),
    "a block of nothing but padding": frame(HEADERS, WHOLE | PADDED, 1, b"\x05" + bytes(4)),
    "a block without room for its padding": frame(HEADERS, WHOLE | PADDED, 1),
    "a continuation of nothing": frame(CONTINUATION, END_HEADERS, 1, CALL),
    "a continuation of another stream": frame(HEADERS, 0, 1, CALL) + frame(CONTINUATION, END_HEADERS, 3),
    "a block in a block": frame(HEADERS, 0, 1, CALL) + frame(HEADERS, WHOLE, 3, CALL),
    "a frame in a block": frame(HEADERS, 0, 1, CALL) + frame(PING, 0, 0, bytes(8)),
    "a promise": frame(PUSH_PROMISE, END_HEADERS, 1, CALL),
    "a block without end": frame(HEADERS, 0, 1) + frame(CONTINUATION, 0, 1, bytes(1_000)) * 70,
    "continuations of nothing without end": frame(HEADERS, 0, 1) + frame(CONTINUATION, 0, 1) * 8_000,
    "a frame larger than all blocks": struct.pack(">I", BLOCK_BYTES_MAX + 1)[1:]
    + bytes([HEADERS, 0, 0, 0, 0, 1]),
    "a foreign name and much else": frame(HEADERS, WHOLE, 1, block(b"evil", more=LONG)),
}


@pytest.mark.parametrize("what", BAD)
def test_what_no_server_should_see_ends_the_connection(what: str) -> None:
    with pytest.raises(Unacceptable):
        read(BAD[what])
