"""From the start of a server after ``kill -9`` to its ready line, with many tasks of one execution in flight.

Usage: python benchmarks/recovery.py [--tasks 10000] [--rounds 3]
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from jubako.testing.server import PARENT, ServerProcess


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    template = {
        "taskCount": given.tasks,
        "parallelism": 4,
        "template": {"containers": [{"command": ["/bin/sleep", "0.02"]}], "maxRetries": 0},
    }
    load = os.getloadavg()[0]
    found = []
    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder) / "state").start()
        empty = time.perf_counter()
        server.kill()
        server.restart()
        empty = time.perf_counter() - empty
        server.post(f"/v2/{PARENT}/jobs?jobId=recovered", {"template": template})
        name = server.post(f"/v2/{PARENT}/jobs/recovered:run")["metadata"]["name"]
        for _ in range(given.rounds):
            while not server.get(f"/v2/{name}").get("runningCount"):
                time.sleep(0.05)
            time.sleep(0.5)
            server.kill()
            began = time.perf_counter()
            server.restart()
            answer = server.get(f"/v2/{name}")
            found.append(time.perf_counter() - began)
            assert not answer.get("completionTime"), "too few tasks: it was over"
        server.post(f"/v2/{name}:cancel")
        server.stop()
    print(f"start without tasks: {empty:.2f} s (interpreter and imports); load before: {load:.1f}")
    print(f"with {given.tasks} tasks in flight: " + ", ".join(f"{seconds:.2f}" for seconds in found) + " s")


if __name__ == "__main__":
    main()
