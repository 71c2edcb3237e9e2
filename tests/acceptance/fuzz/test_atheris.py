"""Atheris, guided by coverage, against everything that reads what strangers send: a minute each finds nothing."""

import importlib.util
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from jubako.testing.server import ServerProcess

HERE = Path(__file__).parent
SECONDS = int(os.environ.get("JUBAKO_FUZZ_SECONDS", "60"))
SEEDS = [int(seed) for seed in os.environ.get("JUBAKO_FUZZ_SEEDS", "1").split(",")]
TARGETS = [
    "port",
    "answer",
    "protobuf",
    "json",
    "workflow",
    "log-filter",
    "list-filter",
    "cli-filter",
    "metadata",
    "frames",
]
GROWTH_MAX_MB = 200
"""From the end of the seeds to the last run; the corpus that the fuzzer keeps is a part of it."""

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.timeout(SECONDS + 120),
    pytest.mark.skipif(
        importlib.util.find_spec("atheris") is None, reason="atheris is not installed (extra fuzz)"
    ),
]


def fuzz(target: str, seed: int, folder: Path) -> int:
    """Run the fuzzer; return how many inputs it tried, all of them in vain."""
    command = [sys.executable, str(HERE / "fuzz_targets.py"), target, str(folder)]
    command += [f"-max_total_time={SECONDS}", f"-seed={seed}", "-timeout=10", "-max_len=4096"]
    ran = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=SECONDS + 60,
        check=False,
        errors="replace",
    )
    assert ran.returncode == 0, ran.stderr[-10_000:]
    memory = [int(megabytes) for megabytes in re.findall(r"(?:INITED|DONE) .* rss: (\d+)Mb", ran.stderr)]
    assert memory[-1] - memory[0] < GROWTH_MAX_MB, ran.stderr[-2_000:]
    runs = int(re.findall(r"Done (\d+) runs", ran.stderr)[-1])
    sys.stdout.write(f"{target}, seed {seed}: {runs} inputs\n")
    return runs


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("target", TARGETS)
def test_no_input_breaks_what_reads_it(target: str, seed: int, tmp_path: Path) -> None:
    assert fuzz(target, seed, tmp_path) > SECONDS


def test_what_the_fuzzer_found_worth_keeping_does_not_harm_a_real_server(
    victim: ServerProcess, unharmed: Callable[[int], None], tmp_path: Path
) -> None:
    fuzz("port", SEEDS[0], tmp_path)
    kept = [path.read_bytes()[1:] for path in (tmp_path / "corpus").iterdir()]
    sent = [data for data in kept if b"command" not in data and b"\\u" not in data]  # nothing may run here
    for data in sent:
        say(victim, data)
    unharmed(len(sent))


def say(server: ServerProcess, data: bytes) -> None:
    """Send bytes, say that no more come, and wait until the server has closed too."""
    host, _, port = server.address.removeprefix("http://").rpartition(":")
    with socket.create_connection((host, int(port)), timeout=40) as sock, suppress(ConnectionError):
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65_536):
            pass
