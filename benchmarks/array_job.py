"""Tasks per second of an array job of /bin/true, every task durably recorded, beside ``xargs -P`` in the same run.

Usage: python benchmarks/array_job.py [--tasks 10000] [--parallelism 4]
"""

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

from jubako.testing.server import PARENT, ServerProcess


def xargs_rate(tasks: int, parallelism: int) -> float:
    """Return processes per second of xargs."""
    lines = "x\n" * tasks
    began = time.perf_counter()
    subprocess.run(
        ["xargs", "-P", str(parallelism), "-n", "1", "/bin/true"], input=lines, text=True, check=True
    )
    return tasks / (time.perf_counter() - began)


def jubako_rate(server: ServerProcess, tasks: int, parallelism: int) -> float:
    """Return tasks per second from the request to the done operation."""
    template = {
        "taskCount": tasks,
        "parallelism": parallelism,
        "template": {"containers": [{"command": ["/bin/true"]}], "maxRetries": 0},
    }
    server.post(f"/v2/{PARENT}/jobs?jobId=array", {"template": template})
    began = time.perf_counter()
    operation = server.post(f"/v2/{PARENT}/jobs/array:run")
    while not operation.get("done"):
        operation = server.post(f"/v2/{operation['name']}:wait", {"timeout": "60s"})
    elapsed = time.perf_counter() - began
    assert operation["response"]["succeededCount"] == tasks, operation
    return tasks / elapsed


def resident_mb(pid: int) -> float:
    """Return the peak resident memory of a process in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--parallelism", type=int, default=4)
    given = parser.parse_args()
    before = xargs_rate(given.tasks, given.parallelism)
    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder) / "state").start()
        rate = jubako_rate(server, given.tasks, given.parallelism)
        peak = resident_mb(server.pid)
        server.stop()
    after = xargs_rate(given.tasks, given.parallelism)
    peer = (before + after) / 2
    print(f"xargs -P {given.parallelism}: {before:,.0f} and {after:,.0f} tasks/s (before and after)")
    print(f"jubako:     {rate:,.0f} tasks/s, {rate / peer:.2f} of xargs; server peak {peak:.0f} MB")


if __name__ == "__main__":
    main()
