"""Workflows of no-op HTTP calls through our engine, beside the bare calls and other engines, in one run.

1. ``chain``: 40 GETs, one after another: Jubako, Restate, DBOS on SQLite, Prefect, Ray. ``short``: 3 of them, with what
   we add to a step. ``posts``: 3 POSTs, each of which waits until all before it is durable. A run is one request from a
   client: creation, steps, end and result; a peer's is what its own client does.
2. ``fan``: 1,000 executions of 20 durable steps, beside the disk's own rate of group commits of one row a step, in
   three ways: as one Python client of 32 connections sees it, from its first request to the last result in its hands;
   by the engine's times, from the first ``createTime`` to the last ``endTime``; and with all 1,000 waiting for the same
   instant, from it to the last ``endTime``. Only in the last way are all of them under way at once, without a client.
3. ``waking``: an execution of 100,000 past steps. Peers that are not installed are skipped by name.

Usage: python benchmarks/workflow_chain.py [--peers PYTHON] [--restate RESTATE_SERVER] [--runs 20] [--only chain,...]
       [--names restate,dbos,...]
``--peers`` is a Python that has restate-sdk, hypercorn, dbos, prefect and ray; RESTATE_SERVER is the binary of the
npm package @restatedev/restate-server.
"""

import argparse
import http.client
import json
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jubako.testing.server import PARENT, ServerProcess

PEERS_SCRIPT = Path(__file__).with_name("workflow_peers.py")
WARM = 3
STEP_BUDGET_MS = 0.7
PEER_S = 135
"""How long a peer may take for all of its runs, with its start."""
FAN_OUT, FAN_STEPS = 1_000, 20
FAN_BUDGET = 5_000
CONNECTIONS = 32
FAN_WAIT_S = 15
"""How long the executions of the third way wait for their instant: long enough to start them all."""
LONG_STEPS = 99_000
LONG_SOURCE = f"""
main:
  steps:
    - loop:
        for:
          value: n
          range: [1, {LONG_STEPS // 3}]
          steps:
            - a: {{assign: [{{x: "${{n}}"}}]}}
            - b: {{assign: [{{y: "${{n}}"}}]}}
            - c: {{assign: [{{z: "${{n}}"}}]}}
    - make: {{call: events.create_callback_endpoint, args: {{http_callback_method: POST}}, result: door}}
    - wait: {{call: events.await_callback, args: {{callback: "${{door}}"}}}}
    - done: {{return: ok}}
"""


def chain_source(steps: int, port: int, verb: str = "get") -> str:
    """Return a workflow of so many calls, one after another."""
    call = f'{{call: http.{verb}, args: {{url: "http://127.0.0.1:{port}/"}}, result: r}}'
    lines = [f"    - s{number}: {call}" for number in range(steps)]
    return "main:\n  steps:\n" + "\n".join(lines) + '\n    - done: {return: "${r.code}"}\n'


def fan_source(step: str) -> str:
    """Return a workflow that waits until its argument, an instant or null, then makes so many steps."""
    return f"""
main:
  params: [at]
  steps:
    - check: {{switch: [{{condition: "${{at == null}}", next: loop}}]}}
    - wait: {{call: sys.sleep_until, args: {{time: "${{at}}"}}}}
    - loop:
        for: {{value: n, range: [1, {FAN_STEPS}], steps: [{{one: {step}}}]}}
    - done: {{return: ok}}
"""


