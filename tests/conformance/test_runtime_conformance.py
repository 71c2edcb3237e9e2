"""What every Runtime must do; a new adapter joins with one line in ``RUNTIMES``."""

import asyncio
import shlex
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from jubako.core.errors import Unavailable
from jubako.core.events import NoEvents
from jubako.runtime.port import AttemptEvent, AttemptSpec, Ended, Reason, Runtime, Started
from jubako.runtime.process import ProcessRuntime
from jubako.testing.attempts import CollectedAttempts
from jubako.testing.clock import FakeClock
from jubako.testing.runtime import FakeRuntime

TRUE = ("/bin/true",)
FOREVER = ("/bin/sleep", "3600")
MIB = 1 << 20
PYTHON = (sys.executable, "-I", "-S", "-c")
HOG = (*PYTHON, "held = b'x' * (192 << 20)")
"""Takes more memory than it will be allowed, and ends well if it gets it."""
CROWD_TEXT = """
import os, signal, sys
try:
    children = [os.fork() or signal.pause() for _ in range(8)]
except BlockingIOError:
    sys.exit(11)
"""
CROWD = (*PYTHON, CROWD_TEXT)
"""Starts more processes than it will be allowed, and says so if it cannot."""
BURN_TEXT = """
import time
end = time.monotonic() + 1
while time.monotonic() < end: pass
print(time.process_time())
"""
BURN = (*PYTHON, BURN_TEXT)
PRELOADING_TEXT = """
import json, signal, sys
if sys.argv[1:]:
    signal.pause()
sys.exit(5)
"""
PRELOADING = (sys.executable, "preloading.py")
pytestmark = pytest.mark.timeout(30)


def shell(script: str) -> tuple[str, ...]:
    return ("/bin/sh", "-c", script)


def pretend(spec: AttemptSpec) -> Ended | None:
    """What the commands of this file do, for the runtime that starts none."""
    outcomes = {
        "/bin/true": (Reason.EXITED, 0, None),
        "/bin/sh -c 'exit 7'": (Reason.EXITED, 7, None),
        "/bin/sh -c 'kill -9 $$'": (Reason.EXITED, None, 9),
        "/no/such/command": (Reason.NOT_STARTED, None, None),
        shlex.join(HOG): (Reason.EXITED, 0, None),
        shlex.join(CROWD): (Reason.EXITED, 0, None),
        shlex.join(BURN): (Reason.EXITED, 0, None),
        shlex.join(PRELOADING): (Reason.EXITED, 5, None),
    }
    if (found := outcomes.get(shlex.join(spec.argv))) is None:
        return None
    reason, exit_code, term_signal = found
    detail = "no such file" if reason is Reason.NOT_STARTED else ""
    time = datetime.now(UTC)
    return Ended(
        id=spec.id, time=time, reason=reason, exit_code=exit_code, term_signal=term_signal, detail=detail
    )


def process(state_dir: Path) -> Callable[[], Runtime]:
    return lambda: ProcessRuntime(state_dir, NoEvents())


def fake(_: Path) -> Callable[[], Runtime]:
    runtime = FakeRuntime(FakeClock(), pretend)
    return lambda: runtime


def pid_namespace(state_dir: Path) -> Callable[[], Runtime]:
    return lambda: ProcessRuntime(state_dir, NoEvents(), tree_kill_max="pid-namespace")


def subreaper(state_dir: Path) -> Callable[[], Runtime]:
    return lambda: ProcessRuntime(state_dir, NoEvents(), tree_kill_max="subreaper")


def process_group(state_dir: Path) -> Callable[[], Runtime]:
    return lambda: ProcessRuntime(state_dir, NoEvents(), tree_kill_max="process-group")


RUNTIMES = {
    "process": process,
    "pid_namespace": pid_namespace,
    "subreaper": subreaper,
    "process_group": process_group,
    "fake": fake,
}


