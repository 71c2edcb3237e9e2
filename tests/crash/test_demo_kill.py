"""The telop demo while its server, and once its supervisor, are killed: the same report, nothing done twice."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jubako.testing.server import PARENT, ApiError, ServerProcess
from jubako.testing.telop import first_seconds

pytest.importorskip("av", reason="needs the telop extra")
pytest.importorskip("rapidocr", reason="needs the telop extra")
pytest.importorskip("sudachipy", reason="needs the telop extra")

CLIPS = Path(__file__).parents[2] / "src/jubako_apps/telop/clips"
SECONDS = 22.0
PATIENCE_S = 240.0
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the first seconds of the bundled clip, cut without re-encoding."""
    return first_seconds(CLIPS / "en.mp4", tmp_path_factory.mktemp("clip") / "short.mp4", SECONDS)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    server = ServerProcess(tmp_path / "state").start()
    yield server
    server.stop()


def until(condition: Callable[[], Any]) -> Any:
    pause, deadline = threading.Event(), time.monotonic() + PATIENCE_S
    while not (value := condition()):
        assert time.monotonic() < deadline, "the condition did not come true"
        pause.wait(0.1)
    return value


def start_demo(server: ServerProcess, clip: Path, *flags: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "jubako", "demo", "telop", "--state", str(server.state_dir)]
    return subprocess.Popen(
        [*command, "--video", str(clip), "--script", str(CLIPS / "en.srt"), "--segment-seconds", "6", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "JUBAKO_SERVER": ""},
    )


def report_of(server: ServerProcess, demo: "subprocess.Popen[str]") -> bytes:
    """Return the report once the demo has ended well."""
    told, _ = demo.communicate(timeout=PATIENCE_S)
    assert demo.returncode == 0, told
    (report,) = (server.state_dir / "data/telop/receptions").glob("*/report.json")
    return report.read_bytes()


def tasks(server: ServerProcess, job: str) -> list[dict[str, Any]]:
    executions = server.get(f"/v2/{PARENT}/jobs/{job}/executions").get("executions", [])
    assert len(executions) <= 1, "an execution was started twice"
    return [
        task
        for execution in executions
        for task in server.get(f"/v2/{execution['name']}/tasks").get("tasks", [])
    ]


def shards(server: ServerProcess) -> set[str]:
    folder = server.state_dir / "data/telop/receptions"
    return {path.name for path in folder.glob("*/ocr/*.json")}


def has_shards(server: ServerProcess, count: int) -> bool:
    return len(shards(server)) >= count


def running(server: ServerProcess) -> bool:
    try:
        return any("startTime" in task for task in tasks(server, "telop-ocr"))
    except (OSError, ApiError):  # no server, or not deployed yet
        return False


def attempts(server: ServerProcess, job: str) -> list[list[dict[str, Any]]]:
    return [server.get(f"/jubako/v1/{task['name']}/attempts")["attempts"] for task in tasks(server, job)]


@pytest.fixture(scope="module")
def undisturbed(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    with ServerProcess(tmp_path_factory.mktemp("undisturbed") / "state") as server:
        return report_of(server, start_demo(server, clip))


def test_three_kills_of_the_server_change_nothing_in_the_report(
    server: ServerProcess, clip: Path, undisturbed: bytes
) -> None:
    demo = start_demo(server, clip)
    until(lambda: running(server))
    for count in range(3):
        until(partial(has_shards, server, count))
        server.kill()
        server.restart()
    assert report_of(server, demo) == undisturbed
    assert len(shards(server)) == 4
    for job in ("telop-ocr", "telop-speech", "telop-report"):
        assert all(len(tried) == 1 for tried in attempts(server, job)), (
            "a task that survived was started anew"
        )


def test_a_killed_supervisor_costs_attempts_and_changes_nothing_in_the_report(
    server: ServerProcess, clip: Path, undisturbed: bytes
) -> None:
    demo = start_demo(server, clip)
    until(lambda: running(server))
    os.kill(server.supervisor_pid(), signal.SIGKILL)
    assert report_of(server, demo) == undisturbed
    tried = [attempt for task in attempts(server, "telop-ocr") for attempt in task]
    assert any(attempt["reason"] == "LOST" for attempt in tried), tried


def test_an_interrupted_demo_resumes_and_running_it_again_changes_nothing(
    server: ServerProcess, clip: Path, undisturbed: bytes
) -> None:
    demo = start_demo(server, clip)
    until(lambda: running(server))
    demo.send_signal(signal.SIGINT)
    demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert report_of(server, start_demo(server, clip)) == undisturbed
    assert report_of(server, start_demo(server, clip)) == undisturbed
    facts = json.loads(undisturbed)
    assert facts["findings"], "the clip has planted typos"
