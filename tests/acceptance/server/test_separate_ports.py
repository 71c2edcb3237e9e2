"""``--grpc-port`` and ``--http-port``: each protocol on a port of its own, and nothing of it on the other."""

import re
import select
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jubako.cli.errors import CliError
from jubako.cli.up import serve
from jubako.core.errors import InvalidArgument
from jubako.server import Config

grpc = pytest.importorskip("grpc")
READY = re.compile(r"ready at http://127\.0\.0\.1:(\d+) \(gRPC at 127\.0\.0\.1:(\d+),")


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[..., tuple[int, int]]]:
    """Starts a server; returns its ports for HTTP and gRPC."""
    started: list[subprocess.Popen[str]] = []

    def start(*flags: str) -> tuple[int, int]:
        command = [sys.executable, "-m", "jubako", "up", "--state", str(tmp_path / "state"), *flags]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 30)[0]
        found = READY.search(process.stdout.readline())
        assert found is not None
        return int(found[1]), int(found[2])

    yield start
    for process in started:
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
        assert process.stdout is not None
        process.stdout.close()


def code_of(port: int) -> object:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            channel.unary_unary("/google.cloud.run.v2.Jobs/GetJob")(b"\x0a\x01x", timeout=3)
        except grpc.RpcError as error:
            return error.code()
        raise AssertionError("a job called x")


def test_each_protocol_has_its_own_port(up) -> None:
    http, grpc_port = up("--http-port", "0", "--grpc-port", "0")
    assert http != grpc_port
    with urllib.request.urlopen(f"http://127.0.0.1:{http}/healthz", timeout=20) as response:
        assert response.status == 200
    assert code_of(grpc_port) == grpc.StatusCode.INVALID_ARGUMENT
    assert code_of(http) in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
    with socket.create_connection(("127.0.0.1", grpc_port), timeout=20) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert connection.recv(1) == b""


def test_ports_that_cannot_be_are_refused(tmp_path: Path) -> None:
    for port in (-1, 65536):
        with pytest.raises(InvalidArgument, match="grpc_port"):
            Config(state_dir=tmp_path, grpc_port=port).checked()
    with pytest.raises(InvalidArgument, match="leave it out"):
        Config(state_dir=tmp_path, port=9000, grpc_port=9000).checked()


def test_three_ports_are_one_too_many(tmp_path: Path) -> None:
    from argparse import Namespace
    from typing import Any, cast

    args = Namespace(http_port=1, grpc_port=2, port=3, host="127.0.0.1", log_json=False, offline=False)
    with pytest.raises(CliError, match="nothing is left"):
        serve(args, cast("Any", Namespace(state=tmp_path)))
