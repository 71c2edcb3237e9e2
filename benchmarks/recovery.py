"""From the start of a server after ``kill -9`` to its first answer, with all tasks of one execution in flight.

Three times, because claimed is not running: with many short tasks, of which a few run, some hundreds are claimed and
the rest waits; with thousands that run, each a live process that must be found again; and while those are started.

Usage: python benchmarks/recovery.py [--tasks 10000] [--alive 3000] [--rounds 3]
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from jubako.testing.server import PARENT, ServerProcess

_START_S = 90.0


def begin(server: ServerProcess, name: str, tasks: int, parallelism: int, seconds: str) -> str:
    """Run an execution of ``sleep`` and return its name."""
    template = {
        "taskCount": tasks,
        "parallelism": parallelism,
        "template": {"containers": [{"command": ["/bin/sleep", seconds]}], "maxRetries": 0},
    }
    server.post(f"/v2/{PARENT}/jobs?jobId={name}", {"template": template})
    return str(server.post(f"/v2/{PARENT}/jobs/{name}:run")["metadata"]["name"])


def wait_running(server: ServerProcess, execution: str, count: int) -> None:
    """Return when ``count`` tasks run, or when the machine takes too long to start them."""
    until = time.monotonic() + _START_S
    while server.get(f"/v2/{execution}").get("runningCount", 0) < count and time.monotonic() < until:
        time.sleep(0.05)


def wait_ended(server: ServerProcess, execution: str) -> None:
    """Return when none of its processes is left."""
    while not server.get(f"/v2/{execution}").get("completionTime"):
        time.sleep(0.05)


def restart(server: ServerProcess, execution: str) -> tuple[float, str]:
    """Kill the server; return how long its successor took to answer, and the states of the tasks that it found."""
    server.kill()
    began = time.perf_counter()
    server.restart()
    answer = server.get(f"/v2/{execution}")
    took = time.perf_counter() - began
    assert not answer.get("completionTime"), "too few tasks: it was over"
    return took, server.get(f"/jubako/v1/{execution}/taskStates")["states"]


def show(what: str, found: list[tuple[float, str]]) -> None:
    """Print what was found in several rounds."""
    states = found[-1][1]
    counts = f"{states.count('R')} running, {states.count('Q')} claimed, {states.count('P')} waiting"
    print(f"{what} ({counts}): " + ", ".join(f"{seconds:.2f}" for seconds, _ in found) + " s", flush=True)


def finish(server: ServerProcess, execution: str) -> None:
    """Cancel an execution and return when none of its processes is left."""
    server.post(f"/v2/{execution}:cancel")
    wait_ended(server, execution)


def measure_short(server: ServerProcess, tasks: int, rounds: int) -> None:
    """Many tasks of which a few run at once."""
    execution, found = begin(server, "short", tasks, 4, "0.02"), []
    for _ in range(rounds):
        wait_running(server, execution, 1)
        time.sleep(0.5)
        found.append(restart(server, execution))
    show("short tasks", found)
    finish(server, execution)


def measure_long(server: ServerProcess, tasks: int, alive: int, rounds: int) -> None:
    """Thousands of live processes."""
    execution = begin(server, "long", tasks, alive, "600")
    wait_running(server, execution, alive)
    show("long tasks", [restart(server, execution) for _ in range(rounds)])
    finish(server, execution)


def measure_coming(server: ServerProcess, tasks: int, rounds: int) -> None:
    """Thousands of processes that are just being started, one after the other."""
    execution, found = begin(server, "coming", tasks, tasks // 2, "600"), []
    for number in range(rounds):
        wait_running(server, execution, 500 * (number + 1))
        found.append(restart(server, execution))
    show("long tasks that are being started", found)
    finish(server, execution)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--alive", type=int, default=3_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder, ServerProcess(Path(folder) / "state") as server:
        empty = time.perf_counter()
        server.kill()
        server.restart()
        empty = time.perf_counter() - empty
        print(f"start without tasks: {empty:.2f} s (interpreter and imports); load before: {load:.1f}")
        measure_short(server, given.tasks, given.rounds)
        measure_long(server, given.tasks, given.alive, given.rounds)
        measure_coming(server, given.tasks, given.rounds)


if __name__ == "__main__":
    main()
