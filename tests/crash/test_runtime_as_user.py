"""Namespaces and volumes of somebody without privileges: a user namespace, and a root that shows what is there."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

NOBODY = 65_534
PROGRAM = """
import ctypes, json, os, sys
from jubako.runtime.supervisor import enclosed
from jubako.runtime.supervisor.attempt import Attempt
from jubako.runtime.supervisor.trees import become_subreaper

user, stage, has_pids, spec, null = int(sys.argv[1]), sys.argv[2], sys.argv[3] == "1", json.loads(sys.argv[4]), 0
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # as after an exec: /proc/self is ours
become_subreaper()
means = enclosed.find(stage)
if means.mounts_missing or (has_pids and means.pids_missing):
    print(json.dumps({"missing": means.mounts_missing or means.pids_missing}), flush=True)
    sys.exit()
attempt = Attempt(spec)
try:
    pid = enclosed.Enclosures(means, stage, has_pids=has_pids).start(attempt, (0, 1, 2), "/")
except enclosed.NotStarted as error:
    print(json.dumps({"error": str(error)}), flush=True)
    sys.exit()
_, status = os.waitpid(pid, 0)
print(json.dumps({"status": enclosed.told(attempt, status), "as_user": means.as_user}), flush=True)
"""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")


@pytest.fixture
def stage(tmp_path: Path) -> Path:
    """A directory that others reach, too."""
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)
    (tmp_path / "stage").mkdir()
    return tmp_path / "stage"


def started(stage: Path, script: str, mounts: list[dict[str, Any]], *, has_pids: bool) -> list[str]:
    """Return the lines of a script that runs with these mounts, as somebody without privileges."""
    spec = {
        "id": "t/0",
        "group": "g",
        "parallelism": 1,
        "argv": ["sh", "-c", script],
        "env": {"PATH": "/usr/bin:/bin"},
        "grace": 1,
        "mounts": mounts,
    }
    arguments = [str(NOBODY), str(stage), str(int(has_pids)), json.dumps(spec)]
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    *lines, last = ran.stdout.splitlines() or [""]
    assert last, ran.stderr
    said = json.loads(last)
    if "missing" in said:
        pytest.skip(said["missing"])
    assert said == {"status": 0, "as_user": True}, (said, ran.stderr)
    return lines


def key(path: str) -> dict[str, Any]:
    files = [{"path": "key", "mode": 0o400, "data": "djE="}]
    return {"path": path, "name": "v", "size": 0, "files": files}


@pytest.mark.parametrize("has_pids", [False, True])
def test_somebody_stays_who_they_are_and_sees_their_volumes(stage: Path, has_pids: bool) -> None:
    script = "id -u; cd /jubako-keys; cat key; echo; stat -c %u key; cd /jubako-scratch; echo y > x; cat x"
    scratch = {"path": "/jubako-scratch", "name": "s", "size": 1 << 20, "files": None}
    user = NOBODY if os.geteuid() == 0 else os.geteuid()
    lines = started(stage, script, [key("/jubako-keys"), scratch], has_pids=has_pids)
    assert lines == [str(user), "v1", str(user), "y"]
    assert not Path("/jubako-keys").exists()
    assert not Path("/jubako-scratch").exists()


def test_the_rest_of_the_machine_is_where_it_was(stage: Path) -> None:
    (stage.parent / "file").write_text("here\n")
    script = (
        f"ls -d /usr /etc /proc /dev/null; cat {stage.parent}/file; ls /proc/self/fd > /dev/null && echo fine"
    )
    lines = started(stage, script, [key("/jubako-keys/below")], has_pids=True)
    assert lines == ["/dev/null", "/etc", "/proc", "/usr", "here", "fine"]


def test_they_get_no_privileges_by_it(stage: Path) -> None:
    script = "umount /jubako-keys 2> /dev/null || echo no; grep CapEff /proc/self/status; echo $$"
    lines = started(stage, script, [key("/jubako-keys")], has_pids=True)
    assert lines == ["no", "CapEff:\t0000000000000000", "2"]
