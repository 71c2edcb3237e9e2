"""Following the log: every entry that comes from then on, once, whatever its time says."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import timedelta

import pytest

from jubako.core.errors import InvalidArgument, ResourceExhausted
from jubako.core.faults import NoFaults
from jubako.core.timestamps import format_timestamp
from jubako.identity.access import LOCAL
from jubako.store.migrations import load
from jubako.store.sqlite import SqliteStore
from jubako.telemetry.log_entries import Entry
from jubako.telemetry.log_filter import Filter
from jubako.telemetry.stored_logs import StoredLogs
from jubako.testing.clock import FakeClock
from jubako.testing.ids import SeededIds
from jubako.wire import log_inbox, log_tail
from jubako.wire.google_types import MonitoredResource
from jubako.wire.log_tail import PAGE, TAILS_MAX, Tails
from jubako.wire.logging_api import LoggingApi
from jubako.wire.logging_types import (
    LogEntry,
    TailLogEntriesRequest,
    TailLogEntriesResponse,
    WriteLogEntriesRequest,
)

Stream = AsyncGenerator[TailLogEntriesResponse, None]
SECOND = timedelta(seconds=1)


class Lines:
    """A source with so many entries of every moment, which counts how many were taken."""

    def __init__(self, clock: FakeClock, count: int) -> None:
        self._clock = clock
        self._count = count
        self.taken = 0

    async def ascending(self, project: str, wanted: Filter) -> AsyncGenerator[Entry, None]:
        timestamp = format_timestamp(wanted.until() or self._clock.now())
        for number in range(self._count):
            self.taken += 1
            yield {
                "timestamp": timestamp,
                "insertId": f"{number:06}",
                "logName": f"projects/{project}/logs/x",
            }

    async def first(self, project: str, wanted: Filter, limit: int, *, newest_first: bool) -> list[Entry]:
        raise AssertionError((project, wanted, limit, newest_first))

    async def log_ids(self, project: str) -> set[str]:
        raise AssertionError(project)


class Log:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = SqliteStore(None, self.clock, load("jubako.store", "jubako.telemetry"), NoFaults())
        sources = [StoredLogs(self.store)]
        tails = Tails(sources, self.clock, self.clock)
        self._api = LoggingApi(self.store, self.clock, SeededIds(), sources, tails)

    async def follow(self, **fields: object) -> Stream:
        request = TailLogEntriesRequest(**{"resource_names": ["projects/p"], **fields})  # type: ignore[arg-type]
        return await self._api.tail(request, LOCAL)

    async def write(self, *texts: str, ago: timedelta = timedelta(0), project: str = "p") -> None:
        time = self.clock.now() - ago
        entries = [LogEntry(text_payload=text, timestamp=time) for text in texts]
        request = WriteLogEntriesRequest(
            log_name=f"projects/{project}/logs/a", resource=MonitoredResource(type="global"), entries=entries
        )
        await self._api.write(request, LOCAL)

    async def told(self, stream: Stream, *, within: timedelta = 10 * SECOND) -> TailLogEntriesResponse | None:
        """Return the next response, or None if there is none within a time."""
        answer = asyncio.ensure_future(anext(stream))
        for _ in range(int(within / log_tail.POLL)):
            for _ in range(50):  # a read goes to another thread and back
                if answer.done():
                    return answer.result()
                await asyncio.wait({answer}, timeout=0.002)
                if self.clock.deadlines:
                    break
            await self.clock.advance(log_tail.POLL)
        answer.cancel()
        await asyncio.gather(answer, return_exceptions=True)
        return None

    async def texts(self, stream: Stream, count: int) -> list[str | None]:
        found: list[str | None] = []
        while len(found) < count:
            response = await self.told(stream)
            assert response is not None, found
            found += [entry.text_payload for entry in response.entries]
        return found


@pytest.fixture
async def log() -> AsyncIterator[Log]:
    log = Log()
    yield log
    await log.store.close()


async def test_what_comes_from_then_on_is_told_once_and_in_order(log: Log) -> None:
    await log.write("before")
    await log.clock.advance(SECOND)
    async with aclosing(await log.follow()) as stream:
        begun = asyncio.ensure_future(log.texts(stream, 3))
        await asyncio.sleep(0)
        await log.clock.advance(SECOND)
        await log.write("b")
        await log.write("a", ago=SECOND / 2)
        await log.write("elsewhere", project="q")
        await log.clock.advance(SECOND / 4)
        await log.write("c")
        assert await begun == ["a", "b", "c"]
        await log.write("d")
        assert await log.texts(stream, 1) == ["d"]


async def test_an_entry_whose_time_was_read_already_is_told_too(log: Log) -> None:
    async with aclosing(await log.follow()) as stream:
        begun = asyncio.ensure_future(log.texts(stream, 1))
        await asyncio.sleep(0)
        await log.clock.advance(5 * SECOND)
        await log.write("late", ago=timedelta(days=1))
        assert await begun == ["late"]
        await log.write("now")
        assert await log.texts(stream, 1) == ["now"]


async def test_only_what_meets_the_filter_is_told(log: Log) -> None:
    async with aclosing(await log.follow(filter='textPayload:"yes"')) as stream:
        begun = asyncio.ensure_future(log.texts(stream, 2))
        await asyncio.sleep(0)
        await log.clock.advance(5 * SECOND)
        await log.write("no", "yes 1")
        await log.write("no", "yes 2", ago=timedelta(hours=1))
        assert sorted(map(str, await begun)) == ["yes 1", "yes 2"]


async def test_a_window_holds_entries_back_so_long(log: Log) -> None:
    async with aclosing(await log.follow(buffer_window=30 * SECOND)) as stream:
        begun = asyncio.ensure_future(log.told(stream, within=20 * SECOND))
        await asyncio.sleep(0)
        await log.clock.advance(SECOND)
        await log.write("x")
        assert await begun is None


@pytest.mark.parametrize("seconds", [-1, 61])
async def test_a_window_beyond_a_minute_is_refused(log: Log, seconds: int) -> None:
    with pytest.raises(InvalidArgument, match="bufferWindow"):
        await log.follow(buffer_window=seconds * SECOND)


async def test_a_wrong_filter_and_no_resource_are_refused(log: Log) -> None:
    with pytest.raises(InvalidArgument, match="filter"):
        await log.follow(filter="severity>=")
    with pytest.raises(InvalidArgument, match="resourceNames"):
        await log.follow(resource_names=[])


async def test_so_many_follow_and_who_goes_away_makes_room() -> None:
    clock = FakeClock()
    tails = Tails([Lines(clock, 1)], clock, clock)

    async def began() -> Stream:
        stream = tails.follow(TailLogEntriesRequest(), ["p"])
        first = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        await clock.advance(5 * SECOND)
        assert (await first).entries
        return stream

    streams = [await began() for _ in range(TAILS_MAX)]
    with pytest.raises(ResourceExhausted, match="10 clients"):
        await began()
    await streams.pop().aclose()
    streams.append(await began())
    for stream in streams:
        await stream.aclose()


async def test_a_client_that_does_not_read_is_not_read_for() -> None:
    clock = FakeClock()
    lines = Lines(clock, 10 * PAGE)
    async with aclosing(Tails([lines], clock, clock).follow(TailLogEntriesRequest(), ["p"])) as stream:
        first = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        await clock.advance(5 * SECOND)
        assert len((await first).entries) == PAGE
        await clock.advance(60 * SECOND)
        assert lines.taken == PAGE
        assert len((await anext(stream)).entries) == PAGE
        assert lines.taken == 2 * PAGE


async def test_late_entries_are_held_for_a_client_within_a_bound_and_the_others_are_counted(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_inbox, "BYTES_MAX", 1_000)
    async with aclosing(await log.follow()) as stream:
        begun = asyncio.ensure_future(log.told(stream))
        await asyncio.sleep(0)
        await log.clock.advance(SECOND)
        await log.write(*(f"{number}: {'x' * 300}" for number in range(5)), ago=timedelta(hours=1))
        response = await begun
        assert response is not None
        (told,) = response.suppression_info
        assert told.reason.name == "NOT_CONSUMED"
        assert 0 < len(response.entries) < 5
        assert len(response.entries) + told.suppressed_count == 5
