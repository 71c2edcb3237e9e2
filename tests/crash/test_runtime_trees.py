"""Real process trees, ended by real signals: whatever a program does to hide, its attempt ends with all of it gone."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from jubako.core.events import NoEvents
from jubako.runtime.port import AttemptSpec, Ended, Reason
from jubako.runtime.process import ProcessRuntime
from jubako.runtime.supervisor import proc
from jubako.runtime.supervisor.address import mark
from jubako.testing.attempts import CollectedAttempts
from jubako.testing.processes import Fifo, gone, is_alive, seen_from_here

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who is whose child"),
]

FAMILY = """
import os, signal, sys
fifo, leader, *members = sys.argv[1:]
if "deaf" in members:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

def report(name):
    with open(fifo, "a") as out:
        out.write(f"{name} {os.getpid()}\\n")

def live(name):
    report(name)
    if name == "hidden":
        os.execve("/bin/sleep", ["sleep", "3600"], {})
    while True:
        signal.pause()

def child(name):
    if os.fork():
        return
    if name != "child":
        os.setsid()
    if name in ("orphan", "hidden") and os.fork():
        os._exit(0)
    live(name)

for member in members:
    if member != "deaf":
        child(member)
if leader == "stays":
    live("leader")
# Else it must not leave before its family lives.
sys.stdin = open(fifo + ".go")
sys.stdin.readline()
"""
ALL = ("child", "setsid", "orphan", "hidden")


class Bench:
    def __init__(self, folder: Path, tree_kill: str) -> None:
        self.folder = folder
        self.level = tree_kill
        self.fifo = Fifo(folder / "fifo")
        self.go = Fifo(folder / "fifo.go")
        self.runtime = ProcessRuntime(folder / "state", NoEvents(), tree_kill_max=tree_kill)
        self.seen = CollectedAttempts()

    def spec(self, attempt_id: str, argv: tuple[str, ...], **limits: timedelta | None) -> AttemptSpec:
        return AttemptSpec(
            id=attempt_id,
            group=attempt_id,
            parallelism=1,
            argv=argv,
            env={"PATH": "/usr/bin:/bin"},
            output=str(self.folder / "output" / attempt_id),
            timeout=limits.get("timeout"),
            grace=limits.get("grace") or timedelta(seconds=20),
        )

    def family(self, leader: str, *members: str) -> tuple[str, ...]:
        return (sys.executable, "-I", "-S", "-c", FAMILY, str(self.fifo.path), leader, *members)

    async def told(self, attempt_id: str, count: int) -> dict[str, int]:
        """Return the pids of ``count`` processes of an attempt, once they have told them."""
        pids = await self.fifo.pids(count)
        return seen_from_here(pids, (await self.seen.started(attempt_id)).pid)

    async def finish(self) -> None:
        await self.runtime.close(end_attempts=True)
        self.fifo.close()
        self.go.close()

    def marked(self, attempt_id: str) -> list[int]:
        # Also by the state directory: the same ids live elsewhere when tests run in parallel.
        own = {
            b"JUBAKO_ATTEMPT": attempt_id.encode(),
            b"JUBAKO_SUPERVISOR": mark(self.runtime._state_dir).encode(),
        }
        return [
            pid for pid in proc.processes() if own.items() <= proc.environment(pid).items() and is_alive(pid)
        ]


@pytest.fixture(params=["cgroup", "pid-namespace", "subreaper"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path, cast("str", request.param))
    await made.runtime.start("", made.seen)
    try:
        if made.runtime.capabilities().tree_kill != request.param:
            pytest.skip(made.runtime.capabilities().missing)
        yield made
    finally:
        await made.finish()


async def ended_with_all(bench: Bench, attempt_id: str, pids: dict[str, int]) -> Ended:
    ended = await bench.seen.ended(attempt_id)
    assert {name for name, pid in pids.items() if is_alive(pid)} == set()
    assert bench.marked(attempt_id) == []
    return ended


async def test_a_time_out_ends_every_process_of_the_tree(bench: Bench) -> None:
    spec = bench.spec("t/0", bench.family("stays", *ALL), timeout=timedelta(seconds=1))
    await bench.runtime.submit([spec])
    pids = await bench.told("t/0", 5)
    ended = await ended_with_all(bench, "t/0", pids)
    assert (ended.reason, ended.exit_code, ended.term_signal) == (Reason.TIMEOUT, None, 15)


async def test_processes_that_ignore_sigterm_are_killed_after_the_grace(bench: Bench) -> None:
    limits = {"timeout": timedelta(seconds=1), "grace": timedelta(seconds=0.5)}
    await bench.runtime.submit([bench.spec("t/0", bench.family("stays", "deaf", *ALL), **limits)])
    pids = await bench.told("t/0", 5)
    ended = await ended_with_all(bench, "t/0", pids)
    assert (ended.reason, ended.exit_code, ended.term_signal) == (Reason.TIMEOUT, None, 9)
    taken = ended.time - bench.seen.starts["t/0"].time
    assert timedelta(seconds=1.49) <= taken


async def test_a_cancel_ends_every_process_of_the_tree(bench: Bench) -> None:
    await bench.runtime.submit([bench.spec("t/0", bench.family("stays", *ALL))])
    pids = await bench.told("t/0", 5)
    await bench.runtime.cancel(["t/0"])
    ended = await ended_with_all(bench, "t/0", pids)
    assert (ended.reason, ended.term_signal) == (Reason.CANCELLED, 15)


async def test_what_a_program_leaves_behind_when_it_exits_is_ended_too(bench: Bench) -> None:
    await bench.runtime.submit([bench.spec("t/0", bench.family("leaves", *ALL))])
    pids = await bench.told("t/0", 4)
    bench.go.path.write_text("go\n")
    ended = await ended_with_all(bench, "t/0", pids)
    assert (ended.reason, ended.exit_code) == (Reason.EXITED, 0)


async def test_the_trees_of_others_are_left_alone(bench: Bench) -> None:
    await bench.runtime.submit([bench.spec("t/0", bench.family("stays", "child", "setsid", "orphan"))])
    others = await bench.told("t/0", 4)
    await bench.runtime.submit([bench.spec("t/1", bench.family("stays", *ALL))])
    pids = await bench.told("t/1", 5)
    await bench.runtime.cancel(["t/1"])
    await ended_with_all(bench, "t/1", pids)
    assert all(is_alive(pid) for pid in others.values())
    await bench.runtime.cancel(["t/0"])
    await ended_with_all(bench, "t/0", others)


async def test_a_child_keeps_its_grace_when_the_leader_dies_of_the_first_signal(bench: Bench) -> None:
    script = (
        "(trap 'echo last words > words; exit' TERM; echo child 0 > ../fifo; while :; do read x < ../never; done) & "
        "trap - TERM; wait; read x < ../never"
    )
    os.mkfifo(bench.folder / "never")
    (bench.folder / "work").mkdir()
    spec = bench.spec("t/0", ("/bin/sh", "-c", script))
    spec = AttemptSpec(
        **{**{name: getattr(spec, name) for name in spec.__slots__}, "cwd": str(bench.folder / "work")}
    )
    await bench.runtime.submit([spec])
    await bench.fifo.pids(1)
    await bench.runtime.cancel(["t/0"])
    assert (await bench.seen.ended("t/0")).term_signal == 15
    assert (bench.folder / "work" / "words").read_text() == "last words\n"


async def test_a_program_that_ends_itself_on_sigterm_tells_its_exit_code(bench: Bench) -> None:
    script = f"trap 'exit 5' TERM; echo leader $$ > {bench.fifo.path}; while :; do /bin/sleep 0.05; done"
    await bench.runtime.submit([bench.spec("t/0", ("/bin/sh", "-c", script))])
    await bench.fifo.pids(1)
    await bench.runtime.cancel(["t/0"])
    ended = await bench.seen.ended("t/0")
    assert (ended.reason, ended.exit_code, ended.term_signal) == (Reason.CANCELLED, 5, None)


async def test_closing_the_runtime_ends_every_tree_and_the_supervisor(bench: Bench) -> None:
    limits = {"grace": timedelta(seconds=0.3)}
    specs = [bench.spec(f"t/{index}", bench.family("stays", "deaf", *ALL), **limits) for index in range(3)]
    await bench.runtime.submit(specs)
    lines = [await bench.fifo.line() for _ in range(15)]
    own = [] if bench.level == "pid-namespace" else [int(line.split()[1]) for line in lines]
    await bench.runtime.close(end_attempts=True)
    assert not any(is_alive(pid) for pid in (*own, *(start.pid for start in bench.seen.starts.values())))
    assert not any(bench.marked(f"t/{index}") for index in range(3))
    async with asyncio.timeout(10):
        await gone(bench.runtime.supervisor_pid)
