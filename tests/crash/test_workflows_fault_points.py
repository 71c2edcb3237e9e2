"""The workflows box dies at each of its points; the next life ends the same execution with the same result."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jubako.testing.faults import EXIT_CODE

PROGRAM = Path(__file__).with_name("workflows_program.py")
POINTS = (
    "store.commit.before",
    "store.commit.after",
    "workflows.turn.before_commit",
    "workflows.turn.after_commit",
    "timers.fire.before_commit",
)


def life(state: Path, point: str = "", visit: int = 0) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(PROGRAM), str(state), point, str(visit)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def seen(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.slow
def test_the_points_are_all_there_are(tmp_path: Path) -> None:
    assert set(seen(life(tmp_path))["points"]) == set(POINTS)


@pytest.mark.slow
@pytest.mark.parametrize("visit", [1, 2, 4])
@pytest.mark.parametrize("point", POINTS)
def test_a_death_there_changes_nothing(tmp_path: Path, point: str, visit: int) -> None:
    first = life(tmp_path, point, visit)
    if first.returncode == 0:
        pytest.skip(f"{point} is not visited {visit} times")
    assert first.returncode == EXIT_CODE, first.stderr
    told = seen(life(tmp_path))
    assert (told["state"], json.loads(told["result"])) == ("SUCCEEDED", 121)
    assert len(list((tmp_path / "cloud").iterdir())) == 3, "a job was started under two names"
    assert seen(life(tmp_path))["name"] == told["name"]
