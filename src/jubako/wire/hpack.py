"""HPACK, the half that reads: header blocks of one HTTP/2 connection to names and values.

Source: RFC 7541; section numbers below are its.
"""

from collections import deque
from collections.abc import Mapping

TABLE_BYTES_MAX = 4_096
"""What a client may keep in the dynamic table unless the server's settings say otherwise, and gRPC's do not."""
_ENTRY_OVERHEAD = 32
_INTEGER_MAX = 1 << 24
_CODE_BITS_MAX = 30

Header = tuple[bytes, bytes]

_STATIC = """\
:authority|:method GET|:method POST|:path /|:path /index.html|:scheme http|:scheme https|:status 200|:status 204
:status 206|:status 304|:status 400|:status 404|:status 500|accept-charset|accept-encoding gzip, deflate
accept-language|accept-ranges|accept|access-control-allow-origin|age|allow|authorization|cache-control
content-disposition|content-encoding|content-language|content-length|content-location|content-range|content-type
cookie|date|etag|expect|expires|from|host|if-match|if-modified-since|if-none-match|if-range|if-unmodified-since
last-modified|link|location|max-forwards|proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after
server|set-cookie|strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate"""
STATIC: list[Header] = [
    (name.encode(), value.encode())
    for name, _, value in (entry.partition(" ") for entry in _STATIC.replace("\n", "|").split("|"))
]
"""Appendix A."""

_SYMBOLS: Mapping[int, bytes] = {
    5: b"012aceiost",
    6: b" %-./3456789=A_bdfghlmnpru",
    7: b":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz",
    8: b"&*,;XZ",
    10: b'!"()?',
    11: b"'+|",
    12: b"#>",
    13: b"\x00$@[]~",
    14: b"^}",
    15: b"<`{",
    19: b"\\\xc3\xd0",
    20: bytes.fromhex("808283a2b8c2e0e2"),
    21: bytes.fromhex("99a1a7acb0b1b3d1d8d9e3e5e6"),
    22: bytes.fromhex("8184858688929a9ca0a3a4a9aaadb2b5b9babbbdbec4c6e4e8e9"),
    23: bytes.fromhex("0187898a8b8c8d8f93959697989b9d9ea5a6a8aeafb4b6b7bcbfc5e7ef"),
    24: bytes.fromhex("098e9091949fabced7e1eced"),
    25: bytes.fromhex("c7cfeaeb"),
    26: bytes.fromhex("c0c1c8c9cacdd2d5dadbeef0f2f3ff"),
    27: bytes.fromhex("cbccd3d4d6dddedff1f4f5f6f7f8fafbfcfdfe"),
    28: bytes.fromhex("020304050607080b0c0e0f1011121314151718191a1b1c1d1e1f7fdcf9"),
    30: b"\n\r\x16",
}
"""Appendix B: what has a code of so many bits. The codes are those of a canonical Huffman code in this order."""


def _codes() -> Mapping[int, int]:
    """Return the symbol of each code, which is written with a 1 before it, so that leading zeros count."""
    codes, code, bits = {}, 0, 0
    for length, symbols in _SYMBOLS.items():
        for symbol in symbols:
            code <<= length - bits
            bits = length
            codes[1 << length | code] = symbol
            code += 1
    return codes


_CODES = _codes()


class HpackError(Exception):
    """The block cannot be read, and with it none that follows."""


class Decoder:
    """Reads the blocks of one connection, in order."""

    def __init__(self) -> None:
        self._dynamic: deque[Header] = deque()
        self._size = 0
        self._size_max = TABLE_BYTES_MAX

    def headers(self, block: bytes) -> list[Header]:
        """Return the headers of a block.

        Raises:
            HpackError: It is none.

        """
        found, at = [], 0
        while at < len(block):
            first = block[at]
            if first & 0x80:  # 6.1
                index, at = _integer(block, at, 7)
                found.append(self._entry(index))
            elif first & 0xC0 == 0x40:  # 6.2.1
                header, at = self._literal(block, at, 6)
                self._add(header)
                found.append(header)
            elif first & 0xE0 == 0x20:  # 6.3
                size, at = _integer(block, at, 5)
                self._resize(size)
            else:  # 6.2.2, 6.2.3
                header, at = self._literal(block, at, 4)
                found.append(header)
        return found

    def _literal(self, block: bytes, at: int, bits: int) -> tuple[Header, int]:
        index, at = _integer(block, at, bits)
        if index:
            name = self._entry(index)[0]
        else:
            name, at = _text(block, at)
        value, at = _text(block, at)
        return (name, value), at

    def _entry(self, index: int) -> Header:
        if 0 < index <= len(STATIC):
            return STATIC[index - 1]
        if len(STATIC) < index <= len(STATIC) + len(self._dynamic):
            return self._dynamic[index - len(STATIC) - 1]
        raise HpackError(f"there is no entry {index}")

    def _add(self, header: Header) -> None:
        self._dynamic.appendleft(header)
        self._size += _size(header)
        self._evict()

    def _resize(self, size: int) -> None:
        if size > TABLE_BYTES_MAX:
            raise HpackError(f"a table of {size} bytes is too large")
        self._size_max = size
        self._evict()

    def _evict(self) -> None:
        while self._size > self._size_max:
            self._size -= _size(self._dynamic.pop())


def _size(header: Header) -> int:
    return len(header[0]) + len(header[1]) + _ENTRY_OVERHEAD


def _integer(block: bytes, at: int, bits: int) -> tuple[int, int]:
    """Return an integer and where the next thing begins (5.1)."""
    most = (1 << bits) - 1
    value = block[at] & most
    at += 1
    if value < most:
        return value, at
    shift = 0
    while value < _INTEGER_MAX and at < len(block):
        value += (block[at] & 0x7F) << shift
        at += 1
        if not block[at - 1] & 0x80:
            return value, at
        shift += 7
    raise HpackError("a number is cut or too large")


def _text(block: bytes, at: int) -> tuple[bytes, int]:
    """Return a string and where the next thing begins (5.2)."""
    if at >= len(block):
        raise HpackError("a string is cut")
    is_packed = block[at] & 0x80
    length, at = _integer(block, at, 7)
    text = block[at : at + length]
    if len(text) < length:
        raise HpackError("a string is cut")
    return (_unpacked(text) if is_packed else text), at + length


def _unpacked(packed: bytes) -> bytes:
    """Return a string without its Huffman code; it ends with up to seven ones."""
    text, code = bytearray(), 1
    for octet in packed:
        for shift in range(7, -1, -1):
            code = code << 1 | octet >> shift & 1
            symbol = _CODES.get(code)
            if symbol is not None:
                text.append(symbol)
                code = 1
        if code >> _CODE_BITS_MAX:
            raise HpackError("a string holds no character")
    if code.bit_length() > 8 or code & (code + 1):
        raise HpackError("a string has no proper end")
    return bytes(text)
