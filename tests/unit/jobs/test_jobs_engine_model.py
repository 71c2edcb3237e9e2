"""The engine against a plain-Python model: random outcomes, losses, cancels and crashes at every fault point."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.unit.jobs.paper_runtime import PaperRuntime

from jubako.boxes.jobs import moves, rows, task_rows
from jubako.boxes.jobs.engine import JobsEngine
from jubako.boxes.jobs.launch import LaunchSettings
from jubako.boxes.jobs.rows import ExecutionKey, ExecutionRow, JobKey
from jubako.boxes.jobs.states import EXECUTION_FINAL, Counts, ExecutionState, TaskState
from jubako.core.events import NoEvents
from jubako.identity.secrets import SecretStore
from jubako.runtime.port import AttemptEvent, Ended, Reason
from jubako.store.migrations import load
from jubako.store.port import Tx
from jubako.store.sqlite import SqliteStore
from jubako.testing.clock import FakeClock

DOCUMENT = '{"template":{"containers":[{"command":["true"]}]}}'
SLOTS = 2
ENDS = [
    (Reason.EXITED, 0),
    (Reason.EXITED, 1),
    *((reason, None) for reason in (Reason.TIMEOUT, Reason.LOST, Reason.CANCELLED)),
]


class Died(Exception):
    """The process dies here: nothing after this point happens."""


class Deadly:
    """Dies at the named point, once."""

    def __init__(self) -> None:
        self.at = ""

    def point(self, name: str) -> None:
        if name == self.at:
            self.at = ""
            raise Died(name)


def _launch(row: ExecutionRow, tx: Tx) -> None:
    rows.insert_execution(tx, row)
    moves.launch(tx, row, SLOTS)


class EngineModel(RuleBasedStateMachine):
    """What happened to every attempt is written down in plain Python and compared with the rows."""

    @initialize()
    def set_up(self) -> None:
        self.runner = asyncio.Runner()
        self.store = self.runner.run(self._open())
        self.runtime = PaperRuntime()
        self.faults = Deadly()
        self.listening = ExitStack()
        self.finished: dict[str, int] = defaultdict(int)
        self.outcomes: dict[tuple[str, int], list[Ended]] = defaultdict(list)
        self.policy: dict[str, tuple[int, int]] = {}
        self.cancelled: set[str] = set()
        self.position = 0
        self.believed = 0
        self._restart()

    async def _open(self) -> SqliteStore:
        store = SqliteStore(None, FakeClock(), load("jubako.boxes.jobs"))
        await store.write(lambda tx: rows.insert_job(tx, JobKey("p", "l", "j"), "job-uid", "{}"))
        return store

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self._run_to_the_end()
            self._compare()
            self.runner.run(self.store.close())
            self.runner.close()

    def _restart(self) -> None:
        self._listen()
        self.runtime.is_deaf = False
        settings_ = LaunchSettings(slots=SLOTS, output_root="/out", vault=SecretStore(Path("/nowhere")))
        self.engine = JobsEngine(self.store, self.runtime, settings_, self._finish, NoEvents(), self.faults)
        self._deliver()
        self._run(self.engine.recover())
        self._deliver()

    def _finish(self, tx: Tx, execution: ExecutionRow) -> None:
        tx.run("UPDATE job_executions SET document = document || ' ' WHERE uid = ?", execution.uid)

    def _run(self, work: Any) -> None:
        self.runner.run(self._until_it_dies(work))

    async def _until_it_dies(self, work: Any) -> None:
        try:
            await work
        except Died:
            self.is_dead = True

    is_dead = False

    def _deliver(self) -> None:
        """The server's dispatcher: events and position in one transaction; it may die before the commit."""
        news = self.runtime.journal[self.position :]

        def fn(tx: Tx) -> None:
            self.engine.apply(tx, news)

        if news:
            try:
                self.runner.run(self.store.write(fn))
            except Died:
                self.is_dead = True
                return
            self._note(news)
            self.position += len(news)

    def _note(self, news: Sequence[AttemptEvent]) -> None:
        for event in news:
            if isinstance(event, Ended):
                _, uid, index, attempt = event.id.split("/")
                past = self.outcomes[uid, int(index)]
                if int(attempt) == len(past):
                    past.append(event)

    def _revive(self) -> None:
        if self.is_dead:
            self.is_dead = False
            self._restart()

    @precondition(lambda self: len(self.policy) < 3)
    @rule(tasks=st.integers(1, 6), parallelism=st.integers(0, 3), retries=st.integers(0, 2))
    def run_job(self, tasks: int, parallelism: int, retries: int) -> None:
        uid = f"uid{len(self.policy)}"
        row = ExecutionRow(
            key=ExecutionKey("p", "l", "j", f"j-{uid}"),
            uid=uid,
            generation=1,
            created_us=len(self.policy),
            updated_us=0,
            started_us=None,
            completed_us=None,
            state=ExecutionState.ACTIVE,
            task_count=tasks,
            parallelism=parallelism,
            retries_max=retries,
            counts=Counts(pending=tasks),
            failed_task=None,
            run_operation="o",
            cancel_operation="",
            document=DOCUMENT,
        )
        self.runner.run(self.store.write(partial(_launch, row)))
        self.policy[uid] = (tasks, retries)

    @rule(
        fault=st.sampled_from(
            ["", "", "jobs.claim.after_commit", "jobs.submit.after", "jobs.cancel.before_runtime"]
        ),
        news=st.sampled_from(["here", "here", "late", "lost"]),
    )
    def step(self, fault: str, news: str) -> None:
        self.faults.at = fault
        if news == "lost":  # the loop begins anew
            self._listen()
            self.engine._is_behind = True
        self._run(self._work() if news == "here" else self.engine.step())
        self.faults.at = ""
        self._revive()

    async def _work(self) -> None:
        await self.store.write(lambda tx: tx.wake(rows.TOPIC))
        await self.engine.work(await self.news.take())

    def _listen(self) -> None:
        self.listening.close()
        self.news = self.listening.enter_context(self.store.gather(rows.TOPIC))

    @rule()
    def start_some(self) -> None:
        self.runtime.start_next()

    @rule(data=st.data())
    def end_one(self, data: st.DataObject) -> None:
        if not self.runtime.live:
            return
        known = data.draw(st.sampled_from(sorted(self.runtime.live)))
        if known in self.runtime.told_to_end and data.draw(st.booleans()):
            self.runtime.end(known, Reason.CANCELLED)
            return
        reason, code = data.draw(st.sampled_from(ENDS))
        self.runtime.end(known, reason, code)

    @rule(fault=st.sampled_from(["", "", "jobs.apply.before_commit"]))
    def deliver(self, fault: str) -> None:
        self.faults.at = fault
        self._deliver()
        self.faults.at = ""
        self._revive()

    @rule()
    def deliver_old_news_again(self) -> None:
        old = self.runtime.journal[: self.position]
        self.runner.run(self.store.write(lambda tx: self.engine.apply(tx, old)))

    @rule(fault=st.sampled_from(["", "jobs.recover.before_submit"]))
    def crash_server(self, fault: str) -> None:
        self.faults.at = fault
        self._restart()
        self.faults.at = ""
        self._revive()

    @rule()
    def crash_supervisor(self) -> None:
        self.runtime.die()
        self.runtime.is_deaf = False
        self._deliver()
        self._run(self.engine.recover())

    @rule()
    def break_connection(self) -> None:
        self.runtime.is_deaf = True

    @rule()
    def reconnect(self) -> None:
        self.runtime.is_deaf = False
        self._deliver()
        self._run(self.engine.recover())

    @precondition(lambda self: self.policy)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self._cancel(data.draw(st.sampled_from(sorted(self.policy))))

    def _cancel(self, uid: str) -> None:
        def fn(tx: Tx) -> bool:
            row = rows.find_execution(tx, uid)
            assert row is not None
            if row.state is not ExecutionState.ACTIVE:
                return False
            moves.cancel(tx, row, "c", self._finish)
            return True

        if self.runner.run(self.store.write(fn)):
            self.cancelled.add(uid)

    @invariant()
    def promises_hold(self) -> None:
        if not hasattr(self, "runner"):
            return
        indexes = [known.rsplit("/", 1)[0] for known in self.runtime.live]
        assert len(indexes) == len(set(indexes)), "an index has two live attempts"
        found = self._read_all()
        for uid, (row, items) in found.items():
            self._check_counts(row, items, *self.policy[uid])
        for known in [*self.runtime.live, *self.runtime.queued]:
            _, uid, index, attempt = known.split("/")
            item = found[uid][1][int(index)]
            assert item.state in {TaskState.QUEUED, TaskState.RUNNING}, "what may run has no claim"
            assert item.attempt == int(attempt)

    def _check_counts(self, row: ExecutionRow, items: list[Any], tasks: int, retries: int) -> None:
        found = [item.state for item in items]
        assert row.counts.total == tasks == len(items)
        for state in TaskState:
            assert getattr(row.counts, state) == found.count(state), (state, row.counts)
        assert row.counts.retried == sum(item.retries > 0 for item in items)
        assert (row.state in EXECUTION_FINAL) == row.counts.are_final
        assert all(item.retries <= retries for item in items)
        # _finish appends one blank: once for a final execution, never before.
        assert len(row.document) - len(DOCUMENT) == (row.state in EXECUTION_FINAL)

    def _read_all(self) -> dict[str, tuple[ExecutionRow, list[Any]]]:
        def fn(tx: Tx) -> dict[str, tuple[ExecutionRow, list[Any]]]:
            found = {}
            for uid in self.policy:
                row = rows.find_execution(tx, uid)
                assert row is not None
                found[uid] = row, task_rows.list_tasks(tx, uid, 0, 100)
            return found

        return self.runner.run(self.store.read(fn))

    def _run_to_the_end(self) -> None:
        self.reconnect()
        # A cancel that was accepted reaches every process, whatever broke in between.
        for known in self.runtime.live:
            assert known.split("/")[1] not in self.cancelled or known in self.runtime.told_to_end
        for _ in range(200):
            self._run(self._work())
            self.runtime.start_next()
            for known in list(self.runtime.live):
                is_told = known in self.runtime.told_to_end
                self.runtime.end(known, Reason.CANCELLED if is_told else Reason.EXITED, 0)
            self._deliver()
            if all(row.state in EXECUTION_FINAL for row, _ in self._read_all().values()):
                return
        raise AssertionError("an execution does not end")

    def _compare(self) -> None:
        """What the model makes of the recorded outcomes is what the rows say."""
        found = self._read_all()
        for uid, (tasks, retries) in self.policy.items():
            row, items = found[uid]
            expected = [self._expected(self.outcomes[uid, index], retries) for index in range(tasks)]
            got = ["cancelled" if item.state is TaskState.CANCELLED else item.state.value for item in items]
            if uid not in self.cancelled:
                assert got == expected
            else:
                # A cancel may come at any time: what ended before it, or in spite of it, keeps its result.
                assert all(one in {other, "cancelled"} for one, other in zip(got, expected, strict=True))
            verdict = "cancelled" if "cancelled" in got else "failed" if "failed" in got else "succeeded"
            assert row.state == verdict
            assert row.completed_us is not None

    @staticmethod
    def _expected(outcomes: list[Ended], retries: int) -> str:
        failures = 0
        for outcome in outcomes:
            if outcome.reason is Reason.EXITED and outcome.exit_code == 0:
                return "succeeded"
            if outcome.reason not in {Reason.LOST, Reason.CANCELLED}:
                failures += 1
                if failures > retries:
                    return "failed"
        return "cancelled"


def hold(examples: int, steps: int) -> None:
    plan = settings(max_examples=examples, stateful_step_count=steps, deadline=None)
    run_state_machine_as_test(EngineModel, settings=settings(plan, suppress_health_check=list(HealthCheck)))


def test_the_engine_agrees_with_a_model_whatever_dies_and_when() -> None:
    hold(examples=20, steps=30)


def test_what_ended_before_the_news_of_its_launch_came_is_not_started() -> None:
    model = EngineModel()
    model.set_up()
    model.run_job(tasks=1, parallelism=0, retries=0)
    model._cancel("uid0")
    for _ in range(2):  # at the second time nothing of it is under way any more
        model.crash_supervisor()
    model.step(fault="", news="here")
    model.promises_hold()
    model.teardown()


@pytest.mark.nightly
@pytest.mark.timeout(3_600)
def test_the_engine_agrees_with_a_model_for_a_long_time() -> None:
    hold(examples=3_000, steps=80)
