"""What waiting costs: many executions of a real server that sleep, await a callback, or wait for a child that sleeps.

Budget for 100,000 of them, each with an argument of 200 bytes: 300 MB of database, 50 MB more of the server's memory.
Then the server is killed and started again; the time to its first answer is told, and that of an execution that one of
those waiting still ends rightly.

Usage: python benchmarks/workflow_waiting.py [--count 100000]
"""

import argparse
import http.client
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jubako.testing.server import PARENT, ServerProcess

CONNECTIONS = 24
DATABASE_MB, MEMORY_MB = 300, 50
ARGUMENT = {"reception": "x" * 183}
RUN = "googleapis.workflowexecutions.v1.projects.locations.workflows.executions.run"
SOURCES = {
    "sleeps": "main: {params: [a], steps: [{wait: {call: sys.sleep, args: {seconds: 86400}}}]}",
    "awaits": (
        "main: {params: [a], steps: ["
        "{make: {call: events.create_callback_endpoint, args: {http_callback_method: POST}, result: c}}, "
        "{wait: {call: events.await_callback, args: {callback: '${c}', timeout: 86400}, result: r}}, "
        "{done: {return: '${r.http_request.body}'}}]}"
    ),
    "parent": (
        "main: {params: [a], steps: ["
        f"{{wait: {{call: {RUN}, args: {{workflow_id: sleeps, argument: '${{a}}'}}}}}}]}}"
    ),
}
SHARES = ("sleeps", "awaits", "sleeps", "parent")
"""One of each kind for every four; a parent brings a child, which is counted too."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Sizes in MB, times in seconds."""

    count: int
    database: float
    memory_growth: float
    begun: float
    first_answer: float
    memory_growth_after_restart: float
    woken: float


def measure(folder: Path, count: int) -> Figures:
    """Begin at least ``count`` executions that wait, and look at what they cost."""
    with ServerProcess(folder / "state") as server:
        for name, source in SOURCES.items():
            server.post(f"/v1/{PARENT}/workflows?workflowId={name}", {"sourceContents": source})
        start_all(server, 200)
        until_waiting(server, 200 + 50)
        idle = memory(server)
        begun = time.monotonic()
        start_all(server, count * len(SHARES) // (len(SHARES) + 1))
        waiting = until_waiting(server, count)
        begun = time.monotonic() - begun
        growth = memory(server) - idle
        size = sum(file.stat().st_size for file in (folder / "state").glob("*.db*")) / 1e6
        server.kill()
        killed = time.monotonic()
        server.restart()
        server.get(f"/v1/{PARENT}/workflows/sleeps")
        first_answer = time.monotonic() - killed
        woken = wake_one(server)
        after = memory(server) - idle
    return Figures(waiting, size, growth, begun, first_answer, after, woken)


@contextmanager
def connection(server: ServerProcess) -> Iterator[http.client.HTTPConnection]:
    """Open one connection."""
    opened = http.client.HTTPConnection(server.address.removeprefix("http://"), timeout=60)
    try:
        yield opened
    finally:
        opened.close()


def start_all(server: ServerProcess, count: int) -> None:
    """Start so many executions over many connections, one kind after the other."""
    numbers, lock = iter(range(count)), threading.Lock()
    body = json.dumps({"argument": json.dumps(ARGUMENT)})

    def start() -> None:
        with connection(server) as own:
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                path = f"/v1/{PARENT}/workflows/{SHARES[number % len(SHARES)]}/executions"
                post(own, path, body)

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for future in [pool.submit(start) for _ in range(CONNECTIONS)]:
            future.result()


def post(own: http.client.HTTPConnection, path: str, body: str) -> None:
    """Send one request, again on a new connection if the server has closed this one, which idled."""
    headers = {"content-type": "application/json"}
    for is_last in (False, True):
        try:
            own.request("POST", path, body, headers)
            response = own.getresponse()
            answer = response.read()
        except OSError:  # it may have been made all the same; there is one more then
            own.close()
            if is_last:
                raise
        else:
            assert response.status == 200, answer
            return


def until_waiting(server: ServerProcess, count: int) -> int:
    """Return how many executions wait once it is at least ``count``, and none is in memory."""
    import sqlite3  # noqa: PLC0415 - only to look

    file = next(server.state_dir.glob("*.db"))
    while True:
        looking = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        active, busy = looking.execute(
            "SELECT COUNT(*), COALESCE(SUM(needs_engine), 0) FROM workflow_executions WHERE state = 'ACTIVE'"
        ).fetchone()
        looking.close()
        if active >= count and busy == 0:
            return int(active)
        time.sleep(0.2)


def wake_one(server: ServerProcess) -> float:
    """Return the seconds from a callback to the end of the execution that awaits it."""
    found: dict[str, Any] = server.get(f"/v1/{PARENT}/workflows/awaits/executions?pageSize=1")
    name = found["executions"][0]["name"]
    callback = server.get(f"/v1/{name}/callbacks")["callbacks"][0]["name"]
    begun = time.monotonic()
    server.post(f"/v1/{callback}", {"approved": True})
    ended = server.post(f"/jubako/v1/{name}:wait", {"timeout": "20s"})
    assert json.loads(ended["result"]) == {"approved": True}, ended
    return time.monotonic() - begun


def memory(server: ServerProcess) -> float:
    """Return the resident memory of the server's process."""
    lines = Path(f"/proc/{server.pid}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def main() -> int:
    """Print the figures; exit with 1 over a budget."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=100_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seen = measure(Path(folder), given.count)
    print(
        f"{seen.count:,} waiting executions, begun in {seen.begun:.1f} s ({seen.count / seen.begun:,.0f}/s)"
    )
    print(f"  database {seen.database:.0f} MB (budget {DATABASE_MB} for 100,000)")
    print(f"  the server's memory grew by {seen.memory_growth:.1f} MB (budget {MEMORY_MB})")
    print(f"  killed and started again: first answer after {seen.first_answer:.2f} s")
    print(f"    its memory then: {seen.memory_growth_after_restart:+.1f} MB beside the idle one")
    print(f"    a callback ended its execution in {seen.woken * 1000:.0f} ms")
    return int(
        seen.database > DATABASE_MB or max(seen.memory_growth, seen.memory_growth_after_restart) > MEMORY_MB
    )


if __name__ == "__main__":
    sys.exit(main())
