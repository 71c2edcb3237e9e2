"""One life of the workflows box over a state directory, told after which journal entry to die.

``STATE PROGRAM WHEN ENTRY``: runs the program of the corpus (the same execution in every life, by its key) until it has
ended, and prints what came of it. WHEN is ``after`` (the commit that holds the entry is durable, and nothing later
happens), ``before`` (that commit never happens, all before it did) or ``never``.

The world outside is a folder: an effect is done once for each key and answered the same for ever, and effects.log says
in what order they were first seen. Time is a clock that jumps to whatever is waited for.
"""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from jubako.boxes.jobs.methods import JOBS
from jubako.boxes.workflows import callback_rows
from jubako.boxes.workflows.connectors import connectors
from jubako.boxes.workflows.engine import WorkflowsEngine
from jubako.boxes.workflows.execution_handlers import Executions
from jubako.boxes.workflows.handlers import Workflows
from jubako.boxes.workflows.instant import Instant
from jubako.boxes.workflows.methods import EXECUTIONS
from jubako.boxes.workflows.parts import HOLD_S, Parts, Programs
from jubako.boxes.workflows.performer import Performer, Services
from jubako.boxes.workflows.resources import (
    CancelExecutionRequest,
    CreateExecutionRequest,
    CreateWorkflowRequest,
    Execution,
    GetExecutionRequest,
    Workflow,
)
from jubako.core.errors import AlreadyExists, FailedPrecondition, ResourceExhausted
from jubako.core.events import NoEvents
from jubako.core.faults import NoFaults
from jubako.store.migrations import load
from jubako.store.outbox import Outbox
from jubako.store.port import Tx
from jubako.store.sqlite import SqliteStore
from jubako.store.timers import Timers
from jubako.testing.access import Everybody
from jubako.testing.clock import FakeClock
from jubako.testing.ids import SeededIds
from jubako.wire.egress import Call
from jubako.wire.http import HttpRequest, HttpResponse
from jubako.wire.method import Api, Caller
from jubako.wire.rest import Router

CORPUS = Path(__file__).with_name("workflow_corpus")
PARENT = "projects/p/locations/l"
LOCAL = Caller(principal="user:local")
KEYED = Caller(principal="user:local", idempotency_key="the-one")
JSON = {"content-type": "application/json"}
RUN_API = Api(name="run", version="v2", hosts=("run.googleapis.com",), methods=JOBS, handlers={})
LIFE_S = 30


class Death:
    """See Faults; ``die`` when the journal holds (``after``) or is about to hold (``before``) so many entries."""

    def __init__(self, when: str, entry: int, die: Callable[[], None]) -> None:
        self._point = f"store.commit.{when}"
        self._entry = entry
        self._die = die
        self.connection: sqlite3.Connection | None = None

    def point(self, name: str) -> None:
        """See Faults; called on the writer's thread."""
        if name != self._point or self.connection is None:
            return
        (entries,) = self.connection.execute("SELECT COUNT(*) FROM workflow_journal").fetchone()
        if entries >= self._entry:
            self._die()


class MortalStore(SqliteStore):
    """A store that, once dead, does nothing and answers nobody: whoever asked it is left as a kill leaves it."""

    def __init__(self, path: Path, clock: FakeClock, death: Death) -> None:
        rooms = load("jubako.store", "jubako.telemetry", "jubako.wire", "jubako.boxes.workflows")
        super().__init__(path, clock, rooms, death)
        death.connection = self._connection
        self.is_dead = False
        self.died = asyncio.Event()

    def die(self) -> None:
        """Take back the transaction that is open, if one is, and fall silent."""
        self.is_dead = True
        raise sqlite3.OperationalError("dead")

    def _run_group(self, calls: list[Any]) -> dict[str, object]:
        return {} if self.is_dead else super()._run_group(calls)

    def _answer(self, calls: list[Any], topics: Mapping[str, object]) -> None:
        if self.is_dead:
            calls[0].future.get_loop().call_soon_threadsafe(self.died.set)
        else:
            super()._answer(calls, topics)


