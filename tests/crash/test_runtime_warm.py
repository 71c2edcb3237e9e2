"""Warm starts: forks of one process that look like processes of their own, and cold starts whenever that fails."""

import os
import signal
import sys
import textwrap
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from jubako.core.events import NoEvents
from jubako.runtime.port import AttemptSpec, Reason
from jubako.runtime.process import ProcessRuntime
from jubako.runtime.supervisor import proc
from jubako.testing.attempts import CollectedAttempts
from jubako.testing.processes import Fifo, gone, is_alive, seen_from_here

pytestmark = [
    pytest.mark.timeout(90),
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives a fork of a fork to the supervisor"),
]

HEAVY = """
import os
imported_by = os.getpid()
"""
TASK = """
import os, signal, sys
import heavy
own = os.getpid() == os.getsid(0) == os.getpgid(0)
warm = heavy.imported_by != os.getpid()
given = (os.environ["INDEX"], os.getcwd(), sys.argv[1:], sys.stdin.read(), __name__)
print(int(warm), int(own), *given, "LEFT" in os.environ)
print("to stderr", file=sys.stderr)
print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
sys.exit(int(os.environ["INDEX"]) % 3)
"""


class Bench:
    def __init__(self, folder: Path, tree_kill: str) -> None:
        self.folder = folder
        self.fifo = Fifo(folder / "fifo")
        self.runtime = ProcessRuntime(folder / "state", NoEvents(), tree_kill_max=tree_kill)
        self.seen = CollectedAttempts()
        (folder / "work").mkdir()
        self.write("heavy.py", HEAVY)
        self.write("task.py", TASK)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def spec(self, attempt_id: str, *command: str, preload: str = "heavy", **env: str) -> AttemptSpec:
        return AttemptSpec(
            id=attempt_id,
            group="g",
            parallelism=4,
            argv=(sys.executable, *(command or (str(self.folder / "task.py"), "one", "two"))),
            env={"PATH": "/usr/bin:/bin", "INDEX": "0", **env},
            cwd=str(self.folder / "work"),
            output=str(self.folder / "output" / attempt_id),
            grace=timedelta(seconds=2),
            preload=preload,
        )

    def output(self, attempt_id: str) -> list[str]:
        return (self.folder / "output" / attempt_id / "stdout").read_text().splitlines()

    def zygote(self) -> int | None:
        """Return the pid of the zygote, if there is one."""
        for pid, entry in proc.processes().items():
            is_child = entry.parent == self.runtime.supervisor_pid and not entry.is_dead
            if is_child and b"zygote.py" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
        return None

    async def warm_up(self, spec: AttemptSpec) -> str:
        """Start attempts like ``spec`` until one was forked, and return its id."""
        for number in range(500):
            attempt_id = f"{spec.id}-{number}"
            again = replace(spec, id=attempt_id, output=str(self.folder / "output" / attempt_id))
            await self.runtime.submit([again])
            await self.seen.ended(attempt_id)
            if self.output(attempt_id)[0].startswith("1 "):
                return attempt_id
        raise AssertionError("it never gets warm")


