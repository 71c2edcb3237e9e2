"""The peers of workflow_chain.py, each in its own process: N steps, one after another, each a GET of a local server.

Run by workflow_chain.py with a Python that has the peer installed; prints the seconds of each run as JSON.
A peer journals each step its own way: Restate and DBOS durably, Prefect in its server's database, Ray not at all.
"""

import asyncio
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

WARM = 3


class Getter:
    """A GET on a connection that stays open."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port)

    def get(self) -> int:
        """Return the status."""
        self._connection.request("GET", "/")
        response = self._connection.getresponse()
        response.read()
        return response.status


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def timed(work: Callable[[], object], runs: int, warm: int = WARM) -> list[float]:
    """Return the seconds of each run, after a few that warm up."""
    seconds = []
    for number in range(warm + runs):
        begun = time.perf_counter()
        work()
        if number >= warm:
            seconds.append(time.perf_counter() - begun)
    return seconds


def bare(port: int, steps: int, runs: int) -> list[float]:
    """The calls alone."""
    getter = Getter(port)

    def chain() -> None:
        for _ in range(steps):
            assert getter.get() == 200

    return timed(chain, runs)


def dbos(port: int, steps: int, runs: int) -> list[float]:
    """DBOS on SQLite."""
    from dbos import DBOS  # noqa: PLC0415

    folder = tempfile.mkdtemp()
    config: Any = {
        "name": "chain",
        "system_database_url": f"sqlite:///{folder}/dbos.sqlite",
        "run_admin_server": False,
    }
    DBOS(config=config)
    getter = Getter(port)

    @DBOS.step()
    def step() -> int:
        return getter.get()

    @DBOS.workflow()
    def chain() -> int:
        return sum(step() for _ in range(steps))

    DBOS.launch()
    assert chain() == 200 * steps
    return timed(chain, runs)


def prefect(port: int, steps: int, runs: int) -> list[float]:
    """Prefect with its server on SQLite, in a process of its own as its documentation recommends."""
    served = free_port()
    os.environ |= {
        "PREFECT_HOME": tempfile.mkdtemp(),
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_ENABLED": "false",
        "PREFECT_API_URL": f"http://127.0.0.1:{served}/api",
    }
    server = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(served)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _patiently(lambda: _reached(served, "/api/health"), 120)
        return _prefect_runs(port, steps, runs)
    finally:
        server.terminate()
        server.wait()


def _prefect_runs(port: int, steps: int, runs: int) -> list[float]:
    from prefect import flow, task  # noqa: PLC0415

    getter = Getter(port)

    @task
    def step() -> int:
        return getter.get()

    @flow
    def chain() -> int:
        return sum(step() for _ in range(steps))

    assert chain() == 200 * steps
    return timed(chain, min(runs, 3), warm=0)  # a run takes seconds


def ray(port: int, steps: int, runs: int) -> list[float]:
    """Ray tasks, one after another; nothing is durable."""
    import ray as peer  # noqa: PLC0415

    peer.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")

    @peer.remote
    def step() -> int:
        return Getter(port).get()

    def chain() -> int:
        return sum(peer.get(step.remote()) for _ in range(steps))

    assert chain() == 200 * steps
    return timed(chain, runs)


def restate(port: int, steps: int, runs: int) -> list[float]:
    """Restate: its server, and one Python worker behind it."""
    return asyncio.run(_restate(port, steps, runs))


async def _restate(port: int, steps: int, runs: int) -> list[float]:
    import hypercorn.asyncio  # noqa: PLC0415
    import restate as peer  # noqa: PLC0415

    service = peer.Service("chain")
    getter = Getter(port)

    async def step() -> int:
        return getter.get()

    @service.handler()
    async def run(ctx: Any, _given: dict[str, Any]) -> int:
        done = 0
        for number in range(steps):
            done += await ctx.run_typed(f"step{number}", step)
        return done

    ingress, admin, worker = free_port(), free_port(), free_port()
    config = hypercorn.Config()
    config.bind = [f"127.0.0.1:{worker}"]
    config.errorlog = None
    serving = asyncio.create_task(hypercorn.asyncio.serve(peer.app([service]), config))
    server = _restate_server(ingress, admin)
    try:
        return await asyncio.to_thread(_restate_runs, (ingress, admin, worker), 200 * steps, runs)
    finally:
        server.terminate()
        server.wait()
        serving.cancel()


def _restate_server(ingress: int, admin: int) -> subprocess.Popen[bytes]:
    folder = tempfile.mkdtemp()
    return subprocess.Popen(
        [os.environ["RESTATE_SERVER"], "--base-dir", folder, "--node-name", "one"],
        env={
            **os.environ,
            "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{ingress}",
            "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{admin}",
            "RESTATE_BIND_ADDRESS": f"127.0.0.1:{free_port()}",
            "RESTATE_DEFAULT_NUM_PARTITIONS": "1",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _restate_runs(ports: tuple[int, int, int], expected: int, runs: int) -> list[float]:
    ingress, admin, worker = ports
    _patiently(
        lambda: _post(admin, "/deployments", {"uri": f"http://127.0.0.1:{worker}", "use_http_11": False}), 30
    )
    _patiently(lambda: _post(ingress, "/chain/run", {}), 30)
    connection = http.client.HTTPConnection("127.0.0.1", ingress)

    def chain() -> None:
        connection.request("POST", "/chain/run", body=b"{}", headers={"content-type": "application/json"})
        assert json.loads(connection.getresponse().read()) == expected

    return timed(chain, runs)


def _post(port: int, path: str, body: object) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        data=json.dumps(body).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        response.read()


def _reached(port: int, path: str) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as response:
        response.read()


def _patiently(work: Callable[[], None], seconds: float) -> None:
    """Do ``work``, again and again until it goes well."""
    end = time.monotonic() + seconds
    while True:
        try:
            return work()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


class Answering(asyncio.Protocol):
    """The local server: 200 with an empty JSON map, on connections that stay open."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Requests here have no body, and come one at a time."""
        assert isinstance(self._transport, asyncio.Transport)
        if data.endswith(b"\r\n\r\n"):
            self._transport.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
            )


async def serve() -> None:
    """Serve until killed; prints the port."""
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


PEERS = {"bare": bare, "restate": restate, "dbos": dbos, "prefect": prefect, "ray": ray}


def main() -> None:
    if sys.argv[1] == "serve":
        asyncio.run(serve())
        return
    peer, port, steps, runs = sys.argv[1], *map(int, sys.argv[2:5])
    seconds = PEERS[peer](port, steps, runs)
    Path(sys.argv[5]).write_text(json.dumps(seconds), "utf-8")
    sys.stdout.flush()
    os._exit(0)  # peers leave threads behind


if __name__ == "__main__":
    main()