class World:
    """See the module."""

    def __init__(self, folder: Path, store: SqliteStore) -> None:
        self._folder = folder
        self._store = store
        self._looked: set[str] = set()
        self.router: Router | None = None
        folder.mkdir(exist_ok=True)

    async def send(self, call: Call, caller: Caller) -> HttpResponse:
        """Answer a request of the workflow."""
        url = call.url.removeprefix("https://")
        host, _, path = url.partition("/")
        if host == "workflowexecutions.googleapis.com":
            assert self.router is not None
            request = HttpRequest(
                method=call.method, path=f"/{path}", query="", headers=call.headers, body=call.body
            )
            return await self.router.handle(request, caller)
        if host == "run.googleapis.com":
            return self._run(call, path, caller)
        if call.method == "GET":
            return _answer(200, int(path.rpartition("/")[2]))
        return self._effect(call.headers["idempotency-key"], call, path)

    def effects(self) -> list[str]:
        """Return what was done, in order."""
        log = self._folder / "effects.log"
        return log.read_text("utf-8").splitlines() if log.exists() else []

    def note_once(self, line: str) -> None:
        """Record an effect if it is new."""
        if line not in self.effects():
            with (self._folder / "effects.log").open("a", encoding="utf-8") as log:
                log.write(line + "\n")

    def _effect(self, key: str, call: Call, path: str) -> HttpResponse:
        self.note_once(f"{_name(key)} {path} {call.body.decode()}")
        kind, _, rest = path.partition("/")
        if kind == "fail":
            return _answer(int(rest), {"error": rest})
        if kind == "flaky":
            keys = [line.partition(" ")[0] for line in self.effects() if f" {path} " in line]
            if keys.index(_name(key)) < int(rest):
                return _answer(503, None)
        return _answer(200, {"echo": json.loads(call.body)})

    def _run(self, call: Call, path: str, caller: Caller) -> HttpResponse:
        if path.endswith(":run"):
            assert caller.idempotency_key is not None
            self.note_once(f"{_name(caller.idempotency_key)} {path}")
            return _operation(path.rpartition("/")[2].removesuffix(":run"), done=False)
        job = path.rpartition("/")[2]
        if call.method == "POST":  # :cancel
            self.note_once(path)
            return _answer(200, {})
        is_done = job in self._looked and job != "endless"
        self._looked.add(job)
        return _operation(job, done=is_done)


class Life:
    """The box, running."""

    def __init__(self, state: Path, store: MortalStore, clock: FakeClock, hold_s: float) -> None:
        self.store, self.clock = store, clock
        ids = SeededIds(len(list(state.iterdir())) * 1000 + os.getpid())
        self.world = World(state / "world", store)
        self.executions = Executions(store, ids)
        api = Api(
            name="workflowexecutions",
            version="v1",
            hosts=("workflowexecutions.googleapis.com",),
            methods=EXECUTIONS,
            handlers=self.executions.handlers(),
        )
        known = connectors([RUN_API, api])
        self.world.router = Router([api], Everybody(), NoEvents())
        self.workflows = Workflows(store, ids, frozenset(known))
        parts = Parts(
            store=store,
            clock=clock,
            events=NoEvents(),
            faults=NoFaults(),
            programs=Programs(),
            instant=Instant(clock, ids, NoEvents()),
            performer=Performer(self.world, known, clock, Services(store=store, base_url="http://here")),
            hold_s=hold_s,
        )
        engine = WorkflowsEngine(parts)
        self.services: list[Any] = [
            engine,
            engine.poller,
            Timers(store, clock, engine.timer_handlers(), NoEvents(), NoFaults()),
            Outbox(store, clock, engine.deliveries(), NoEvents()),
        ]

    async def until_ended(self, program: str) -> Execution:
        """Begin the execution, or find it, and do for it what people and time would do, until all is at rest."""
        for name in {program, "sequence"}:
            source = (CORPUS / f"{name}.yaml").read_text("utf-8")
            request = CreateWorkflowRequest(
                parent=PARENT, workflow_id=name, workflow=Workflow(source_contents=source)
            )
            with suppress(AlreadyExists):
                await self.workflows.create(request, LOCAL)
        begun = await self.executions.create(
            CreateExecutionRequest(parent=f"{PARENT}/workflows/{program}"), KEYED
        )
        while await self.store.read(_is_busy):
            await self._a_moment(begun.name)
        return await self.executions.get(GetExecutionRequest(name=begun.name), LOCAL)

    async def _a_moment(self, name: str) -> None:
        for _ in range(4):  # what is under way gets on before time does
            await self.store.read(_is_busy)
        await self._answer_callbacks()
        if any("cancel-me" in effect for effect in self.world.effects()):
            with suppress(FailedPrecondition):
                await self.executions.cancel(CancelExecutionRequest(name=name), LOCAL)
        if self.clock.deadlines:
            await self.clock.advance(self.clock.deadlines[0] - self.clock.now())

    async def _answer_callbacks(self) -> None:
        value = callback_rows.request_outcome({"http_request": {"body": {"answer": 42}}})

        def answer(tx: Tx) -> None:
            waiting = tx.all(
                "SELECT execution, callback FROM workflow_callbacks WHERE method = 'POST' AND payload IS NULL"
            )
            for execution, callback in waiting:
                with suppress(ResourceExhausted):
                    callback_rows.receive(tx, execution, callback, value)

        await self.store.write(answer)


