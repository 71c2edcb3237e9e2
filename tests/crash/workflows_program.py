"""The workflows box on a real store, told where to die: ``STATE POINT VISIT``.

It deploys one workflow and runs one execution (the same one, by its key, in every life), waits for its end and prints
what it saw. The cloud that the workflow calls is a folder: one file for each idempotency key, made once for ever.
"""

import asyncio
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from jubako.boxes.jobs.methods import JOBS
from jubako.boxes.workflows.connectors import connectors
from jubako.boxes.workflows.engine import WorkflowsEngine
from jubako.boxes.workflows.execution_handlers import Executions
from jubako.boxes.workflows.handlers import Workflows
from jubako.boxes.workflows.instant import Instant
from jubako.boxes.workflows.parts import Parts, Programs
from jubako.boxes.workflows.performer import Performer, Services
from jubako.boxes.workflows.resources import (
    CreateExecutionRequest,
    CreateWorkflowRequest,
    Execution,
    GetExecutionRequest,
    Workflow,
)
from jubako.core.errors import AlreadyExists
from jubako.core.events import NoEvents
from jubako.core.faults import Faults
from jubako.runtime.system import SystemClock
from jubako.store.migrations import load
from jubako.store.sqlite import SqliteStore
from jubako.store.timers import Timers
from jubako.testing.faults import DieAt, Recorder
from jubako.testing.ids import SeededIds
from jubako.wire.egress import Call
from jubako.wire.http import HttpResponse
from jubako.wire.method import Api, Caller

PARENT = "projects/p/locations/l"
CALLER = Caller(principal="user:local", idempotency_key="the-one")
SOURCE = """
main:
  steps:
    - begin: {assign: [{sum: 0}, {stamp: "${uuid.generate()}"}]}
    - both:
        parallel:
          shared: [sum]
          branches:
            - jobs_branch:
                steps:
                  - each:
                      for:
                        value: n
                        range: [1, 3]
                        steps:
                          - run_one:
                              call: googleapis.run.v2.projects.locations.jobs.run
                              args: {name: "${\\"projects/p/locations/l/jobs/j\\" + string(n)}"}
                              result: done
                          - add: {assign: [{sum: "${sum + done.taskCount}"}]}
            - sleepy_branch:
                steps:
                  - nap: {call: sys.sleep, args: {seconds: 0.05}}
                  - note: {call: sys.log, args: {text: awake}}
                  - more: {assign: [{sum: "${sum + 100}"}]}
    - same: {switch: [{condition: "${len(stamp) == 36}", return: "${sum}"}]}
"""


class FolderCloud:
    """Starts what it is asked for once for each key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)

    async def send(self, call: Call, caller: Caller) -> HttpResponse:
        assert call.url.endswith(":run"), call.url
        assert caller.idempotency_key is not None
        file = self._folder / caller.idempotency_key.replace("/", "~")
        with suppress(FileExistsError):
            os.close(os.open(file, os.O_CREAT | os.O_EXCL))
        told = {"name": f"{PARENT}/operations/o", "done": True, "response": {"@type": "x", "taskCount": 7}}
        return HttpResponse(
            status=200, headers={"content-type": "application/json"}, body=json.dumps(told).encode()
        )


async def live(state: Path, faults: Faults) -> Execution:
    """Do it all, or as much as is left to do, and return the ended execution."""
    clock, ids = SystemClock(), SeededIds(os.getpid())
    rooms = load("jubako.store", "jubako.telemetry", "jubako.wire", "jubako.boxes.workflows")
    store = SqliteStore(state / "state.db", clock, rooms, faults)
    known = connectors(
        [Api(name="run", version="v2", hosts=("run.googleapis.com",), methods=JOBS, handlers={})]
    )
    parts = Parts(
        store=store,
        clock=clock,
        events=NoEvents(),
        faults=faults,
        programs=Programs(),
        instant=Instant(clock, ids, NoEvents()),
        performer=Performer(
            FolderCloud(state / "cloud"), known, clock, Services(store=store, base_url="http://here")
        ),
    )
    engine = WorkflowsEngine(parts)
    timers = Timers(store, clock, engine.timer_handlers(), NoEvents(), faults)
    loops = [
        asyncio.create_task(engine.run()),
        asyncio.create_task(engine.poller.run()),
        asyncio.create_task(timers.run()),
    ]
    try:
        workflow = CreateWorkflowRequest(
            parent=PARENT, workflow_id="w", workflow=Workflow(source_contents=SOURCE)
        )
        with suppress(AlreadyExists):
            await Workflows(store, ids, frozenset(known)).create(workflow, Caller(principal="user:local"))
        executions = Executions(store, ids)
        begun = await executions.create(CreateExecutionRequest(parent=f"{PARENT}/workflows/w"), CALLER)
        with store.watch("workflows") as watch:
            while True:
                found = await executions.get(GetExecutionRequest(name=begun.name), CALLER)
                if found.state is not Execution.State.ACTIVE:
                    return found
                await watch.wait()
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await store.close()


async def main(state: Path, point: str, visit: int) -> None:
    """Live once."""
    faults: Any = DieAt(point, visit) if point else Recorder()
    execution = await live(state, faults)
    seen = {
        "name": execution.name,
        "state": execution.state.name,
        "result": execution.result,
        "points": dict(faults.visits) if isinstance(faults, Recorder) else {},
    }
    sys.stdout.write(json.dumps(seen) + "\n")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
