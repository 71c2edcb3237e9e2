"""Services of a whole server that is killed, and that carries large bodies."""

import http.client
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from jubako.testing.server import PARENT, ApiError, ServerProcess

ECHO = Path(__file__).with_name("echo_service.py")
SERVICE = "/run/local/asia-northeast1/echo"
MEGABYTE = b"m" * 1_000_000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path / "state") as server:
        container = {
            "command": [sys.executable],
            "args": [str(ECHO)],
            "env": [{"name": "STARTS", "value": str(tmp_path / "starts")}],
        }
        server.post(f"/v2/{PARENT}/services?serviceId=echo", {"template": {"containers": [container]}})
        yield server


def connect(server: ServerProcess) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(server.address).netloc, timeout=60)


def peak_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text("utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def answer(connection: http.client.HTTPConnection) -> Any:
    with connection.getresponse() as reply:
        assert reply.status == 200, reply.read()
        return json.loads(reply.read())


@pytest.mark.slow
def test_an_instance_outlives_three_kills_of_the_server(server: ServerProcess, tmp_path: Path) -> None:
    pid = server.get(f"{SERVICE}/")["pid"]
    for _ in range(3):
        server.kill()
        server.restart()
        assert server.get(f"{SERVICE}/")["pid"] == pid
    assert (tmp_path / "starts").read_text().split() == [str(pid)]


@pytest.mark.slow
def test_a_server_that_stops_ends_its_instances_and_the_next_one_starts_them_again(
    server: ServerProcess, tmp_path: Path
) -> None:
    pid = server.get(f"{SERVICE}/")["pid"]
    server.stop()
    assert not Path(f"/proc/{pid}").exists()
    server.restart()
    assert server.get(f"{SERVICE}/")["pid"] != pid


@pytest.mark.slow
def test_large_bodies_pass_both_ways_in_little_memory(server: ServerProcess) -> None:
    server.get(f"{SERVICE}/")
    before = peak_bytes(server.pid)
    connection = connect(server)
    connection.request("POST", f"{SERVICE}/", (MEGABYTE for _ in range(200)), encode_chunked=True,
                       headers={"transfer-encoding": "chunked"})  # fmt: skip
    assert answer(connection) == {"bytes": 200_000_000, "chunked": True}
    connection.request("GET", f"{SERVICE}/big?bytes=200000000")
    with connection.getresponse() as reply:
        count = sum(len(piece) for piece in iter(lambda: reply.read(1 << 20), b""))
    assert count == 200_000_000
    connection.close()
    assert peak_bytes(server.pid) - before < 16_000_000, peak_bytes(server.pid) - before


@pytest.mark.slow
def test_a_killed_supervisor_takes_the_instance_with_it_and_a_new_one_serves(server: ServerProcess) -> None:
    pid = server.get(f"{SERVICE}/")["pid"]
    os.kill(server.supervisor_pid(), signal.SIGKILL)
    assert eventually(lambda: server.get(f"{SERVICE}/")["pid"] != pid)
    assert eventually(lambda: not Path(f"/proc/{pid}").exists())


def eventually(condition: Callable[[], bool]) -> bool:
    """Return True once it holds; refusals with 502 and 503 meanwhile are what a client has to expect."""
    pause, deadline = threading.Event(), time.monotonic() + 30
    while time.monotonic() < deadline:
        with suppress(ApiError):
            if condition():
                return True
        pause.wait(0.02)
    return False
