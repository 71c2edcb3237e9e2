"""The jobs box on a real store and real processes, told where to die: ``STATE POINT VISIT run|cancel``.

It creates and runs one job (the same one, by its key, in every life), waits for its end and prints what it saw.
"""

import asyncio
import json
import os
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from jubako.boxes.jobs.engine import JobsEngine
from jubako.boxes.jobs.execution_handlers import ExecutionHandlers
from jubako.boxes.jobs.handlers import HandlerPorts, JobHandlers
from jubako.boxes.jobs.launch import LaunchSettings
from jubako.boxes.jobs.operations import ExecutionOperations
from jubako.boxes.jobs.resources import (
    CancelExecutionRequest,
    CreateJobRequest,
    Execution,
    ExecutionTemplate,
    GetExecutionRequest,
    Job,
    RunJobRequest,
    TaskTemplate,
)
from jubako.core.errors import AlreadyExists
from jubako.core.events import NoEvents
from jubako.core.faults import Faults
from jubako.identity.secrets import SecretStore
from jubako.runtime.process import ProcessRuntime
from jubako.runtime.system import SystemClock
from jubako.server.attempts import AttemptStream
from jubako.store.migrations import load
from jubako.store.sqlite import SqliteStore
from jubako.telemetry.outputs import Outputs
from jubako.testing.faults import DieAt, Recorder
from jubako.testing.ids import SeededIds
from jubako.wire.method import Caller
from jubako.wire.run_types import Container

TASKS = 12
PARENT = "projects/p/locations/l"
CALLER = Caller(principal="user:local", idempotency_key="the-one")
COMMANDS = {
    "run": 'echo "$CLOUD_RUN_TASK_INDEX $CLOUD_RUN_TASK_ATTEMPT $$" >> "$EFFECTS"',
    "cancel": 'echo "$CLOUD_RUN_TASK_INDEX $CLOUD_RUN_TASK_ATTEMPT $$" >> "$EFFECTS"; sleep 600',
}


class Program:
    """One life."""

    def __init__(self, state: Path, action: str, faults: Faults) -> None:
        self.action = action
        self.clock = SystemClock()
        packages = ("jubako.store", "jubako.wire", "jubako.boxes.jobs")
        self.store = SqliteStore(state / "state.db", self.clock, load(*packages), faults)
        self.runtime = ProcessRuntime(state, NoEvents(), idle_s=5, tree_kill_max="subreaper")
        self.operations = ExecutionOperations("http://127.0.0.1:1", self.runtime.capabilities)
        vault = SecretStore(state / "secrets")
        settings = LaunchSettings(
            vault=vault,
            slots=2,
            output_root=str(state / "output"),
            environment={"PATH": "/usr/bin:/bin", "EFFECTS": str(state / "effects")},
            grace=timedelta(seconds=1),
        )
        self.engine = JobsEngine(
            self.store, self.runtime, settings, self.operations.finish, NoEvents(), faults
        )
        self.stream = AttemptStream(self.store, self.runtime, self.clock, {"jobs": self.engine}, NoEvents())
        ports = HandlerPorts(
            store=self.store,
            # Other ids in every life: what the first life got must come from its rows.
            ids=SeededIds(os.getpid()),
            outputs=Outputs(state / "output"),
            faults=faults,
            settings=settings,
            capabilities=self.runtime.capabilities,
            base_url="http://127.0.0.1:1",
        )
        self.jobs, self.executions = JobHandlers(ports), ExecutionHandlers(ports)

    async def live(self) -> Execution:
        """Do it all, or as much as is left to do, and return the ended execution."""
        await self.stream.connect()
        loops = [asyncio.create_task(self.engine.run()), asyncio.create_task(self.stream.run())]
        try:
            operation = await self._start()
            metadata: dict[str, Any] = operation.metadata or {}
            if self.action == "cancel":
                await self._until(lambda execution: execution.running_count >= 2, metadata["name"])
                await self.executions.cancel_execution(CancelExecutionRequest(name=metadata["name"]), CALLER)
            return await self._until(
                lambda execution: execution.completion_time is not None, metadata["name"]
            )
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
            await self.runtime.close(end_attempts=True)
            await self.store.close()

    async def _start(self) -> Any:
        template = TaskTemplate(
            containers=[Container(command=["/bin/sh", "-c", COMMANDS[self.action]])], max_retries=0
        )
        job = Job(template=ExecutionTemplate(task_count=TASKS, parallelism=2, template=template))
        with suppress(AlreadyExists):
            await self.jobs.create_job(
                CreateJobRequest(parent=PARENT, job_id="j", job=job), Caller(principal="user:local")
            )
        return await self.jobs.run_job(RunJobRequest(name=f"{PARENT}/jobs/j"), CALLER)

    async def _until(self, condition: Any, name: str) -> Execution:
        request = GetExecutionRequest(name=name)
        with self.store.watch("jobs") as watch:
            while True:
                execution = await self.executions.get_execution(request, CALLER)
                if condition(execution) or execution.completion_time:
                    return execution
                await watch.wait_until(self.clock, self.clock.now() + timedelta(milliseconds=50))


async def main(state: Path, point: str, visit: int, action: str) -> None:
    """Live once."""
    faults: Any = DieAt(point, visit) if point else Recorder()
    execution = await Program(state, action, faults).live()
    seen = {
        "name": execution.name,
        "counts": [execution.succeeded_count, execution.failed_count, execution.cancelled_count],
        "points": dict(faults.visits) if isinstance(faults, Recorder) else {},
    }
    sys.stdout.write(json.dumps(seen) + "\n")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]))