class Bench:
    """A runtime at work: ``make`` gives what a new server process would have."""

    def __init__(self, make: Callable[[], Runtime], state_dir: Path) -> None:
        self.make = make
        self.state_dir = state_dir
        self.runtime = make()
        self.seen = CollectedAttempts()

    def spec(
        self, attempt_id: str, argv: tuple[str, ...] = TRUE, *, group: str = "g", parallelism: int = 8
    ) -> AttemptSpec:
        return AttemptSpec(
            id=attempt_id,
            group=group,
            parallelism=parallelism,
            argv=argv,
            env={"PATH": "/usr/bin:/bin"},
            output=str(self.state_dir / "output" / attempt_id),
            grace=timedelta(seconds=5),
        )

    def enforces(self, limit: str) -> bool:
        return limit in self.runtime.capabilities().enforced

    async def submit(self, *specs: AttemptSpec) -> None:
        await self.runtime.submit(specs)

    async def restart(self, *, end_attempts: bool = False) -> None:
        """Leave, and connect as the next server does."""
        await self.runtime.close(end_attempts=end_attempts)
        self.runtime = self.make()
        await self.runtime.start(self.seen.position, self.seen)


@pytest.fixture(params=RUNTIMES, ids=str)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(RUNTIMES[cast("str", request.param)](tmp_path), tmp_path)
    await made.runtime.start("", made.seen)
    yield made
    await made.restart()  # the test may have left it without a connection
    await made.runtime.close(end_attempts=True)


async def test_an_exit_code_is_told(bench: Bench) -> None:
    await bench.submit(bench.spec("t/ok"), bench.spec("t/bad", shell("exit 7")))
    ok, bad = await bench.seen.ended("t/ok"), await bench.seen.ended("t/bad")
    assert (ok.reason, ok.exit_code, ok.term_signal) == (Reason.EXITED, 0, None)
    assert (bad.reason, bad.exit_code, bad.term_signal) == (Reason.EXITED, 7, None)


async def test_a_signal_is_told_apart_from_an_exit_code(bench: Bench) -> None:
    await bench.submit(bench.spec("t/0", shell("kill -9 $$")))
    ended = await bench.seen.ended("t/0")
    assert (ended.reason, ended.exit_code, ended.term_signal) == (Reason.EXITED, None, 9)


async def test_a_command_that_does_not_exist_is_not_started_and_says_why(bench: Bench) -> None:
    await bench.submit(bench.spec("t/0", ("/no/such/command",)))
    ended = await bench.seen.ended("t/0")
    assert (ended.reason, ended.exit_code, ended.term_signal) == (Reason.NOT_STARTED, None, None)
    assert "no such file" in ended.detail.lower()
    assert "t/0" not in bench.seen.starts


async def test_a_start_is_told_before_its_end_with_pid_and_time(bench: Bench) -> None:
    await bench.submit(*(bench.spec(f"t/{index}") for index in range(20)))
    await bench.seen.ended_count(20)
    for attempt_id, end in bench.seen.ends.items():
        start = bench.seen.starts[attempt_id]
        assert bench.seen.events.index(start) < bench.seen.events.index(end)
        assert start.pid > 0
        assert start.time.tzinfo is not None
        assert start.time <= end.time


async def test_the_same_id_submitted_again_starts_once(bench: Bench) -> None:
    waiting = [bench.spec(f"t/{index}", FOREVER, parallelism=1) for index in range(2)]
    await bench.submit(bench.spec("t/done"))
    await bench.seen.ended("t/done")
    await bench.submit(*waiting, *waiting)
    await bench.submit(*waiting, bench.spec("t/done"), bench.spec("t/last", group="other"))
    await bench.seen.ended("t/last")
    await bench.runtime.cancel(["t/0", "t/1"])
    await bench.seen.ended_count(4)  # the collector refuses an event that comes twice
    assert list(bench.seen.starts) == ["t/done", "t/0", "t/last"]


async def test_attempts_of_a_group_start_in_order_and_never_more_than_its_parallelism(bench: Bench) -> None:
    specs = [bench.spec(f"a/{index}", group="a", parallelism=3) for index in range(40)]
    others = [bench.spec(f"b/{index}", group="b", parallelism=1) for index in range(10)]
    await bench.submit(*specs, *others)
    await bench.seen.ended_count(50)
    for group, limit in ((specs, 3), (others, 1)):
        ids = [spec.id for spec in group]
        assert [started for started in bench.seen.starts if started in ids] == ids
        assert 0 < bench.seen.live_max(set(ids)) <= limit


