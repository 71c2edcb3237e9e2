"""What a client of gRPC says, looked at on its way in: names and paths of calls, which the gRPC server does not check.

1. grpc.aio keeps ``:authority`` from Python, so a name that is not ours could not be refused (DNS rebinding).
2. A path that is no text ends grpc.aio's server, with everybody's calls (grpcio 1.85: it decodes it in its main loop).

Only header blocks are held until they are whole; all else goes through as it comes. Source: RFC 9113; gRPC over HTTP2.
"""

from collections.abc import Callable

from jubako.wire.hpack import Decoder, HpackError

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""Source: RFC 9113, 3.4."""
REFUSED = "jubako-refused"
"""Metadata that is put into a call that must not be answered: so it is refused as a call, with a reason."""
BLOCK_BYTES_MAX = 64 * 1024
_FRAME_BYTES_MAX = 16_384
_HEAD = 9
_HEADERS, _PUSH_PROMISE, _CONTINUATION = 1, 5, 9
_END_STREAM, _END_HEADERS, _PADDED, _PRIORITY = 0x1, 0x4, 0x8, 0x20
_ASKED = (b":path", b":authority", b"host")
_MARK = b"\x10" + bytes([len(REFUSED)]) + REFUSED.encode() + b"\x04name"
"""A header that nobody keeps in a table. Source: RFC 7541, 6.2.3."""

IsOurs = Callable[[str], bool]
"""Whether a call may be made to this authority."""


class Unacceptable(Exception):
    """The connection cannot go on."""


class Calls:
    """The client's side of one connection."""

    def __init__(self, is_ours: IsOurs) -> None:
        self._is_ours = is_ours
        self._decoder = Decoder()
        self._held = bytearray()
        self._through = len(PREFACE)
        """Bytes that go on unread."""
        self._stream: int | None = None
        """Whose block has begun and not ended."""
        self._flags = 0
        self._frames = bytearray()
        self._block = bytearray()

    def read(self, data: bytes) -> bytes:
        """Return what may go on to the server of what came so far.

        Raises:
            Unacceptable: It is no HTTP/2, or no gRPC server should see it.

        """
        if len(data) <= self._through and not self._held:
            self._through -= len(data)
            return data
        self._held += data
        passed = bytearray()
        while self._held:
            count = self._through or self._next(passed)
            if not count:
                break
            passed += self._held[:count]
            self._through = max(0, count - len(self._held))
            del self._held[:count]
        return bytes(passed)

    def _next(self, passed: bytearray) -> int:
        """Return how many bytes of the next frame go on unread; 0 if more is needed to tell."""
        while len(self._held) >= _HEAD:
            size = _HEAD + int.from_bytes(self._held[:3], "big")
            kind = self._held[3]
            if kind not in {_HEADERS, _CONTINUATION}:
                if self._stream is not None or kind == _PUSH_PROMISE:
                    raise Unacceptable("a frame between those of a header block, or one of a server")
                return size
            if len(self._frames) + size > BLOCK_BYTES_MAX:
                raise Unacceptable("a header block is too large")
            if len(self._held) < size:
                return 0
            frame = bytes(self._held[:size])
            del self._held[:size]
            passed += self._headers(frame)
        return 0

    def _headers(self, frame: bytes) -> bytes:
        """Return what goes on when a frame of a header block has come."""
        kind, flags, stream = frame[3], frame[4], int.from_bytes(frame[5:_HEAD], "big") & 0x7FFFFFFF
        if (self._stream is None) != (kind == _HEADERS) or self._stream not in {None, stream}:
            raise Unacceptable("a header block is out of order")
        if kind == _HEADERS:
            self._stream, self._flags = stream, flags
        self._frames += frame
        self._block += _fragment(frame[_HEAD:], flags if kind == _HEADERS else 0)
        if not flags & _END_HEADERS:
            return b""
        whole, block = bytes(self._frames), bytes(self._block)
        self._stream = None
        self._frames.clear()
        self._block.clear()
        return whole if self._may_pass(block) else _marked(stream, self._flags, block)

    def _may_pass(self, block: bytes) -> bool:
        """Return whether a block may go on as it is.

        Raises:
            Unacceptable: It must not go on at all.

        """
        try:
            headers = self._decoder.headers(block)
        except (HpackError, IndexError) as error:
            raise Unacceptable(str(error)) from error
        said: dict[bytes, list[bytes]] = {name: [] for name in _ASKED}
        for name, value in headers:
            if not name.isascii() or not (value.isascii() or name.endswith(b"-bin")):
                raise Unacceptable("a header is no text")
            if name in said:
                said[name].append(value)
        if not said[b":path"]:  # of a stream that has begun: trailers
            return True
        names = said[b":authority"] or said[b"host"]
        return len(names) == 1 and self._is_ours(names[0].decode("ascii"))


def _fragment(payload: bytes, flags: int) -> bytes:
    """Return the part of a block in a frame's payload."""
    end = len(payload)
    start = 0
    if flags & _PADDED:
        if not payload or payload[0] >= end:
            raise Unacceptable("a frame is all padding")
        start, end = 1, end - payload[0]
    if flags & _PRIORITY:
        start += 5
    return payload[start:end]


def _marked(stream: int, flags: int, block: bytes) -> bytes:
    """Return the block in a frame of its own, with the mark."""
    block += _MARK
    if len(block) > _FRAME_BYTES_MAX:
        raise Unacceptable("a call to a foreign name with many headers")
    head = len(block).to_bytes(3, "big") + bytes([_HEADERS, _END_HEADERS | flags & _END_STREAM])
    return head + stream.to_bytes(4, "big") + block
