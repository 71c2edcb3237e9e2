"""A state directory of an older schema: opened, brought up to date, and its executions go on where they stood."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jubako.boxes.workflows.resources import Execution, Workflow
from jubako.core.errors import FailedPrecondition
from jubako.core.timestamps import to_micros
from jubako.store.migrations import Migration, load
from jubako.store.sqlite import SqliteStore
from jubako.testing.clock import FakeClock
from jubako.wire.codec import encode

ROOMS = ("jubako.store", "jubako.telemetry", "jubako.wire", "jubako.boxes.workflows")
ROOM = "boxes.workflows"
OLD = 5
"""The version with the snapshot in the execution's own row."""
WORKFLOW = "projects/p/locations/l/workflows/w"
SOURCE = "- a: {call: sys.sleep, args: {seconds: 10}, result: x}\n- b: {return: old}"
DONE = '{"name":"main/a#0","value":null}'
SLEEPS = json.dumps(
    {
        "format": 1,
        "status": "ACTIVE",
        "result": None,
        "error": None,
        "errorValue": None,
        "steps": 1,
        "work": 0,
        "ready": [],
        "threads": [
            {
                "name": "main",
                "parent": None,
                "depth": 0,
                "waiting": {
                    "name": "main/a#0",
                    "kind": "sleep",
                    "function": "sys.sleep",
                    "args": {"seconds": 10},
                    "step": "a",
                    "routine": "main",
                    "key": "call",
                },
                "frames": [
                    {
                        "routine": "main",
                        "at": "a:call",
                        "prefix": "main/",
                        "into": "",
                        "bytes": 0,
                        "vars": {},
                        "blocks": [],
                        "visits": {"a": 1},
                        "memo": {},
                    }
                ],
            }
        ],
    }
)
"""A snapshot as that version wrote it."""


def up_to(version: int) -> list[Migration]:
    return [one for one in load(*ROOMS) if one.room != ROOM or one.version <= version]


async def make_old_state(file: Path, clock: FakeClock) -> None:
    """Write what a server of the old version left: one that sleeps, one whose sleep is over, one that has ended."""
    store = SqliteStore(file, clock, up_to(OLD))
    workflow = Workflow(name=WORKFLOW, source_contents=SOURCE, revision_id="000001-abc")
    document = encode(workflow).decode()

    def write(tx: Any) -> None:
        tx.run("INSERT INTO workflows VALUES ('p', 'l', 'w', 'u', 1, ?)", document)
        tx.run("INSERT INTO workflow_revisions VALUES ('u', '000001-abc', ?)", document)
        for name, state, needs_engine, snapshot in (
            ("sleeps", "ACTIVE", 0, SLEEPS),
            ("wakes", "ACTIVE", 1, None),
            ("ended", "SUCCEEDED", 0, None),
        ):
            execution = Execution(
                name=f"{WORKFLOW}/executions/{name}",
                state=Execution.State[state],
                start_time=tx.now,
                workflow_revision_id="000001-abc",
                argument="null",
            )
            tx.run(
                "INSERT INTO workflow_executions (project, location, workflow, execution, workflow_uid, state, "
                "needs_engine, start_time, document, current_steps, snapshot, snapshot_seq) "
                "VALUES ('p', 'l', 'w', ?, 'u', ?, ?, ?, ?, '[]', ?, 0)",
                name,
                state,
                needs_engine,
                to_micros(tx.now),
                encode(execution).decode(),
                snapshot,
            )
        tx.run("UPDATE workflow_active SET number = 2")
        due = to_micros(tx.now + timedelta(seconds=10))
        tx.run("INSERT INTO timers VALUES ('workflows.sleep', 'sleeps main/a#0', ?, '')", due)
        tx.run("INSERT INTO workflow_arrivals VALUES ('wakes', 'main/a#0', ?)", DONE)

    await store.write(write)
    await store.close()


async def until_awake(house: Any, execution: Execution) -> Execution:
    async with asyncio.timeout(10):
        while (found := await house.get(execution)).state is Execution.State.ACTIVE:
            await house.clock.advance(timedelta(seconds=1))
    ended: Execution = found
    return ended


async def test_executions_of_an_older_schema_go_on(tmp_path: Path, house: Any) -> None:
    file = tmp_path / "state.db"
    await make_old_state(file, house.clock)
    await house.stop()
    new = type(house)(SqliteStore(file, house.clock, load(*ROOMS)), house.clock, house.cloud)
    try:
        names = {
            name: Execution(name=f"{WORKFLOW}/executions/{name}") for name in ("sleeps", "wakes", "ended")
        }
        assert (await new.until_final(names["wakes"])).result == '"old"'
        assert (await until_awake(new, names["sleeps"])).result == '"old"'
        assert (await until_awake(new, await new.begin())).result == '"old"'
        assert (await new.get(names["ended"])).state is Execution.State.SUCCEEDED
        assert await new.store.read(lambda tx: tx.one("SELECT number FROM workflow_active")) == (0,)
    finally:
        await new.stop()
        await new.store.close()


@pytest.mark.parametrize("version", range(1, max(one.version for one in load(ROOMS[-1]))))
async def test_every_older_schema_opens(tmp_path: Path, version: int) -> None:
    await SqliteStore(tmp_path / "state.db", FakeClock(), up_to(version)).close()
    store = SqliteStore(tmp_path / "state.db", FakeClock(), load(*ROOMS))
    assert await store.read(lambda tx: tx.one("SELECT COUNT(*) FROM workflow_executions")) == (0,)
    await store.close()


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    await SqliteStore(tmp_path / "state.db", FakeClock(), load(*ROOMS)).close()
    with pytest.raises(FailedPrecondition, match="newer"):
        SqliteStore(tmp_path / "state.db", FakeClock(), up_to(OLD))