async def test_a_queued_attempt_is_revoked_at_once_and_never_starts(bench: Bench) -> None:
    await bench.submit(*(bench.spec(f"t/{index}", FOREVER, parallelism=1) for index in range(3)))
    await bench.seen.started("t/0")
    await bench.runtime.cancel(["t/1"])
    assert (await bench.seen.ended("t/1")).reason is Reason.CANCELLED
    assert "t/0" not in bench.seen.ends
    await bench.runtime.cancel(["t/0"])
    await bench.seen.started("t/2")  # the revoked one is passed over
    assert "t/1" not in bench.seen.starts


async def test_a_live_attempt_is_cancelled_once(bench: Bench) -> None:
    await bench.submit(bench.spec("t/0", FOREVER))
    await bench.seen.started("t/0")
    for _ in range(3):
        await bench.runtime.cancel(["t/0", "t/unknown"])
    ended = await bench.seen.ended("t/0")
    assert (ended.reason, ended.exit_code, ended.term_signal) == (Reason.CANCELLED, None, 15)


async def test_what_happens_while_nobody_is_connected_is_told_to_the_next_one(bench: Bench) -> None:
    await bench.submit(bench.spec("t/before"), bench.spec("t/live", FOREVER))
    await bench.seen.started("t/live")
    await bench.seen.ended("t/before")
    await bench.runtime.submit([bench.spec("t/after")])
    await bench.restart()
    await bench.seen.ended("t/after")
    assert "t/live" not in bench.seen.ends
    await bench.runtime.cancel(["t/live"])
    assert (await bench.seen.ended("t/live")).reason is Reason.CANCELLED


async def test_events_are_delivered_from_any_position_on(bench: Bench) -> None:
    await bench.submit(*(bench.spec(f"t/{index}", parallelism=1) for index in range(5)))
    await bench.seen.ended_count(5)
    for count in range(len(bench.seen.positions)):
        position = bench.seen.positions[count]
        again = CollectedAttempts()
        await bench.runtime.close(end_attempts=False)
        bench.runtime = bench.make()
        await bench.runtime.start(position, again)
        assert again.events == bench.seen.events[len(bench.seen.events) - len(again.events) :]
        assert bool(again.events) is (position != bench.seen.position)


async def test_only_ids_that_nobody_knows_are_lost(bench: Bench) -> None:
    await bench.submit(bench.spec("t/done"), bench.spec("t/live", FOREVER))
    await bench.seen.ended("t/done")
    await bench.runtime.reconcile(["t/done", "t/live", "t/unknown"])
    assert (await bench.seen.ended("t/unknown")).reason is Reason.LOST
    await bench.runtime.reconcile(["t/unknown"])  # told once
    await bench.runtime.cancel(["t/live"])
    await bench.seen.ended("t/live")
    assert set(bench.seen.ends) == {"t/done", "t/live", "t/unknown"}


async def test_attempts_ended_by_closing_are_told_as_lost_and_queued_ones_can_come_again(
    bench: Bench,
) -> None:
    specs = [bench.spec(f"t/{index}", FOREVER, parallelism=1) for index in range(2)]
    await bench.submit(*specs)
    await bench.seen.started("t/0")
    await bench.restart(end_attempts=True)
    assert (await bench.seen.ended("t/0")).reason is Reason.LOST
    await bench.submit(specs[1])
    await bench.seen.started("t/1")


async def test_without_a_connection_nothing_can_be_asked_and_closing_twice_is_fine(bench: Bench) -> None:
    await bench.runtime.close(end_attempts=False)
    await bench.runtime.close(end_attempts=False)
    await bench.runtime.wait_disconnected()
    with pytest.raises(Unavailable):
        await bench.submit(bench.spec("t/0"))
    with pytest.raises(Unavailable):
        await bench.runtime.cancel(["t/0"])
    with pytest.raises(Unavailable):
        await bench.runtime.reconcile(["t/0"])