@pytest.fixture(params=["cgroup", "pid-namespace", "subreaper"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path, cast("str", request.param))
    await made.runtime.start("", made.seen)
    yield made
    await made.runtime.close(end_attempts=True)
    await gone(made.runtime.supervisor_pid)
    made.fifo.close()
    assert made.zygote() is None


async def test_a_fork_looks_like_a_process_of_its_own(bench: Bench) -> None:
    await bench.warm_up(bench.spec("t/first", LEFT="over"))
    specs = [bench.spec(f"t/{index}", INDEX=str(index)) for index in range(12)]
    await bench.runtime.submit(specs)
    await bench.seen.ended("t/11")
    for index in range(12):
        ended = await bench.seen.ended(f"t/{index}")
        assert (ended.reason, ended.exit_code) == (Reason.EXITED, index % 3)
        work = bench.folder / "work"
        expected = f"1 1 {index} {work} ['one', 'two']  __main__ False"
        assert bench.output(f"t/{index}") == [expected, "True"]
        assert (bench.folder / "output" / f"t/{index}" / "stderr").read_text() == "to stderr\n"


async def test_the_first_starts_wait_for_the_import_instead_of_doing_it_too(bench: Bench) -> None:
    bench.write("heavy.py", f"import time\ntime.sleep(0.4)\n{HEAVY}")
    await bench.runtime.submit([bench.spec(f"t/{index}") for index in range(3)])
    for index in range(3):
        await bench.seen.ended(f"t/{index}")
        assert bench.output(f"t/{index}")[0].startswith("1 ")


async def test_what_waits_for_the_import_can_be_cancelled(bench: Bench) -> None:
    bench.write("heavy.py", f"import time\ntime.sleep(60)\n{HEAVY}")
    await bench.runtime.submit([bench.spec("t/0")])
    await bench.runtime.cancel(["t/0"])
    assert (await bench.seen.ended("t/0")).reason is Reason.CANCELLED


async def test_a_module_is_run_as_python_does(bench: Bench) -> None:
    (bench.folder / "work" / "heavy.py").write_text(HEAVY)
    guarded = f"import heavy\nif __name__ == '__main__':\n{textwrap.indent(TASK, '    ')}"
    (bench.folder / "work" / "job.py").write_text(guarded)
    last = await bench.warm_up(bench.spec("t/0", "-m", "job", "three", preload="job"))
    assert "['three']" in bench.output(last)[0]


async def test_an_uncaught_exception_is_exit_code_1_with_a_traceback(bench: Bench) -> None:
    await bench.warm_up(bench.spec("t/warm"))
    bench.write("task.py", "import heavy\nraise ValueError('so it is')")
    await bench.runtime.submit([bench.spec("t/0")])
    assert (await bench.seen.ended("t/0")).exit_code == 1
    assert "ValueError: so it is" in (bench.folder / "output/t/0/stderr").read_text()


async def test_a_forked_tree_is_ended_by_the_time_out(bench: Bench) -> None:
    await bench.warm_up(bench.spec("t/warm"))
    bench.write(
        "task.py",
        f"import os, signal\nif os.fork() == 0: os.setsid()\n"
        f"open({str(bench.fifo.path)!r}, 'a').write(f'x{{os.getpid()}} {{os.getpid()}}\\n')\nsignal.pause()",
    )
    await bench.runtime.submit([replace(bench.spec("t/0"), timeout=timedelta(seconds=1))])
    pids = seen_from_here(await bench.fifo.pids(2), (await bench.seen.started("t/0")).pid)
    assert (await bench.seen.ended("t/0")).reason is Reason.TIMEOUT
    assert not any(is_alive(pid) for pid in pids.values())


async def test_a_zygote_that_dies_costs_nothing_but_the_warmth(bench: Bench) -> None:
    await bench.warm_up(bench.spec("t/warm"))
    zygote = bench.zygote()
    assert zygote is not None
    os.kill(zygote, signal.SIGKILL)
    await gone(zygote)
    await bench.runtime.submit([bench.spec(f"t/{index}") for index in range(5)])
    for index in range(5):
        assert (await bench.seen.ended(f"t/{index}")).exit_code == 0
        assert bench.output(f"t/{index}")[0].startswith("0 ")


@pytest.mark.parametrize(
    "heavy",
    [
        "raise ValueError",
        "import os; os._exit(3)",
        "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()",
    ],
    ids=["raises", "exits", "starts a thread"],
)
async def test_a_module_that_cannot_be_forked_from_means_cold_starts(bench: Bench, heavy: str) -> None:
    bench.write("light.py", heavy)
    await bench.runtime.submit([bench.spec(f"t/{index}", preload="light") for index in range(20)])
    for index in range(20):
        assert (await bench.seen.ended(f"t/{index}")).exit_code == 0
        assert bench.output(f"t/{index}")[0].startswith("0 ")


async def test_a_command_that_is_no_python_program_is_started_as_ever(bench: Bench) -> None:
    spec = replace(bench.spec("t/0"), argv=("/bin/sh", "-c", "exit 6"))
    await bench.runtime.submit([spec])
    assert (await bench.seen.ended("t/0")).exit_code == 6
    assert bench.zygote() is None


async def test_a_killed_supervisor_takes_the_zygote_along(bench: Bench) -> None:
    await bench.warm_up(bench.spec("t/warm"))
    zygote = bench.zygote()
    assert zygote is not None
    os.kill(bench.runtime.supervisor_pid, signal.SIGKILL)
    await bench.runtime.wait_disconnected()
    await gone(zygote)
    await bench.runtime.start(bench.seen.position, bench.seen)
