"""Tasks per second of a Python job that imports NumPy: warm start beside cold start, on one server in one run.

Usage: python benchmarks/warm_start.py [--tasks 200] [--parallelism 4] [--rounds 2]
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from jubako.testing.server import PARENT, ServerProcess

TASK = "import os\nimport numpy\nprint(numpy.arange(10).sum(), os.environ['CLOUD_RUN_TASK_INDEX'])\n"


def make(server: ServerProcess, name: str, program: Path, given: argparse.Namespace, *, warm: bool) -> None:
    template = {
        "annotations": {"jubako.dev/warm-start": "numpy"} if warm else {},
        "taskCount": given.tasks,
        "parallelism": given.parallelism,
        "template": {"containers": [{"command": [sys.executable, str(program)]}], "maxRetries": 0},
    }
    server.post(f"/v2/{PARENT}/jobs?jobId={name}", {"template": template})


def rate(server: ServerProcess, name: str, tasks: int) -> float:
    """Return tasks per second from the request to the done operation."""
    began = time.perf_counter()
    operation = server.post(f"/v2/{PARENT}/jobs/{name}:run")
    while not operation.get("done"):
        operation = server.post(f"/v2/{operation['name']}:wait", {"timeout": "60s"})
    assert operation["response"]["succeededCount"] == tasks, operation
    return tasks / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--parallelism", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "task.py"
        program.write_text(TASK)
        with ServerProcess(Path(folder) / "state") as server:
            make(server, "cold", program, given, warm=False)
            make(server, "warm", program, given, warm=True)
            ratios = []
            for _ in range(given.rounds):
                cold, warm = rate(server, "cold", given.tasks), rate(server, "warm", given.tasks)
                ratios.append(warm / cold)
                load = os.getloadavg()[0]
                print(
                    f"cold {cold:6.1f}/s  warm {warm:6.1f}/s  {warm / cold:.1f} x  (load {load:.1f})",
                    flush=True,
                )
    print(f"median {statistics.median(ratios):.1f} x")


if __name__ == "__main__":
    main()
