"""Where log entries come from, and how the first of them are found whatever order they come in."""

import heapq
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import AsyncExitStack, aclosing
from datetime import UTC
from typing import Any, Protocol

from jubako.core.timestamps import parse_timestamp
from jubako.telemetry.log_filter import Filter

Entry = Mapping[str, Any]
"""A LogEntry in its JSON form; it has at least ``timestamp`` and ``insertId``."""
Place = tuple[str, str]


class EntrySource(Protocol):
    """Some of a project's logs: those that programs wrote, or what the tasks, instances or workflows of a box did."""

    async def first(self, project: str, wanted: Filter, limit: int, *, newest_first: bool) -> list[Entry]:
        """Return at most ``limit`` entries that meet the filter: the newest or the oldest ones, in any order."""
        ...

    def ascending(self, project: str, wanted: Filter) -> AsyncGenerator[Entry, None]:
        """Yield the entries that meet the filter, the oldest first, reading as far as they are taken."""
        ...

    async def log_ids(self, project: str) -> set[str]:
        """Return the logs of the project that have entries here, as in ``projects/P/logs/LOG_ID``."""
        ...


class Best:
    """Keeps at most so many entries: the newest, or the oldest."""

    def __init__(self, limit: int, *, newest_first: bool) -> None:
        self._limit = limit
        self._newest_first = newest_first
        self._heap: list[tuple[_Key, int, Entry]] = []
        self._count = 0

    def add(self, entry: Entry) -> None:
        """Take an entry in, if it is among the first."""
        self._count += 1
        item = (_Key(place(entry), self._newest_first), self._count, entry)
        (heapq.heappush if len(self._heap) < self._limit else heapq.heappushpop)(self._heap, item)

    def entries(self) -> list[Entry]:
        """Return what is kept, the first one first."""
        return [entry for _, _, entry in sorted(self._heap, key=lambda item: item[:2], reverse=True)]


async def merged(sources: Iterable[AsyncGenerator[Entry, None]]) -> AsyncGenerator[Entry, None]:
    """Yield the entries of sources that are in order, in order."""
    async with AsyncExitStack() as stack:
        heads: list[tuple[str, int, Entry, AsyncGenerator[Entry, None]]] = []

        async def push(number: int, source: AsyncGenerator[Entry, None]) -> None:
            entry = await anext(source, None)
            if entry is not None:
                heapq.heappush(heads, (place(entry)[0], number, entry, source))

        for number, source in enumerate(sources):
            await stack.enter_async_context(aclosing(source))
            await push(number, source)
        while heads:
            _, number, entry, source = heapq.heappop(heads)
            yield entry
            await push(number, source)


class _Key:
    """Orders entries so that the least is the one to let go."""

    __slots__ = ("_newest_first", "_place")

    def __init__(self, at: Place, newest_first: bool) -> None:  # noqa: FBT001
        self._place = at
        self._newest_first = newest_first

    def __lt__(self, other: "_Key") -> bool:
        if self._newest_first:
            return self._place < other._place
        return self._place > other._place

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._place == other._place

    def __hash__(self) -> int:
        return hash(self._place)


def place(entry: Entry) -> Place:
    """Return where an entry stands among others: its time, with all six digits of the fraction, then its id."""
    text = str(entry["timestamp"])
    if not text.endswith("Z"):
        text = parse_timestamp(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return f"{whole}.{fraction:0<6}Z", str(entry["insertId"])
