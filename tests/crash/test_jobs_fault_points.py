"""The server of the jobs box dies at every named point, and the next one brings everything to its one end.

The checker trusts the effects file that the tasks append to, and what the last life tells its client.
"""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from jubako.testing.faults import EXIT_CODE

PROGRAM = Path(__file__).with_name("jobs_program.py")
TASKS = 12
POINTS = {
    "run": [
        "store.commit.before", "store.commit.after", "jobs.claim.after_commit", "jobs.submit.after",
        "jobs.apply.before_commit", "jobs.run.after_commit", "jobs.recover.before_submit",
    ],
    "cancel": ["jobs.cancel.after_commit", "jobs.cancel.before_runtime", "jobs.apply.before_commit"],
}  # fmt: skip


def live(state: Path, point: str, visit: int, action: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROGRAM), str(state), point, str(visit), action],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def last_life(state: Path, action: str) -> dict[str, Any]:
    ended = live(state, "", 0, action)
    assert ended.returncode == 0, ended.stderr
    seen: dict[str, Any] = json.loads(ended.stdout)
    return seen


def effects(state: Path) -> list[tuple[int, int, int]]:
    file = state / "effects"
    lines = file.read_text().splitlines() if file.exists() else []
    return [(int(index), int(attempt), int(pid)) for index, attempt, pid in map(str.split, lines)]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("action", POINTS)
def test_every_point_that_a_run_passes_is_killed_at(tmp_path: Path, action: str) -> None:
    seen = last_life(tmp_path, action)
    passed = {point for point in seen["points"] if action == "run" or point.startswith("jobs.")}
    # Points of a run are tried under "run"; a cancel adds its own.
    tried = {*POINTS["run"], *POINTS[action]}
    assert passed - tried == set()


@pytest.mark.slow
@pytest.mark.parametrize("visit", [1, 3])
@pytest.mark.parametrize("point", POINTS["run"])
def test_a_run_ends_once_wherever_its_server_died(tmp_path: Path, point: str, visit: int) -> None:
    first = live(tmp_path, point, visit, "run")
    assert first.returncode in {EXIT_CODE, 0}, first.stderr
    assert visit > 1 or first.returncode == EXIT_CODE, f"{point} was not passed"
    seen = last_life(tmp_path, "run")
    assert seen["counts"] == [TASKS, 0, 0]
    # The supervisor lived through it: nothing was lost, so that every task ran exactly once.
    assert Counter((index, attempt) for index, attempt, _ in effects(tmp_path)) == Counter(
        {(index, 0): 1 for index in range(TASKS)}
    )


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS["cancel"])
def test_a_cancel_is_kept_wherever_its_server_died(tmp_path: Path, point: str) -> None:
    first = live(tmp_path, point, 1, "cancel")
    assert first.returncode == EXIT_CODE, first.stderr
    seen = last_life(tmp_path, "cancel")
    assert seen["counts"] == [0, 0, TASKS]
    found = effects(tmp_path)
    assert len({(index, attempt) for index, attempt, _ in found}) == len(found)
    assert not any(is_alive(pid) for _, _, pid in found)
