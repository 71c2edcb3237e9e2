"""The command as a process of its own: on a terminal, and interrupted."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

WAIT = ("run", "jobs", "execute", "hello", "--wait")


@contextmanager
def process(google: Any, *words: str, **streams: Any) -> Iterator[subprocess.Popen[bytes]]:
    environ = {**os.environ, "JUBAKO_SERVER": google.address, "TERM": "xterm", "COLUMNS": "70", "LINES": "24"}
    with subprocess.Popen([sys.executable, "-m", "jubako", *words], env=environ, **streams) as child:
        try:
            yield child
        finally:
            child.kill()


def read_to_end(terminal: int) -> str:
    seen = b""
    while True:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:  # Linux says EIO when the last writer has left
            break
        if not chunk:
            break
        seen += chunk
    return seen.decode()


@pytest.fixture
def deployed(google: Any, jubako: Any) -> Any:
    assert jubako("run", "jobs", "deploy", "hello", "--command", "true", "--tasks", "4").code == 0
    return google


def test_on_a_terminal_the_progress_is_one_line_drawn_again_in_place(deployed: Any) -> None:
    ours, theirs = pty.openpty()
    with process(deployed, *WAIT, stdin=theirs, stdout=theirs, stderr=theirs) as child:
        os.close(theirs)
        seen = read_to_end(ours)
        assert child.wait(30) == 0
    os.close(ours)
    assert "hello-abcde  ░░░░" in seen
    assert "\x1b[1A" in seen
    assert "4 / 4 complete" in seen


def test_ctrl_c_while_waiting_says_that_the_execution_goes_on(deployed: Any) -> None:
    deployed.polls_until_done = 1_000_000
    with process(deployed, *WAIT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stderr is not None
        assert b"Running" in child.stderr.readline()
        child.send_signal(signal.SIGINT)
        told = child.stderr.read().decode()
        assert child.wait(30) == 130
    assert "execution [hello-abcde] goes on" in told
    assert "jubako run jobs executions cancel hello-abcde" in told
    assert "Traceback" not in told
