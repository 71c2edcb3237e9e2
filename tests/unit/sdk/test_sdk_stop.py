"""The last word of a task that is told to end."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import signal, sys
from jubako_sdk import on_stop
on_stop(lambda: print("first", flush=True))
on_stop({second})
print("ready", flush=True)
while True: signal.pause()
"""


@pytest.mark.parametrize(
    ("second", "said"),
    [('lambda: print("second", flush=True)', "second\nfirst\n"), ("lambda: 1 / 0", "first\n")],
)
def test_actions_are_called_last_first_and_the_process_ends_by_the_signal(second: str, said: str) -> None:
    command = [sys.executable, "-c", PROGRAM.format(second=second)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read() == said
    assert process.returncode == -signal.SIGTERM
