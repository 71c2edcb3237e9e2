"""Reading what attempts wrote: bytes of one stream, and lines of many attempts in the order of time.

1. The runtime writes ``stdout``, ``stderr`` and ``index`` into the attempt's directory; ``index`` says at which time
   the files had which sizes. A line has the time of the first index entry that covers its end.
2. Nothing is held open between two reads, and no read takes more than a chunk. A page begins where the one before it
   ended, so that it costs what it shows, however long the log is, and so does following one that grows.
3. "No output" and "output lost" differ: how much an attempt wrote is stored with its end. One that wrote nothing needs
   no directory, and its own may have gone to another one; of what another wrote, a power cut may have left less.
"""

import asyncio
import heapq
import shutil
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from pathlib import Path

from jubako.core.timestamps import to_micros
from jubako.telemetry.output_index import Mark, OutputIndex

CHUNK_BYTES = 65_536
LINE_BYTES_MAX = 262_144
"""A longer line is cut. Source: Cloud Logging quotas, size of a log entry."""
_PARTS_MAX = 64
_CHUNK_LINES = 5_000
STREAMS = ("stdout", "stderr")
ENDED_SLACK_US = 5_000_000
"""How much later than its end an attempt's output may be noted."""


def log_id(stream: str) -> str:
    """Return the log of Cloud Logging that a stream is. Source: Cloud Run, "Logging and viewing logs"."""
    return f"run.googleapis.com%2F{stream}"


class Status(StrEnum):
    """What there is of an attempt's output."""

    NOT_STARTED = "NOT_STARTED"
    EMPTY = "EMPTY"
    """It has written nothing."""
    AVAILABLE = "AVAILABLE"
    LOST = "LOST"
    """It has run, and its output is not there any more, or not all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One attempt whose output may be read."""

    folder: str
    """Its output directory, below the root."""
    index: int
    """Which task or instance it is an attempt of."""
    attempt: int
    started_us: int | None
    ended_us: int | None
    output_bytes: int | None = None
    """How much it wrote in all, if it has ended and that is known."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Position:
    """Where a line stands among all lines that are read together."""

    time_us: int
    index: int
    attempt: int
    stream: str
    offset: int


@dataclass(frozen=True, slots=True)
class Line:
    """One line, without its newline."""

    position: Position
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Bytes of one stream of one attempt."""

    status: Status
    data: bytes = b""
    size: int = 0
    """Of the whole stream so far."""


