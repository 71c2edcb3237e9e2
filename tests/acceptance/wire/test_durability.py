"""What was promised survives the process."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from jubako.boxes.jobs.resources import Job
from jubako.core.errors import Aborted
from jubako.runtime.system import SystemClock
from jubako.store.migrations import load
from jubako.store.sqlite import SqliteStore
from jubako.wire import idempotency
from jubako.wire.google_types import GetOperationRequest
from jubako.wire.method import Caller
from jubako.wire.operations_api import OperationsHandlers

NAME = "projects/p/locations/l/operations/o"
CALLER = Caller(principal="user:local", idempotency_key="k")
DIES = f"""
import asyncio, os, sys
from pathlib import Path
from jubako.boxes.jobs.resources import Job
from jubako.runtime.system import SystemClock
from jubako.store.migrations import load
from jubako.store.sqlite import SqliteStore
from jubako.wire import idempotency, operations
from jubako.wire.method import Caller

CALLER = Caller(principal="user:local", idempotency_key="k")

def accept(tx):
    key = idempotency.key_of(CALLER, "run.Jobs.CreateJob", "p", Job(name="j"))
    assert idempotency.find(tx, key) is None
    start = operations.Start(name={NAME!r}, api="run", metadata=Job(name="j"))
    operations.start(tx, start)
    idempotency.remember(tx, key, {NAME!r})

async def main():
    store = SqliteStore(Path(sys.argv[1]), SystemClock(), load("jubako.store", "jubako.wire"))
    await store.write(accept)
    if sys.argv[2] == "done":
        await store.write(lambda tx: operations.finish(tx, {NAME!r}, Job(name="j")))
    os._exit(9)

asyncio.run(main())
"""


@pytest.mark.parametrize("when", ["accepted", "done"])
async def test_an_operation_and_its_key_are_known_after_the_process_died(tmp_path: Path, when: str) -> None:
    file = tmp_path / "state.db"
    died = await asyncio.create_subprocess_exec(sys.executable, "-c", DIES, str(file), when)
    assert await died.wait() == 9
    store = SqliteStore(file, SystemClock(), load("jubako.store", "jubako.wire"))
    handlers = OperationsHandlers(store, SystemClock(), "run", {})
    operation = await handlers.get(GetOperationRequest(name=NAME), CALLER)
    assert operation.done == (when == "done")
    assert json.dumps(operation.metadata).endswith('"name": "j"}')
    same = idempotency.key_of(CALLER, "run.Jobs.CreateJob", "p", Job(name="j"))
    assert await store.read(lambda tx: idempotency.find(tx, same)) == NAME
    other = idempotency.key_of(CALLER, "run.Jobs.CreateJob", "p", Job(name="other"))
    with pytest.raises(Aborted):
        await store.read(lambda tx: idempotency.find(tx, other))
    await store.close()
