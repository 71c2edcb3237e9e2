"""``jubako demo telop`` from beginning to end: interrupted, its server killed, gone on with, asked again."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("rapidocr")
pytest.importorskip("sudachipy")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

RUN_S = 200.0


@contextmanager
def demo(state: Path, *flags: str) -> Iterator[subprocess.Popen[str]]:
    """Start the demo into a pipe; standard error comes with standard output."""
    words = [sys.executable, "-m", "jubako", "demo", "telop", "--state", str(state), "--lang", "ja", *flags]
    environ = {
        name: value for name, value in os.environ.items() if name not in {"JUBAKO_SERVER", "JUBAKO_STATE"}
    }
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ
    ) as child:
        try:
            yield child
        finally:
            child.terminate()


def read_until(child: subprocess.Popen[str], word: str) -> list[str]:
    assert child.stdout is not None
    seen = []
    for line in child.stdout:
        seen.append(line)
        if word in line:
            return seen
    raise AssertionError(f"{word!r} never came:\n{''.join(seen)}")


def processes_of(state: Path) -> list[str]:
    """Return the command lines of living processes that know the state directory."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            told = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
        except OSError:
            continue
        if str(state).encode() in told:
            found.append(told[:200].decode(errors="replace"))
    return found


def test_an_interrupted_demo_leaves_nothing_running_goes_on_survives_kill_9_and_ends_with_the_findings(
    tmp_path: Path,
) -> None:
    state = tmp_path / "state"
    with demo(state, "--port", "0") as first:
        read_until(first, "running: ocr")
        first.send_signal(signal.SIGINT)
        assert "goes on where it was" in (first.stdout.read() if first.stdout else "")
        assert first.wait(60) == 130
    assert processes_of(state) == []

    with demo(state) as second:
        seen = read_until(second, "running: ocr")
        assert any("handed in before" in line for line in seen)
        os.kill(json.loads((state / "server.json").read_text())["pid"], signal.SIGKILL)
        rest = second.stdout.read() if second.stdout else ""
        assert second.wait(RUN_S) == 0, rest
    assert "signal 9" in rest
    assert "suspected typos" in rest
    assert "54億" in rest
    assert "one after another" in rest
    assert "recall" in rest
    assert processes_of(state) == []
    (report,) = state.glob("data/telop/receptions/*/report.json")
    assert str(report) in rest

    before = report.read_bytes()
    with demo(state) as third:
        told = third.stdout.read() if third.stdout else ""
        assert third.wait(RUN_S) == 0
    assert "was checked before" in told
    assert report.read_bytes() == before