class Outputs:
    """The output directories of all attempts."""

    def __init__(self, root: Path) -> None:
        """Take the directory that LaunchSettings names ``output_root``."""
        self._root = root

    async def read(self, source: Source, stream: str, offset: int, limit: int) -> Piece:
        """Return at most ``limit`` bytes of a stream from ``offset`` on."""
        return await asyncio.to_thread(self._read, source, stream, offset, limit)

    async def lines(
        self, sources: Sequence[Source], after: Position | None, until_us: int, limit: int
    ) -> list[Line]:
        """Return at most ``limit`` lines that stand behind ``after`` and were written before ``until_us``."""
        return await asyncio.to_thread(self._lines, sources, after, until_us, limit)

    async def between(
        self, sources: Sequence[Source], instant: datetime | None, until: datetime | None
    ) -> AsyncIterator[Line]:
        """Yield the lines that were written at ``instant`` or later (None: all), and not after ``until``."""
        after, end_us = None, 2**62 if until is None else to_micros(until) + 1
        if instant is not None:
            after = Position(time_us=to_micros(instant), index=-1, attempt=-1, stream="", offset=-1)
        while True:
            lines = await self.lines(sources, after, end_us, _CHUNK_LINES)
            for line in lines:
                yield line
            if len(lines) < _CHUNK_LINES:
                return
            after = lines[-1].position

    async def tails(self, sources: Sequence[Source], stream: str, limit: int) -> list[bytes]:
        """Return the last bytes of a stream of each attempt, at most ``limit``."""
        return await asyncio.to_thread(lambda: [self._tail(source, stream, limit) for source in sources])

    async def statuses(self, sources: Sequence[Source]) -> list[Status]:
        """Return what there is of each attempt's output."""
        return await asyncio.to_thread(self._statuses, sources)

    async def remove(self, owners: Iterable[str]) -> None:
        """Remove the output of owners (executions); what cannot be removed is left to who sweeps."""
        await asyncio.to_thread(self._remove, list(owners))

    async def owners(self) -> list[str]:
        """Return the uids of the owners of which there is output."""
        return await asyncio.to_thread(self._owners)

    def status(self, source: Source) -> Status:
        """Return what there is of an attempt's output."""
        if source.output_bytes == 0:
            return Status.EMPTY
        sizes = [_size(self._folder(source) / stream) for stream in STREAMS]
        if all(size is None for size in sizes):
            return _without_files(source)
        if sum(size or 0 for size in sizes) < (source.output_bytes or 0):
            return Status.LOST
        return Status.AVAILABLE if any(sizes) else Status.EMPTY

    def _statuses(self, sources: Sequence[Source]) -> list[Status]:
        return [self.status(source) for source in sources]

    def _folder(self, source: Source) -> Path:
        return self._root / source.folder

    def _read(self, source: Source, stream: str, offset: int, limit: int) -> Piece:
        status = self.status(source)
        path = self._folder(source) / stream
        size = _size(path)
        if size is None:
            return Piece(status=status)
        return Piece(status=status, data=_bytes_at(path, offset, limit), size=size)

    def _tail(self, source: Source, stream: str, limit: int) -> bytes:
        path = self._folder(source) / stream
        size = _size(path)
        return b"" if size is None else _bytes_at(path, max(0, size - limit), limit)

    def _lines(
        self, sources: Sequence[Source], after: Position | None, until_us: int, limit: int
    ) -> list[Line]:
        found: list[Line] = []
        for line in _merged(sources, partial(self._opened, after=after)):
            if line.position.time_us >= until_us or len(found) == limit:
                break
            if after is None or line.position > after:
                found.append(line)
        return found

    def _opened(self, source: Source, after: Position | None) -> list[Iterator[Line]]:
        """Return the lines of both streams of one attempt; none if all of it stands before ``after``."""
        since = after.time_us if after else 0
        if source.ended_us is not None and source.ended_us + ENDED_SLACK_US < since:
            return []
        folder = self._folder(source)
        return [
            _StreamReader(folder / stream, source, stream, _begin(folder, source, stream, after)).lines()
            for stream in STREAMS
        ]

    def _remove(self, owners: Sequence[str]) -> None:
        for uid in owners:
            shutil.rmtree(self._root / uid, ignore_errors=True)

    def _owners(self) -> list[str]:
        if not self._root.is_dir():
            return []
        return sorted(entry.name for entry in self._root.iterdir())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begin:
    """Where reading a stream begins."""

    offset: int
    is_line: bool
    """Whether a line, or a part of a long one, begins at ``offset``; else the line that ends there or later does."""
    before: Mark
    marks: Iterator[Mark]
    """Those behind ``before``."""


