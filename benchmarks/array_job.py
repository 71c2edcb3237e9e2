"""Tasks per second of an array job of /bin/true, every task durably recorded, beside ``xargs -P`` in the same run.

Usage: python benchmarks/array_job.py [--tasks 10000] [--parallelism 4] [--peers [--peers-python PATH]]

``--peers`` runs GNU parallel, Ray and Dask too, as far as they are there; those in Python may live in an environment of
their own.
"""

import argparse
import contextlib
import os
import subprocess
import sys
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


def enforced(server: ServerProcess) -> str:
    """Return what the execution says of how its tasks were held."""
    executions = server.get(f"/v2/{PARENT}/jobs/array/executions")["executions"]
    conditions = {condition["type"]: condition for condition in executions[0]["conditions"]}
    return str(conditions["ResourcesAvailable"]["message"])


def peer_rates(python: str, tasks: int, parallelism: int) -> dict[str, float | None]:
    """Return tasks per second of each peer; None for one that is not here."""
    program = Path(__file__).with_name("array_peers.py")
    rates: dict[str, float | None] = {}
    for name in ("parallel", "ray", "dask"):
        # A part of the tasks tells the rate.
        command = [python, str(program), name, str(tasks // 5), str(parallelism)]
        found = subprocess.run(command, capture_output=True, text=True, check=False)
        words = found.stdout.split()
        rates[name] = float(words[words.index("rate") + 1]) if "rate" in words else None
    return rates


def resident_mb(pid: int) -> float:
    """Return the peak resident memory of a process in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def processor_us(pid: int) -> float:
    """Return the processor time of a process so far, in microseconds; load of others does not change it much."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") * 1e6


def supervisor_of(state: Path) -> int:
    """Return the pid of the process that holds the lock of the supervisor of a state directory."""
    wanted = str(state / "supervisor" / "lock")
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if str(descriptor.readlink()) == wanted:
                return int(descriptor.parts[2])
    raise LookupError(wanted)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--parallelism", type=int, default=4)
    parser.add_argument("--peers", action="store_true", help="run GNU parallel, Ray and Dask too")
    parser.add_argument("--peers-python", default=sys.executable, help="the interpreter that has them")
    given = parser.parse_args()
    before = xargs_rate(given.tasks, given.parallelism)
    with tempfile.TemporaryDirectory() as folder:
        server = ServerProcess(Path(folder) / "state").start()
        pids = {"server": server.pid, "supervisor": supervisor_of(Path(folder).resolve() / "state")}
        began = {name: processor_us(pid) for name, pid in pids.items()}
        rate = jubako_rate(server, given.tasks, given.parallelism)
        used = {name: (processor_us(pid) - began[name]) / given.tasks for name, pid in pids.items()}
        peak = resident_mb(server.pid)
        how = enforced(server)
        server.stop()
    after = xargs_rate(given.tasks, given.parallelism)
    peer = (before + after) / 2
    print(f"xargs -P {given.parallelism}: {before:,.0f} and {after:,.0f} tasks/s (before and after)")
    print(f"jubako:     {rate:,.0f} tasks/s, {rate / peer:.2f} of xargs; server peak {peak:.0f} MB")
    if given.peers:
        for name, found in peer_rates(given.peers_python, given.tasks, given.parallelism).items():
            told = "not here" if found is None else f"{found:,.0f} tasks/s, {found / peer:.2f} of xargs"
            print(f"{name + ':':11} {told}")
    print(f"held: {how}")
    told = ", ".join(f"{name} {micros:.0f} us" for name, micros in used.items())
    print(f"processor time per task: {told}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