class Jubako:
    """Our server, spoken to on one connection that stays open."""

    def __init__(self, server: ServerProcess) -> None:
        self._connection = http.client.HTTPConnection(server.address.removeprefix("http://"))
        self._server = server

    def another(self) -> "Jubako":
        """Return a client with a connection of its own."""
        return Jubako(self._server)

    def call(self, path: str, body: object) -> dict[str, object]:
        """Return the answer of a POST."""
        headers = {"content-type": "application/json"}
        try:
            self._connection.request("POST", path, body=json.dumps(body).encode(), headers=headers)
        except BrokenPipeError:  # the server closes connections that idle while a peer has its turn
            self._connection.close()
            self._connection.request("POST", path, body=json.dumps(body).encode(), headers=headers)
        response = self._connection.getresponse()
        answer: dict[str, object] = json.loads(response.read())
        assert response.status == 200, answer
        return answer

    def deploy(self, name: str, source: str) -> None:
        """Create a workflow."""
        path = f"/v1/{PARENT}/workflows?workflowId={name}"
        operation = self.call(path, {"sourceContents": source})
        while not operation.get("done"):
            time.sleep(0.02)
            operation = self._server.get(f"/v1/{operation['name']}")

    def start(self, name: str, argument: str = "null") -> str:
        """Start an execution and return its name."""
        return str(self.call(f"/v1/{PARENT}/workflows/{name}/executions", {"argument": argument})["name"])

    def span(self, name: str) -> tuple[datetime, datetime]:
        """Return when the first execution of a workflow was created, and when the last one ended."""
        path = f"/v1/{PARENT}/workflows/{name}/executions?pageSize={FAN_OUT}"
        found = self._server.get(path)["executions"]
        assert len(found) == FAN_OUT, len(found)
        return _instant(min(e["createTime"] for e in found)), _instant(max(e["endTime"] for e in found))

    def awaited(self, execution: str) -> str:
        """Return the name of the callback that an execution awaits, once it does."""
        while True:
            found = self._server.get(f"/v1/{execution}/callbacks").get("callbacks", [])
            if found and found[0]["waiters"] == "1":
                return str(found[0]["name"])
            time.sleep(0.02)

    def run(self, name: str) -> None:
        """Start an execution and wait for its end, in one request as the peers do."""
        ended = self.call(f"/jubako/v1/{PARENT}/workflows/{name}:run?timeout=60s", {})
        assert ended["state"] == "SUCCEEDED", ended


def timed(work: Callable[[], object], runs: int) -> list[float]:
    seconds = []
    for number in range(WARM + runs):
        begun = time.perf_counter()
        work()
        if number >= WARM:
            seconds.append(time.perf_counter() - begun)
    return seconds