class _StreamReader:
    """Cuts one stream of one attempt into lines with times."""

    def __init__(self, path: Path, source: Source, stream: str, begin: _Begin) -> None:
        self._path = path
        self._source = source
        self._stream = stream
        self._begin = begin
        self._marks = begin.marks
        self._mark: Mark | None = begin.before
        """The first mark behind the last line; None = nobody has noted yet that it was written."""
        self._last_us = begin.before.t

    def lines(self) -> Iterator[Line]:
        """Yield the lines."""
        begin = self._begin
        offset = begin.offset if begin.is_line else self._line_start(begin.offset)
        rest = b""
        while chunk := _bytes_at(self._path, offset + len(rest), CHUNK_BYTES):
            *whole, rest = (rest + chunk).split(b"\n")
            for data in whole:
                yield from self._cut(offset, data, len(data) + 1)
                offset += len(data) + 1
            while len(rest) > LINE_BYTES_MAX:
                yield self._line(offset, rest[:LINE_BYTES_MAX], LINE_BYTES_MAX)
                offset, rest = offset + LINE_BYTES_MAX, rest[LINE_BYTES_MAX:]
        # Of a live attempt the rest of the line may still come.
        if rest and self._source.ended_us is not None:
            yield self._line(offset, rest, len(rest))

    def _cut(self, offset: int, data: bytes, length: int) -> Iterator[Line]:
        if length <= LINE_BYTES_MAX:
            yield self._line(offset, data, length)
            return
        for first in range(0, len(data), LINE_BYTES_MAX):
            part = data[first : first + LINE_BYTES_MAX]
            is_last = first + len(part) == len(data)
            # The newline counts as ever, so that a page that begins with this part gives it the same time.
            yield self._line(offset + first, part, len(part) + is_last)

    def _line(self, offset: int, data: bytes, length: int) -> Line:
        position = Position(
            time_us=self._time(offset + length),
            index=self._source.index,
            attempt=self._source.attempt,
            stream=self._stream,
            offset=offset,
        )
        return Line(position, data)

    def _time(self, end: int) -> int:
        """Return when the byte before ``end`` was written; for ever later if nobody has noted it yet."""
        while self._mark is not None and _noted(self._mark, self._stream) < end:
            self._last_us = self._mark.t or self._last_us
            self._mark = next(self._marks, None)
        if self._mark is not None:
            return self._mark.t
        ended = self._source.ended_us
        return 2**62 if ended is None else max(self._last_us, ended)

    def _line_start(self, offset: int) -> int:
        """Return where the line begins that the byte before ``offset`` is in.

        A line is always cut from its beginning, so that its parts are the same on every page; only in a line of
        more than ``_PARTS_MAX`` parts the search is given up.
        """
        for _ in range(_PARTS_MAX):
            first = max(0, offset - LINE_BYTES_MAX)
            at = _bytes_at(self._path, first, offset - first).rfind(b"\n")
            if at >= 0 or first == 0:
                return first + at + 1
            offset = first
        return offset


def _merged(sources: Sequence[Source], opened: "partial[list[Iterator[Line]]]") -> Iterator[Line]:
    """Yield the lines of all sources in order; a source is opened only when its start is reached."""
    waiting = deque(sorted(sources, key=lambda source: source.started_us or source.ended_us or 0))
    heap: list[tuple[Position, int, Line, Iterator[Line]]] = []
    ticket = 0
    while heap or waiting:
        while waiting and (not heap or (waiting[0].started_us or 0) <= heap[0][0].time_us):
            for lines in opened(waiting.popleft()):
                line = next(lines, None)
                if line is not None:
                    ticket += 1
                    heapq.heappush(heap, (line.position, ticket, line, lines))
        if heap:
            _, number, line, lines = heap[0]
            yield line
            following = next(lines, None)
            if following is None:
                heapq.heappop(heap)
            else:
                heapq.heapreplace(heap, (following.position, number, following, lines))


def _begin(folder: Path, source: Source, stream: str, after: Position | None) -> _Begin:
    """Return where the lines of a stream begin that may stand behind ``after``, as near as can be told."""
    index = OutputIndex(folder / "index")
    if after is None:
        before, marks = index.since(0)
        return _Begin(offset=0, is_line=True, before=before, marks=marks)
    own, shown = (source.index, source.attempt, stream), (after.index, after.attempt, after.stream)
    # Of what was written at the same time as that line, streams that stand before its own have been shown.
    before, marks = index.since(after.time_us + (own < shown))
    is_own = own == shown
    offset = after.offset if is_own else _noted(before, stream)
    return _Begin(offset=offset, is_line=is_own, before=before, marks=marks)


def _noted(mark: Mark, stream: str) -> int:
    return mark.o if stream == STREAMS[0] else mark.e


def _bytes_at(path: Path, offset: int, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(limit)
    except OSError:
        return b""


def _without_files(source: Source) -> Status:
    if source.started_us is None:
        return Status.NOT_STARTED
    # One that has just ended in silence may not be stored as ended yet, while its directory is another's already.
    return Status.EMPTY if source.ended_us is None else Status.LOST


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
