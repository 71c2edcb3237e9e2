"""Programs that take more than their share: each has its outcome, and nobody else notices."""

import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from jubako.core.events import NoEvents
from jubako.runtime.port import AttemptSpec, Reason
from jubako.runtime.process import ProcessRuntime
from jubako.runtime.supervisor.address import mark
from jubako.runtime.supervisor.cgroup import places
from jubako.testing.attempts import CollectedAttempts
from jubako.testing.processes import Fifo, gone, is_alive

pytestmark = [
    pytest.mark.timeout(90),
    pytest.mark.skipif(sys.platform != "linux", reason="limits are control groups"),
]
MIB = 1 << 20

BOMB = """
import os, sys
tell = os.open(sys.argv[1], os.O_WRONLY)
is_first = True
while True:
    try:
        if os.fork() == 0:
            os.setsid()
    except BlockingIOError:
        if is_first:
            os.write(tell, b"full 0\\n")
            is_first = False
"""
CALM_BOMB = f"import select\n{BOMB.rstrip()}\n        select.select([], [], [], 0.05)\n"
"""Leaves the processors to others while it is full."""
HOG = "held = []\nwhile True: held.append(b'x' * (8 << 20))"
BURN = """
import time
begin, used = time.monotonic(), time.process_time()
while time.monotonic() - begin < 2: pass
print(time.process_time() - used)
"""
SESSIONS = """
import os, select, signal, sys
tell = os.open(sys.argv[1], os.O_WRONLY)
def share():
    lines = [line.rstrip().split(":", 2) for line in open("/proc/self/cgroup")]
    return next((path for _, names, path in lines if "cpu" in names.split(",")), lines[-1][2])
for _ in range(40):
    if os.fork() == 0:
        os.setsid()
        while "/slot-" not in share(): select.select([], [], [], 0.01)
        if os.fork() == 0: os.setsid()
        os.write(tell, f"{share()}\\n".encode())
        signal.pause()
signal.pause()
"""
FLOOD = "import os\nblock = b'x' * (1 << 20)\nfor _ in range(100): os.write(1, block)"


class Bench:
    def __init__(self, folder: Path, level: str = "cgroup") -> None:
        self.folder = folder
        self.fifo = Fifo(folder / "fifo")
        self.runtime = ProcessRuntime(folder / "state", NoEvents(), tree_kill_max=level)
        self.seen = CollectedAttempts()

    def needs(self, limit: str) -> None:
        if limit not in self.runtime.capabilities().enforced:
            pytest.skip(f"{limit} cannot be limited here")

    def spec(self, attempt_id: str, *argv: str) -> AttemptSpec:
        return AttemptSpec(
            id=attempt_id,
            group=attempt_id,
            parallelism=1,
            argv=argv,
            env={"PATH": "/usr/bin:/bin"},
            output=str(self.output(attempt_id)),
            grace=timedelta(seconds=0.5),
        )

    def python(self, attempt_id: str, program: str) -> AttemptSpec:
        return self.spec(attempt_id, sys.executable, "-I", "-S", "-c", program, str(self.fifo.path))

    def output(self, attempt_id: str) -> Path:
        return self.folder / "output" / attempt_id

    def groups(self) -> list[Path]:
        """Return the groups of this runtime that exist, in all hierarchies."""
        state = self.folder / "state"
        return [place for place in places(mark(state.resolve())).values() if place.exists()]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    await made.runtime.start("", made.seen)
    yield made
    await made.runtime.close(end_attempts=True)
    await gone(made.runtime.supervisor_pid)
    made.fifo.close()
    assert made.groups() == []


async def test_a_fork_bomb_is_bounded_and_ends_on_cancel(bench: Bench) -> None:
    bench.needs("pids")
    await bench.runtime.submit([replace(bench.python("t/bomb", BOMB), pids_max=40)])
    await bench.fifo.line()
    await bench.runtime.submit([bench.spec("t/neighbour", "/bin/true")])
    assert (await bench.seen.ended("t/neighbour")).exit_code == 0
    await bench.runtime.cancel(["t/bomb"])
    assert (await bench.seen.ended("t/bomb")).reason is Reason.CANCELLED


async def test_a_fork_bomb_goes_with_its_namespace_also_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    if tuple(int(part) for part in os.uname().release.split(".")[:2]) < (6, 14):
        pytest.skip("only Linux 6.14 bounds the processes of a namespace: it would take the machine along")
    bench = Bench(tmp_path, "pid-namespace")
    await bench.runtime.start("", bench.seen)
    if bench.runtime.capabilities().tree_kill != "pid-namespace":
        pytest.skip(bench.runtime.capabilities().missing)
    for attempt_id in ("t/cancelled", "t/lost"):
        await bench.runtime.submit([replace(bench.python(attempt_id, CALM_BOMB), pids_max=8)])
        await bench.fifo.line()
        init = (await bench.seen.started(attempt_id)).pid
        namespace = _namespaces()[init]
        await bench.runtime.submit([bench.spec(f"{attempt_id}/neighbour", "/bin/true")])
        assert (await bench.seen.ended(f"{attempt_id}/neighbour")).exit_code == 0
        if attempt_id == "t/cancelled":
            await bench.runtime.cancel([attempt_id])
            assert (await bench.seen.ended(attempt_id)).reason is Reason.CANCELLED
        else:
            os.kill(bench.runtime.supervisor_pid, signal.SIGKILL)
            await gone(init)
        assert not any(is_alive(pid) for pid, one in _namespaces().items() if one == namespace)
    await bench.runtime.wait_disconnected()
    await bench.runtime.start(bench.seen.position, bench.seen)
    assert (await bench.seen.ended("t/lost")).reason is Reason.LOST
    await bench.runtime.close(end_attempts=True)
    bench.fifo.close()


