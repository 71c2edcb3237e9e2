"""What other engines make of the tasks of ``array_job.py``: each starts ``/bin/true`` as often, and prints its tasks/s.

Usage: python benchmarks/array_peers.py ray|dask|parallel TASKS PARALLELISM

Run by an interpreter that has the engine; ``array_job.py --peers-python PATH`` does. None of them keeps a task durably
except GNU parallel, which writes a line of its job log.
"""

import importlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable


def true(_: int = 0) -> int:
    """Do what one task does."""
    return subprocess.run(["/bin/true"], check=False).returncode


def ray_rate(tasks: int, parallelism: int) -> float:
    """Return tasks per second of Ray on this machine, its start not counted."""
    ray = importlib.import_module("ray")
    ray.init(num_cpus=parallelism, include_dashboard=False, log_to_driver=False)
    remote = ray.remote(true)
    ray.get([remote.remote(0) for _ in range(parallelism * 4)])  # its workers start now
    return _timed(tasks, lambda: ray.get([remote.remote(0) for _ in range(tasks)]))


def dask_rate(tasks: int, parallelism: int) -> float:
    """Return tasks per second of Dask on processes of this machine, its start not counted."""
    distributed = importlib.import_module("distributed")
    with distributed.Client(
        n_workers=parallelism, threads_per_worker=1, dashboard_address=None, processes=True
    ) as client:
        client.gather(client.map(true, range(-parallelism * 4, 0)))
        return _timed(tasks, lambda: client.gather(client.map(true, range(tasks), pure=False)))


def parallel_rate(tasks: int, parallelism: int) -> float:
    """Return tasks per second of GNU parallel with its job log."""
    with tempfile.NamedTemporaryFile() as log:
        command = [
            "parallel",
            "--will-cite",
            "-j",
            str(parallelism),
            "--joblog",
            log.name,
            "-n1",
            "/bin/true",
            "#",
        ]
        lines = "x\n" * tasks

        def run() -> None:
            subprocess.run(command, input=lines, text=True, check=True, stderr=subprocess.DEVNULL)

        return _timed(tasks, run)


def _timed(tasks: int, run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return tasks / (time.perf_counter() - began)


PEERS = {"parallel": parallel_rate, "ray": ray_rate, "dask": dask_rate}


def main() -> None:
    name, tasks, parallelism = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    print(f"rate {PEERS[name](tasks, parallelism):.1f}")


if __name__ == "__main__":
    main()
