"""Header blocks, by the examples of RFC 7541, appendix C, and by what must be refused."""

import pytest

from jubako.wire.hpack import STATIC, TABLE_BYTES_MAX, Decoder, HpackError

FIRST = [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"www.example.com")]
SECOND = [*FIRST, (b"cache-control", b"no-cache")]
THIRD = [
    (b":method", b"GET"),
    (b":scheme", b"https"),
    (b":path", b"/index.html"),
    (b":authority", b"www.example.com"),
    (b"custom-key", b"custom-value"),
]
PLAIN = [
    "828684410f7777772e6578616d706c652e636f6d",
    "828684be58086e6f2d6361636865",
    "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
]
PACKED = [
    "828684418cf1e3c2e5f23a6ba0ab90f4ff",
    "828684be5886a8eb10649cbf",
    "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
]


@pytest.mark.parametrize("blocks", [PLAIN, PACKED], ids=["C.3", "C.4"])
def test_the_requests_of_the_specification(blocks: list[str]) -> None:
    decoder = Decoder()
    read = [decoder.headers(bytes.fromhex(block)) for block in blocks]
    assert read == [FIRST, SECOND, THIRD]


def test_a_literal_that_is_kept_nowhere() -> None:
    decoder = Decoder()
    for first in (b"\x04", b"\x14"):  # C.2.2, and the same never to be indexed
        assert decoder.headers(first + b"\x0c/sample/path") == [(b":path", b"/sample/path")]
    with pytest.raises(HpackError):
        decoder.headers(bytes([0x80 | len(STATIC) + 1]))


def test_a_table_forgets_what_is_oldest() -> None:
    decoder = Decoder()
    for number in range(200):
        block = b"\x40\x01a\x64" + str(number).encode().rjust(100)
        decoder.headers(block)
    kept = TABLE_BYTES_MAX // 133
    assert decoder.headers(b"\xbe") == [(b"a", b"199".rjust(100))]
    with pytest.raises(HpackError):
        decoder.headers(bytes([0x80 | 62 + kept]))
    decoder.headers(b"\x20")  # a table of no bytes
    with pytest.raises(HpackError):
        decoder.headers(b"\xbe")


BAD = {
    "an entry of number nought": b"\x80",
    "an entry that is not there": b"\xff\x80\x01",
    "a number that is cut": b"\xff",
    "a number without end": b"\xff" + b"\xff" * 20,
    "a string that is cut": b"\x40\x05ab",
    "a name and no value": b"\x40\x01a",
    "a table larger than allowed": b"\x3f\xff\xff\x7f",
    "padding of eight bits": b"\x40\x01a\x81\xff",
    "padding of noughts": b"\x40\x01a\x81\x00",
    "the code of the end": b"\x40\x01a\x84\xff\xff\xff\xff",
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_block_is_refused(what: str) -> None:
    with pytest.raises(HpackError):
        Decoder().headers(BAD[what])