def _namespaces() -> dict[int, Path]:
    """Return the PID namespace of each process."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            found[int(path.name)] = (path / "ns" / "pid").readlink()
    return found


async def test_who_takes_more_memory_than_allowed_is_told_so_and_neighbours_live(bench: Bench) -> None:
    bench.needs("memory")
    await bench.runtime.submit([bench.spec("t/neighbour", "/bin/sleep", "3600")])
    await bench.seen.started("t/neighbour")
    await bench.runtime.submit([replace(bench.python("t/hog", HOG), memory_bytes=64 * MIB)])
    ended = await bench.seen.ended("t/hog")
    assert (ended.reason, ended.exit_code, ended.term_signal) == (Reason.OUT_OF_MEMORY, None, 9)
    assert is_alive(bench.seen.starts["t/neighbour"].pid)
    # The slot is used again: what happened in it before is nobody's fault.
    again = replace(bench.spec("t/again", "/bin/sh", "-c", "exit 3"), memory_bytes=64 * MIB)
    await bench.runtime.submit([again, bench.spec("t/free", "/bin/sh", "-c", "kill -9 $$")])
    assert (await bench.seen.ended("t/again")).reason is Reason.EXITED
    assert (await bench.seen.ended("t/free")).reason is Reason.EXITED


async def test_a_limit_too_small_for_any_program_does_not_hit_the_supervisor(bench: Bench) -> None:
    bench.needs("memory")
    await bench.runtime.submit([replace(bench.python("t/tiny", HOG), memory_bytes=1)])
    assert (await bench.seen.ended("t/tiny")).reason is Reason.OUT_OF_MEMORY
    await bench.runtime.submit([bench.spec("t/next", "/bin/true")])
    assert (await bench.seen.ended("t/next")).exit_code == 0


async def test_processor_time_is_limited(bench: Bench) -> None:
    bench.needs("cpu")
    await bench.runtime.submit([replace(bench.python("t/burn", BURN), cpus=0.25)])
    assert (await bench.seen.ended("t/burn")).exit_code == 0
    used = float((bench.output("t/burn") / "stdout").read_text())
    assert used < 1.0  # of 2 s; 0.5 s and what the first period gives


async def test_many_sessions_of_one_attempt_share_processor_time_as_one(bench: Bench) -> None:
    bench.needs("pids")
    bench.needs("cpu")
    await bench.runtime.submit([bench.python("t/crowd", SESSIONS)])
    assert len({await bench.fifo.line() for _ in range(80)}) == 1
    await bench.runtime.cancel(["t/crowd"])
    assert (await bench.seen.ended("t/crowd")).reason is Reason.CANCELLED


async def test_a_flood_of_output_is_kept_whole_while_others_start(bench: Bench) -> None:
    await bench.runtime.submit([bench.python("t/flood", FLOOD)])
    await bench.runtime.submit([bench.spec(f"t/{index}", "/bin/true") for index in range(20)])
    await bench.seen.ended_count(21)
    assert (bench.output("t/flood") / "stdout").stat().st_size == 100 * MIB


async def test_who_closes_its_output_runs_on_and_ends_as_it_ends(bench: Bench) -> None:
    script = f"exec >&- 2>&-; echo closed 0 > {bench.fifo.path}; exit 4"
    await bench.runtime.submit([bench.spec("t/0", "/bin/sh", "-c", script)])
    await bench.fifo.line()
    assert (await bench.seen.ended("t/0")).exit_code == 4


@pytest.mark.parametrize("stops", ["itself", "its child"])
async def test_who_stops_is_still_ended_by_the_time_out(bench: Bench, stops: str) -> None:
    script = "kill -STOP $$" if stops == "itself" else "(kill -STOP $(exec sh -c 'echo $PPID')) & wait"
    spec = replace(bench.spec("t/0", "/bin/sh", "-c", script), timeout=timedelta(seconds=0.5))
    await bench.runtime.submit([spec])
    assert (await bench.seen.ended("t/0")).reason is Reason.TIMEOUT


async def test_groups_that_a_killed_supervisor_left_are_gone_when_the_next_one_left(bench: Bench) -> None:
    bench.needs("pids")
    spec = replace(bench.spec("t/0", "/bin/sleep", "3600"), memory_bytes=64 * MIB, cpus=1.0)
    await bench.runtime.submit([spec])
    await bench.seen.started("t/0")
    os.kill(bench.runtime.supervisor_pid, 9)
    await bench.runtime.wait_disconnected()
    assert bench.groups()
    await bench.runtime.start(bench.seen.position, bench.seen)
    assert (await bench.seen.ended("t/0")).reason is Reason.LOST