@contextmanager
def local_server() -> Iterator[int]:
    """Run the server that the steps call."""
    process = subprocess.Popen(
        [sys.executable, str(PEERS_SCRIPT), "serve"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def peer_run(given: argparse.Namespace, peer: str, port: int, steps: int) -> list[float] | str:
    """Return the seconds of a peer's runs, or why there are none."""
    python = sys.executable if peer == "bare" else given.peers
    if python is None or (peer == "restate" and given.restate is None):
        return "skipped: not installed"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "seconds"
        command = [python, str(PEERS_SCRIPT), peer, str(port), str(steps), str(given.runs), str(out)]
        environment = {**os.environ, "RESTATE_SERVER": given.restate or ""}
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            process.wait(PEER_S)
        except subprocess.TimeoutExpired:
            return f"did not end {WARM + given.runs} runs in {PEER_S} s"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # peers leave servers behind
            process.wait()
        if not out.exists():
            return f"failed with status {process.returncode}"
        seconds: list[float] = json.loads(out.read_text("utf-8"))
        return seconds


def shown(name: str, seconds: list[float], steps: int, ours: float) -> None:
    middle = statistics.median(seconds)
    print(
        f"  {name:8} median {middle * 1000:8.2f} ms = {middle / steps * 1000:6.2f} ms a step"
        f"   (best {min(seconds) * 1000:.2f})   {middle / ours:5.2f} x jubako"
    )


def chain(given: argparse.Namespace, client: Jubako, port: int, steps: int, peers: list[str]) -> None:
    """Print a chain's times."""
    client.deploy(f"chain{steps}", chain_source(steps, port))
    ours = timed(lambda: client.run(f"chain{steps}"), given.runs)
    middle = statistics.median(ours)
    print(f"chain of {steps} calls:")
    shown("jubako", ours, steps, middle)
    for peer in peers:
        seconds = peer_run(given, peer, port, steps)
        if isinstance(seconds, str):
            print(f"  {peer:8} {seconds}")
            continue
        shown(peer, seconds, steps, middle)
        if peer == "bare":
            over = (middle - statistics.median(seconds)) / steps * 1000
            print(f"           jubako adds {over:.2f} ms a step (budget {STEP_BUDGET_MS} ms)")


def commit_rate(folder: Path, rows: int, group: int) -> float:
    """Return rows per second of one SQLite file with ``group`` rows in a commit, as durable as ours."""
    connection = sqlite3.connect(folder / f"disk-{group}.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(
        "CREATE TABLE journal (execution TEXT, seq BIGINT, outcome TEXT, PRIMARY KEY (execution, seq))"
    )
    begun = time.perf_counter()
    for first in range(0, rows, group):
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO journal VALUES (?, ?, ?)",
            [
                (f"execution-{number}", first, '{"name":"main/loop/note#0","value":null}')
                for number in range(group)
            ],
        )
        connection.execute("COMMIT")
    seconds = time.perf_counter() - begun
    connection.close()
    return rows / seconds


def start_many(client: Jubako, name: str, count: int, argument: str) -> list[str]:
    """Start executions from many connections at once, so that their commits can share."""
    clients = threading.local()

    def start(_number: int) -> str:
        if not hasattr(clients, "own"):
            clients.own = client.another()
        return str(clients.own.start(name, argument))

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return [*pool.map(start, range(count))]


def run_all(client: Jubako, name: str, argument: str = "null") -> tuple[float, float]:
    """Run them; return the seconds until all were requested, and until the last result was in hand."""
    begun = time.perf_counter()
    executions = start_many(client, name, FAN_OUT, argument)
    requested = time.perf_counter() - begun
    for execution in executions:
        ended = client.call(f"/jubako/v1/{execution}:wait", {"timeout": "60s"})
        assert ended["state"] == "SUCCEEDED", ended
    return requested, time.perf_counter() - begun


def fan(client: Jubako, port: int, folder: Path) -> None:
    """Print the rates of many executions at once: of calls, and of steps that are only written down."""
    steps = FAN_OUT * FAN_STEPS
    disk = commit_rate(folder, steps, 512)
    print(
        f"{FAN_OUT} executions of {FAN_STEPS} steps (budget {FAN_BUDGET:,} steps/s); the disk, in the same run:"
    )
    print(f"  {disk:,.0f} rows/s in commits of 512")
    kinds = {
        "log": "{call: sys.log, args: {text: x}}",
        "http": f'{{call: http.get, args: {{url: "http://127.0.0.1:{port}/"}}}}',
    }
    for kind, step in kinds.items():
        client.deploy(f"fan-{kind}", fan_source(step))
        requested, seconds = run_all(client, f"fan-{kind}")
        first, last = client.span(f"fan-{kind}")
        engine = (last - first).total_seconds()
        print(f"  {kind} steps, to the client: {steps / seconds:,.0f} steps/s ({seconds:.2f} s;", end=" ")
        print(f"all requested after {requested:.2f} s)")
        print(f"  {kind} steps, creations and steps: {steps / engine:,.0f} steps/s ({engine:.2f} s)")
        client.deploy(f"together-{kind}", fan_source(step))
        at = datetime.now(UTC) + timedelta(seconds=FAN_WAIT_S)
        requested, _ = run_all(client, f"together-{kind}", json.dumps(at.isoformat()))
        assert requested < FAN_WAIT_S, "the executions were not all waiting when their instant came"
        seconds = (client.span(f"together-{kind}")[1] - at).total_seconds()
        print(f"  {kind} steps, all at one instant: {steps / seconds:,.0f} steps/s ({seconds:.2f} s)")


def waking(client: Jubako, runs: int) -> None:
    """Print how long it takes from a callback to the end of an execution with a long past, which has left memory."""
    client.deploy("long", LONG_SOURCE)
    seconds = []
    for _ in range(runs):
        name = client.start("long")
        callback = client.awaited(name)
        begun = time.perf_counter()
        client.call(f"/v1/{callback}", {})
        ended = client.call(f"/jubako/v1/{name}:wait", {"timeout": "60s"})
        seconds.append(time.perf_counter() - begun)
        assert ended["state"] == "SUCCEEDED", ended
    print(
        f"waking an execution of {LONG_STEPS:,} past steps, from the callback to its end: "
        f"{statistics.median(seconds) * 1000:.1f} ms (budget 50 ms)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", help="a Python that has the peers")
    parser.add_argument("--restate", help="the restate-server binary")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--only", default="chain,short,posts,fan,waking")
    parser.add_argument("--names", default="restate,dbos,prefect,ray", help="which peers")
    given = parser.parse_args()
    wanted = given.only.split(",")
    print(f"load {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
    with (
        tempfile.TemporaryDirectory() as folder,
        local_server() as port,
        ServerProcess(Path(folder) / "state") as server,
    ):
        client = Jubako(server)
        if "chain" in wanted:
            chain(given, client, port, 40, ["bare", *given.names.split(",")])
        if "short" in wanted:
            chain(given, client, port, 3, ["bare", "restate"])
            print(
                f"           the disk: {1000 / commit_rate(Path(folder), 300, 1):.2f} ms a commit of one row"
            )
        if "posts" in wanted:
            client.deploy("posts", chain_source(3, port, "post"))
            middle = statistics.median(timed(lambda: client.run("posts"), given.runs))
            print(f"chain of 3 POSTs: jubako median {middle * 1000:.2f} ms")
        if "fan" in wanted:
            fan(client, port, Path(folder))
        if "waking" in wanted:
            waking(client, 10)
        print(f"runners that failed: {server.log().count('runner_failed')}")
    print(f"load {os.getloadavg()[0]:.2f}")


if __name__ == "__main__":
    main()