async def test_what_the_sink_did_not_take_comes_again(bench: Bench) -> None:
    refused = asyncio.Event()

    async def refuse(events: Sequence[AttemptEvent], position: str) -> None:
        refused.set()
        raise Unavailable("the store is full")

    await bench.runtime.start("", refuse)
    await bench.submit(bench.spec("t/0"))
    await refused.wait()
    with pytest.raises(Unavailable, match="store is full"):
        await bench.runtime.wait_disconnected()
    with pytest.raises(Unavailable, match="store is full"):
        await bench.runtime.start("", refuse)
    await bench.runtime.start("", bench.seen)
    assert (await bench.seen.ended("t/0")).exit_code == 0


async def test_the_sink_may_ask_the_runtime_for_more(bench: Bench) -> None:
    done = asyncio.Event()

    async def chain(events: Sequence[AttemptEvent], position: str) -> None:
        for event in events:
            if isinstance(event, Ended) and event.id == "t/0":
                await bench.submit(bench.spec("t/1"))
            elif isinstance(event, Ended):
                done.set()

    await bench.runtime.start("", chain)
    await bench.submit(bench.spec("t/0"))
    await done.wait()


async def test_memory_is_limited_exactly_where_the_runtime_says_so(bench: Bench) -> None:
    await bench.submit(replace(bench.spec("t/0", HOG), memory_bytes=64 * MIB))
    ended = await bench.seen.ended("t/0")
    limited = (Reason.OUT_OF_MEMORY, None, 9)
    expected = limited if bench.enforces("memory") else (Reason.EXITED, 0, None)
    assert (ended.reason, ended.exit_code, ended.term_signal) == expected


async def test_the_number_of_processes_is_limited_exactly_where_the_runtime_says_so(bench: Bench) -> None:
    await bench.submit(replace(bench.spec("t/0", CROWD), pids_max=4))
    ended = await bench.seen.ended("t/0")
    assert (ended.reason, ended.exit_code) == (Reason.EXITED, 11 if bench.enforces("pids") else 0)


async def test_processor_time_is_limited_where_the_runtime_says_so(bench: Bench) -> None:
    await bench.submit(replace(bench.spec("t/0", BURN), cpus=0.25))
    assert (await bench.seen.ended("t/0")).exit_code == 0
    if bench.enforces("cpu"):
        assert float((bench.state_dir / "output/t/0/stdout").read_text()) < 0.6


async def test_limits_that_are_not_reached_change_nothing(bench: Bench) -> None:
    spec = replace(bench.spec("t/0", shell("exit 7")), memory_bytes=256 * MIB, cpus=1.0, pids_max=50)
    await bench.submit(spec)
    ended = await bench.seen.ended("t/0")
    assert (ended.reason, ended.exit_code) == (Reason.EXITED, 7)


async def test_an_attempt_that_preloads_runs_and_ends_like_any_other(bench: Bench) -> None:
    (bench.state_dir / "preloading.py").write_text(PRELOADING_TEXT)

    def spec(attempt_id: str, *arguments: str) -> AttemptSpec:
        made = bench.spec(attempt_id, (*PRELOADING, *arguments), parallelism=1)
        return replace(made, preload="json", cwd=str(bench.state_dir))

    await bench.submit(*(spec(f"t/{index}") for index in range(20)), spec("t/live", "wait"))
    await bench.seen.started("t/live")
    for index in range(20):
        ended = await bench.seen.ended(f"t/{index}")
        assert (ended.reason, ended.exit_code, ended.term_signal) == (Reason.EXITED, 5, None)
    await bench.runtime.cancel(["t/live"])
    assert (await bench.seen.ended("t/live")).reason is Reason.CANCELLED


async def test_a_thousand_attempts_end_each_exactly_once(bench: Bench) -> None:
    await bench.submit(*(bench.spec(f"t/{index}") for index in range(1_000)))
    await bench.seen.ended_count(1_000)
    assert {end.exit_code for end in bench.seen.ends.values()} == {0}
    assert len(bench.seen.events) == 2_000
    assert all(isinstance(event, Started | Ended) for event in bench.seen.events)
