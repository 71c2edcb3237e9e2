"""``TailLogEntries``: log entries as they come, to any number of clients.

1. Time is cut into stretches. Each is read once, when it lies so far back (the client's buffer window, at least
   ``LAG``) that what belongs to it is stored.
2. What a client writes may have a time that has been read already (wire/log_inbox.py).
3. A client that does not read is not read for: entries stay where they are kept until it does.

Source: google/logging/v2/logging.proto, TailLogEntriesRequest; Cloud Logging, "Quotas and limits".
"""

from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from contextlib import ExitStack, aclosing, contextmanager
from datetime import datetime, timedelta

import msgspec

from jubako.core.clock import Clock
from jubako.core.errors import ResourceExhausted
from jubako.core.timestamps import format_timestamp, to_micros
from jubako.telemetry import log_filter
from jubako.telemetry.log_entries import Entry, EntrySource, merged
from jubako.telemetry.log_filter import Filter
from jubako.telemetry.log_rows import LogRow
from jubako.wire import codec
from jubako.wire.codec import invalid
from jubako.wire.log_inbox import Inbox
from jubako.wire.logging_types import LogEntry, TailLogEntriesRequest, TailLogEntriesResponse

WINDOW_DEFAULT = timedelta(seconds=2)
WINDOW_MAX = timedelta(seconds=60)
LAG = timedelta(seconds=1)
"""How long after its time an entry of a box is surely stored."""
POLL = timedelta(milliseconds=500)
TAILS_MAX = 10
"""Of one server."""
PAGE = 100
PAGE_BYTES = 1024 * 1024
"""How much one response holds: so many entries, or so many bytes and one entry more."""

Responses = AsyncGenerator[TailLogEntriesResponse, None]


class Tails:
    """All who follow."""

    def __init__(self, sources: Sequence[EntrySource], clock: Clock, wall: Clock) -> None:
        """Take the sources; ``clock`` is that of entries, and ``wall`` the one by which is waited."""
        self._sources = sources
        self._clock = clock
        self._wall = wall
        self._inboxes: list[Inbox] = []

    @contextmanager
    def expecting(self, rows: Sequence[LogRow]) -> Iterator[None]:
        """Tell followers of what a client writes once the block, which stores it, has ended well."""
        with ExitStack() as stack:
            for inbox in self._inboxes:
                stack.enter_context(inbox.expecting(rows))
            yield

    def follow(self, request: TailLogEntriesRequest, projects: Collection[str]) -> Responses:
        """Return the entries that come from now on; the stream ends when it is closed.

        Raises:
            InvalidArgument: The filter or the window is wrong.
            ResourceExhausted: Too many follow.

        """
        window = WINDOW_DEFAULT if request.buffer_window is None else request.buffer_window
        if not timedelta(0) <= window <= WINDOW_MAX:
            raise invalid("bufferWindow", "is not between 0s and 60s.")
        wanted = log_filter.parse(request.filter)
        if len(self._inboxes) >= TAILS_MAX:
            raise ResourceExhausted(f"{TAILS_MAX} clients follow the log already; end one of them.")
        return self._responses(projects, wanted, self._clock.now(), max(window, LAG))

    async def _responses(
        self, projects: Collection[str], wanted: Filter, reached: datetime, window: timedelta
    ) -> Responses:
        inbox = Inbox(projects, reached)
        self._inboxes.append(inbox)
        try:
            while True:
                until = self._clock.now() - window
                if until > reached:
                    inbox.horizon_us = to_micros(until)
                    part = Filter([*wanted.terms, inbox])
                    async with aclosing(
                        _pages(self._entries(projects, _between(part, reached, until)))
                    ) as pages:
                        async for page in pages:
                            yield TailLogEntriesResponse(entries=page)
                    reached = until
                late, dropped = inbox.take()
                page = [_entry(entry) for entry in late if wanted.holds(entry)]
                if page or dropped:
                    yield TailLogEntriesResponse(entries=page, suppression_info=dropped)
                await self._wall.sleep_until(self._wall.now() + POLL)
        finally:
            self._inboxes.remove(inbox)

    def _entries(self, projects: Collection[str], wanted: Filter) -> AsyncGenerator[Entry, None]:
        return merged([source.ascending(project, wanted) for project in projects for source in self._sources])


async def _pages(entries: AsyncGenerator[Entry, None]) -> AsyncGenerator[list[LogEntry], None]:
    """Yield entries in pages that are no larger than a client may take at once."""
    page: list[LogEntry] = []
    size = 0
    async with aclosing(entries):
        async for entry in entries:
            page.append(_entry(entry))
            size += len(msgspec.json.encode(entry))
            if len(page) == PAGE or size >= PAGE_BYTES:
                yield page
                page, size = [], 0
    if page:
        yield page


def _between(wanted: Filter, after: datetime, until: datetime) -> Filter:
    begun = wanted.also("timestamp", ">", format_timestamp(after))
    return begun.also("timestamp", "<=", format_timestamp(until))


def _entry(entry: Entry) -> LogEntry:
    return codec.from_json(LogEntry, dict(entry))