@asynccontextmanager
async def life(
    state: Path, when: str, entry: int, die: Callable[[], None] | None, hold_s: float = HOLD_S
) -> AsyncIterator[Life]:
    """Live, until the block ends or until death; ``die`` None: the store falls silent."""
    clock = FakeClock()

    def end() -> None:
        (die or store.die)()

    store = MortalStore(state / "state.db", clock, Death(when, entry, end))
    one = Life(state, store, clock, hold_s)
    loops = [asyncio.create_task(service.run()) for service in one.services]
    try:
        yield one
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await store.close()


async def live(
    state: Path, program: str, when: str, entry: int, hold_s: float = HOLD_S
) -> dict[str, Any] | None:
    """Live once in this process; return what came of the execution, or None after death."""
    async with life(state, when, entry, None, hold_s) as one, asyncio.timeout(LIFE_S):
        ending = asyncio.ensure_future(one.until_ended(program))
        dying = asyncio.ensure_future(one.store.died.wait())
        await asyncio.wait((ending, dying), return_when=asyncio.FIRST_COMPLETED)
        for task in (ending, dying):
            if not task.done():
                task.cancel()
        return None if one.store.is_dead else _seen(one, await ending)


def _seen(one: Life, execution: Execution) -> dict[str, Any]:
    (entries,) = one.store._connection.execute("SELECT COUNT(*) FROM workflow_journal").fetchone()
    error = execution.error
    return {
        "state": execution.state.name,
        "result": json.loads(execution.result or "null"),
        "error": None if error is None else [error.payload, error.context],
        "effects": one.world.effects(),
        "entries": entries,
    }


def _is_busy(tx: Tx) -> bool:
    """Return whether something is still to happen."""
    open_executions = tx.one(
        "SELECT 1 FROM workflow_executions WHERE state IN ('ACTIVE', 'QUEUED') OR needs_engine = 1"
    )
    return open_executions is not None or tx.one("SELECT 1 FROM outbox") is not None


def _name(key: str) -> str:
    """Return the effect's part of a key: the execution's id is another one in every state directory."""
    return key.partition("/")[2]


def _answer(status: int, body: object) -> HttpResponse:
    return HttpResponse(status=status, headers=JSON, body=json.dumps(body).encode())


def _operation(job: str, *, done: bool) -> HttpResponse:
    told: dict[str, Any] = {"name": f"{PARENT}/operations/{job}", "done": done}
    told["metadata"] = {"name": f"{PARENT}/jobs/{job}/executions/e"}
    if done:
        told["response"] = {"@type": "x", "taskCount": 7}
    return _answer(200, told)


async def main(state: Path, program: str, when: str, entry: int) -> None:
    """Live once, to be killed for good."""
    async with (
        life(state, when, entry, lambda: os.kill(os.getpid(), signal.SIGKILL)) as one,
        asyncio.timeout(LIFE_S),
    ):
        sys.stdout.write(json.dumps(_seen(one, await one.until_ended(program))) + "\n")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])))
