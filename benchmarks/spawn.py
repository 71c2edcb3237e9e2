"""How fast attempts start and end, beside ``xargs -P`` doing the same on the same machine at the same time.

    python benchmarks/spawn.py [--count 10000] [--parallelism 4] [--rounds 3] [--tree-kill cgroup]

Each attempt is ``/bin/true`` with its own output directory, its start and end journalled, streamed to this process and
consumed. Rounds alternate, so that both see the same machine; the ratio is xargs' time divided by ours.
"""

import argparse
import asyncio
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from jubako.core.events import NoEvents
from jubako.runtime.port import AttemptEvent, AttemptSpec, Ended
from jubako.runtime.process import ProcessRuntime

COMMAND = "/bin/true"
ENV = {"PATH": "/usr/bin:/bin", "CLOUD_RUN_JOB": "benchmark", "CLOUD_RUN_TASK_COUNT": "10000"}


class Counter:
    def __init__(self, count: int) -> None:
        self.left = count
        self.failed = 0
        self.done = asyncio.Event()

    async def __call__(self, events: Sequence[AttemptEvent], _position: str) -> None:
        for event in events:
            if isinstance(event, Ended):
                self.left -= 1
                self.failed += event.exit_code != 0
        if self.left == 0:
            self.done.set()


async def ours(count: int, parallelism: int, tree_kill: str) -> tuple[float, str]:
    folder = Path(tempfile.mkdtemp(prefix="jubako-spawn-"))
    runtime = ProcessRuntime(folder, NoEvents(), tree_kill_max=tree_kill)
    counter = Counter(count)
    await runtime.start("", counter)
    begin = time.perf_counter()
    await runtime.submit(
        [
            AttemptSpec(
                id=f"benchmark/{index}",
                group="benchmark",
                parallelism=parallelism,
                argv=(COMMAND,),
                env=ENV | {"CLOUD_RUN_TASK_INDEX": str(index)},
                output=str(folder / "output" / str(index)),
            )
            for index in range(count)
        ]
    )
    await counter.done.wait()
    taken = time.perf_counter() - begin
    assert counter.failed == 0
    await runtime.close(end_attempts=True)
    shutil.rmtree(folder)
    return taken, runtime.capabilities().tree_kill


def xargs(count: int, parallelism: int) -> float:
    lines = "".join(f"{index}\n" for index in range(count)).encode()
    begin = time.perf_counter()
    subprocess.run(["xargs", "-P", str(parallelism), "-n", "1", COMMAND], input=lines, check=True)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--parallelism", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tree-kill", default="cgroup", help="cgroup, subreaper or process-group")
    options = parser.parse_args()
    ratios = []
    for _ in range(options.rounds):
        theirs = xargs(options.count, options.parallelism)
        taken, level = asyncio.run(ours(options.count, options.parallelism, options.tree_kill))
        ratios.append(theirs / taken)
        print(
            f"tree_kill={level} parallelism={options.parallelism}: {options.count / taken:.0f} attempts/s, "
            f"xargs {options.count / theirs:.0f}/s, ratio {ratios[-1]:.2f}",
            flush=True,
        )
    print(f"median ratio {statistics.median(ratios):.2f} (1 = as fast as xargs)")


if __name__ == "__main__":
    main()
