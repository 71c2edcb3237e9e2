"""How quickly ``executions.get`` and the packed task states answer while an execution of many tasks runs.

Usage: python benchmarks/watch_execution.py [--tasks 10000] [--parallelism 2] [--every 0.01]
"""

import argparse
import http.client
import os
import tempfile
import time
from pathlib import Path

from array_job import resident_mb
from jubako.testing.server import PARENT, ServerProcess


def ask(connection: http.client.HTTPConnection, path: str) -> tuple[float, bytes]:
    """Return how long a GET took, in ms, and its reply."""
    began = time.perf_counter()
    connection.request("GET", path)
    reply = connection.getresponse().read()
    return (time.perf_counter() - began) * 1_000, reply


def quantile(values: list[float], share: float) -> float:
    """Return the value below which ``share`` of the values lie."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--parallelism", type=int, default=2)
    parser.add_argument("--every", type=float, default=0.01, help="seconds between two questions")
    given = parser.parse_args()
    template = {
        "taskCount": given.tasks,
        "parallelism": given.parallelism,
        "template": {"containers": [{"command": ["/bin/true"]}], "maxRetries": 0},
    }
    load = os.getloadavg()[0]
    times: dict[str, list[float]] = {"executions.get": [], "taskStates": []}
    with tempfile.TemporaryDirectory() as folder, ServerProcess(Path(folder) / "state") as server:
        server.post(f"/v2/{PARENT}/jobs?jobId=watched", {"template": template})
        name = server.post(f"/v2/{PARENT}/jobs/watched:run")["metadata"]["name"]
        connection = http.client.HTTPConnection(server.address.removeprefix("http://"), timeout=30)
        began = time.perf_counter()
        while True:
            took, reply = ask(connection, f"/v2/{name}")
            times["executions.get"].append(took)
            if b'"completionTime":' in reply:
                break
            times["taskStates"].append(ask(connection, f"/jubako/v1/{name}/taskStates")[0])
            time.sleep(given.every)
        elapsed = time.perf_counter() - began
        peak = resident_mb(server.pid)
    print(f"{given.tasks} tasks in {elapsed:.1f} s while watched; load before: {load:.1f}")
    for what, found in times.items():
        p50, p99 = quantile(found, 0.5), quantile(found, 0.99)
        print(f"{what}: p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {max(found):.1f} ms of {len(found)}")
    print(f"server's peak memory: {peak:.0f} MB")


if __name__ == "__main__":
    main()
