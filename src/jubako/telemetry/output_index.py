"""The index of one attempt's output: which part was written when; read in pieces, however long it is.

Its lines are ``{"t": MICROSECONDS, "o": BYTES, "e": BYTES}``, written by ``runtime.supervisor.output``: at the time
``t`` stdout and stderr had these sizes. All three only grow. The last line may be half written.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

_CHUNK_BYTES = 65_536
_LINE_BYTES_MAX = 256


class Mark(msgspec.Struct):
    """At the time ``t`` stdout had ``o`` bytes, and stderr ``e``."""

    t: int = 0
    o: int = 0
    e: int = 0


_DECODER = msgspec.json.Decoder(Mark)


class OutputIndex:
    """Finds the marks of an instant, and reads on from there."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def since(self, time_us: int) -> tuple[Mark, Iterator[Mark]]:
        """Return the last mark before ``time_us`` (one of zeros if there is none), and those from then on."""
        try:
            with self._path.open("rb") as file:
                offset = _first_at(file, time_us)
                return _before(file, offset), self._from(offset)
        except OSError:  # nothing was written yet, or it was removed
            return Mark(), iter(())

    def _from(self, offset: int) -> Iterator[Mark]:
        """Yield the marks from the byte ``offset`` on; nothing is open between two of them."""
        while lines := self._whole_lines(offset):
            for line in lines.splitlines():
                yield _decode(line)
            offset += len(lines)

    def _whole_lines(self, offset: int) -> bytes:
        try:
            with self._path.open("rb") as file:
                data = _read(file, offset, _CHUNK_BYTES)
        except OSError:  # removed meanwhile
            return b""
        return data[: data.rfind(b"\n") + 1]


def _first_at(file: BinaryIO, time_us: int) -> int:
    """Return where the first line begins whose time is not before ``time_us``; the end of all lines if none is."""
    low, high = 0, file.seek(0, 2)
    while low < high:
        middle = (low + high) // 2
        # The line that the byte ``middle`` is in begins behind the newline before it.
        first = max(low, middle - _LINE_BYTES_MAX)
        begin = first + _read(file, first, middle - first).rfind(b"\n") + 1
        line = _read(file, begin, _LINE_BYTES_MAX).partition(b"\n")
        if not line[1] or _decode(line[0]).t >= time_us:
            high = begin
        else:
            low = begin + len(line[0]) + 1
    return low


def _before(file: BinaryIO, offset: int) -> Mark:
    """Return the mark whose line ends before the byte ``offset``."""
    first = max(0, offset - _LINE_BYTES_MAX)
    lines = _read(file, first, offset - first).splitlines()
    return _decode(lines[-1]) if lines else Mark()


def _decode(line: bytes) -> Mark:
    try:
        # A full disk may have cut a mark; then the next one follows in the same line.
        return _DECODER.decode(line[max(0, line.rfind(b"{")) :])
    except (msgspec.DecodeError, msgspec.ValidationError):
        return Mark()


def _read(file: BinaryIO, offset: int, limit: int) -> bytes:
    file.seek(offset)
    return file.read(limit)
