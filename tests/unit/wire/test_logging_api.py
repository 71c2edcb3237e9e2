"""Cloud Logging over the store: what is written is durable once, and is read back in either order."""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from jubako.core.faults import NoFaults
from jubako.core.timestamps import format_timestamp
from jubako.identity.access import LOCAL, LoopbackAccess
from jubako.store.migrations import load
from jubako.store.sqlite import SqliteStore
from jubako.telemetry import log_rows
from jubako.telemetry.stored_logs import StoredLogs
from jubako.testing.clock import FakeClock
from jubako.testing.events import RecordedEvents
from jubako.testing.ids import SeededIds
from jubako.wire.http import HttpRequest
from jubako.wire.log_tail import Tails
from jubako.wire.logging_api import LoggingApi
from jubako.wire.rest import Router

LOG = "projects/p/logs/app"


class Logging:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = SqliteStore(None, self.clock, load("jubako.store", "jubako.telemetry"), NoFaults())
        sources = [StoredLogs(self.store)]
        self.tails = Tails(sources, self.clock, self.clock)
        api = LoggingApi(self.store, self.clock, SeededIds(), sources, self.tails).api()
        self._router = Router([api], LoopbackAccess(), RecordedEvents())

    async def call(self, verb: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        data = b"" if body is None else msgspec.json.encode(body)
        reply = await self._router.handle(HttpRequest(method=verb, path=path, body=data), LOCAL)
        return reply.status, msgspec.json.decode(reply.body)

    async def write(self, *entries: dict[str, Any], **common: Any) -> tuple[int, dict[str, Any]]:
        given = {"logName": LOG, "resource": {"type": "global"}, **common, "entries": entries}
        return await self.call("POST", "/v2/entries:write", given)

    async def read(self, **body: Any) -> list[dict[str, Any]]:
        status, reply = await self.call("POST", "/v2/entries:list", {"resourceNames": ["projects/p"], **body})
        assert status == 200, reply
        entries: list[dict[str, Any]] = reply.get("entries", [])
        return entries


@pytest.fixture
async def logging():
    logging = Logging()
    yield logging
    await logging.store.close()


async def test_an_entry_is_completed_and_read_back(logging: Logging) -> None:
    entry = {
        "jsonPayload": {"n": 1, "deep": {"list": [1, "x", None]}},
        "severity": "ERROR",
        "labels": {"a": "2"},
    }
    assert (await logging.write(entry, labels={"a": "1", "b": "1"}))[0] == 200
    (found,) = await logging.read()
    now = format_timestamp(logging.clock.now())
    assert found.pop("insertId")
    assert found == {
        **entry,
        "logName": LOG,
        "resource": {"type": "global"},
        "labels": {"a": "2", "b": "1"},
        "timestamp": now,
        "receiveTimestamp": now,
    }


async def test_the_same_entry_twice_is_one(logging: Logging) -> None:
    entry = {"insertId": "i", "timestamp": format_timestamp(logging.clock.now()), "textPayload": "x"}
    await logging.write(entry)
    await logging.write(entry, {**entry, "insertId": "j"})
    assert [one["insertId"] for one in await logging.read()] == ["i", "j"]


@pytest.mark.parametrize("order", ["timestamp asc", "timestamp desc"])
async def test_pages_go_through_all_entries_in_order(logging: Logging, order: str) -> None:
    begin = logging.clock.now()
    # Three entries of each instant, so that pages end in the middle of one.
    await logging.write(
        *(
            {"insertId": f"i{n:03}", "timestamp": format_timestamp(begin - timedelta(seconds=n // 3))}
            for n in range(100)
        )
    )
    seen: list[str] = []
    token = ""
    while True:
        body = {"resourceNames": ["projects/p"], "orderBy": order, "pageSize": 7, "pageToken": token}
        _, page = await logging.call("POST", "/v2/entries:list", body)
        seen += [entry["timestamp"] + entry["insertId"] for entry in page["entries"]]
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert len(seen) == 100
    assert seen == sorted(seen, reverse=order.endswith("desc"))


async def test_a_filter_looks_further_than_one_chunk(logging: Logging) -> None:
    await logging.write(*({"textPayload": f"line {n}"} for n in range(2_500)))
    (found,) = await logging.read(filter='textPayload="line 2499"')
    assert found["textPayload"] == "line 2499"


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"logName": "organizations/1/logs/x"}, "entries[0].logName"),
        ({"logName": "projects/p/logs/"}, "entries[0].logName"),
        ({"timestamp": "2020-01-01T00:00:00Z"}, "entries[0].timestamp"),
        ({"timestamp": "2099-01-01T00:00:00Z"}, "entries[0].timestamp"),
        ({"textPayload": "x" * 300_000}, "entries[0]"),
        ({"labels": {"k" * 600: ""}}, "entries[0].labels"),
        ({"insertId": "i" * 600}, "entries[0].insertId"),
        ({"severity": "LOUD"}, "entries[0].severity"),
        ({"textPayload": "x", "jsonPayload": {}}, "entries[0]"),
        ({"protoPayload": {"@type": "type.googleapis.com/no.Such"}}, "entries[0].protoPayload.@type"),
    ],
)
async def test_a_bad_entry_is_named_and_nothing_is_kept(logging: Logging, entry: Any, field: str) -> None:
    status, reply = await logging.write(entry, {"textPayload": "good"})
    assert (status, reply["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert reply["error"]["message"].startswith(f"{field}:")
    assert await logging.read() == []


async def test_with_partial_success_the_good_ones_are_kept_and_the_bad_one_is_told(logging: Logging) -> None:
    status, reply = await logging.write({"logName": "x"}, {"textPayload": "good"}, partialSuccess=True)
    assert status == 400
    assert "entries[0].logName" in reply["error"]["message"]
    assert [one["textPayload"] for one in await logging.read()] == ["good"]


async def test_a_dry_run_keeps_nothing(logging: Logging) -> None:
    assert (await logging.write({"textPayload": "x"}, dryRun=True))[0] == 200
    assert await logging.read() == []
    assert (await logging.write({"textPayload": "x"}, resource=None))[0] == 400


async def test_logs_are_listed_and_deleted(logging: Logging) -> None:
    await logging.write({"textPayload": "x"}, {"logName": "projects/p/logs/other%2Fone"})
    await logging.write({"logName": "projects/q/logs/app"})
    _, listed = await logging.call("GET", "/v2/projects/p/logs")
    assert listed["logNames"] == [LOG, "projects/p/logs/other%2Fone"]
    assert (await logging.call("DELETE", "/v2/projects/p/logs/other%2Fone"))[0] == 200
    assert (await logging.call("DELETE", "/v2/projects/p/logs/other%2Fone"))[0] == 404
    assert [one["logName"] for one in await logging.read()] == [LOG]


async def test_old_entries_are_forgotten(logging: Logging) -> None:
    await logging.write({"textPayload": "old"})
    await logging.clock.advance(log_rows.RETENTION - timedelta(hours=1))
    await logging.write({"textPayload": "new"})
    await logging.clock.advance(timedelta(hours=2))
    sweeping = asyncio.create_task(log_rows.keep_swept(logging.store, logging.clock))
    async with asyncio.timeout(10):
        await logging.clock.wait_for_sleepers(1)
    sweeping.cancel()
    assert [one["textPayload"] for one in await logging.read()] == ["new"]
