"""Real attempts that write nothing: their output directories go on to the next ones, and no output is mixed up."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jubako.core.events import NoEvents
from jubako.core.timestamps import to_micros
from jubako.runtime.port import AttemptSpec
from jubako.runtime.process import ProcessRuntime
from jubako.telemetry.outputs import Outputs, Source, Status
from jubako.testing.attempts import CollectedAttempts

pytestmark = [
    pytest.mark.timeout(30),
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody knows that a tree is gone"),
]


class Bench:
    def __init__(self, folder: Path) -> None:
        self.root = folder / "output"
        self.runtime = ProcessRuntime(folder, NoEvents())
        self.seen = CollectedAttempts()

    async def run(self, name: str, script: str) -> Source:
        """Run a script as an attempt; return where its output is to be found."""
        spec = AttemptSpec(
            id=f"e/{name}",
            group="e",
            parallelism=1,
            argv=("/bin/sh", "-c", script),
            env={"PATH": "/usr/bin:/bin"},
            cwd=str(self.root.parent),
            output=str(self.root / "e" / name),
        )
        await self.runtime.submit([spec])
        ended = await self.seen.ended(spec.id)
        at = to_micros(ended.time)
        return Source(
            folder=f"e/{name}",
            index=int(name),
            attempt=0,
            started_us=at,
            ended_us=at,
            output_bytes=ended.output_bytes,
        )


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    await made.runtime.start("", made.seen)
    yield made
    await made.runtime.close(end_attempts=True)


async def test_many_silent_attempts_leave_one_directory_and_all_of_them_are_known_as_silent(
    bench: Bench,
) -> None:
    ran = [await bench.run(str(number), "true") for number in range(20)]
    folders = [path for path in (bench.root / "e").iterdir() if path.is_dir()]
    assert len(folders) == 1
    assert await Outputs(bench.root).statuses(ran) == [Status.EMPTY] * 20


async def test_what_an_attempt_writes_is_its_own(bench: Bench) -> None:
    outputs = Outputs(bench.root)
    scripts = ["true", "echo one", "true", "echo two >&2", "true"]
    ran = [await bench.run(str(number), script) for number, script in enumerate(scripts)]
    wrote = [(await outputs.read(source, "stdout", 0, 99)).data for source in ran]
    complained = [(await outputs.read(source, "stderr", 0, 99)).data for source in ran]
    assert wrote == [b"", b"one\n", b"", b"", b""]
    assert complained == [b"", b"", b"", b"two\n", b""]


async def test_output_that_somebody_removed_is_lost_and_not_silent(bench: Bench) -> None:
    written = await bench.run("0", "echo here")
    for path in (bench.root / "e" / "0").iterdir():
        path.unlink()
    (bench.root / "e" / "0").rmdir()
    silent = await bench.run("1", "true")
    assert await Outputs(bench.root).statuses([written, silent]) == [Status.LOST, Status.EMPTY]


async def test_who_removes_its_own_output_has_lost_it(bench: Bench) -> None:
    ran = await bench.run("0", "echo here; rm -r output/e/0")
    assert await Outputs(bench.root).statuses([ran]) == [Status.LOST]


async def test_a_silent_directory_that_went_with_its_execution_is_not_missed(bench: Bench) -> None:
    await bench.run("0", "true")
    await Outputs(bench.root).remove(["e"])
    again = await bench.run("1", "echo there")
    assert (await Outputs(bench.root).read(again, "stdout", 0, 99)).data == b"there\n"


async def test_an_attempt_goes_before_the_server_when_memory_runs_out(bench: Bench) -> None:
    ran = await bench.run("0", "cat /proc/self/oom_score_adj")
    assert (await Outputs(bench.root).read(ran, "stdout", 0, 99)).data == b"500\n"
