"""A server in a control group of version 2: it divides it where it may, says so where not, and tidies up."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jubako.testing.processes import is_alive
from jubako.testing.server import ServerProcess

HOG = "held = []\nwhile True: held.append(b'x' * (8 << 20))"
ALL = "limits enforced: memory, cpu, pids)"
WAITS = "echo $$ > {file}; while :; do sleep 0.05; done"
ESCAPES = "setsid sh -c 'echo $$ > {file}; sleep 3600' & sleep 3600"
DIVIDES = """
own=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
mkdir $own/mine && echo $$ > $own/mine/cgroup.procs && echo +memory > $own/cgroup.subtree_control
"""


@pytest.fixture
def group(make_group: Any) -> Iterator[Path]:
    with make_group() as made:
        if made is None:
            pytest.skip("controllers of version 2 cannot be had here")
        yield made


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def group_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cgroup").read_text().rpartition("0::")[2].strip()


def inside(group: Path) -> set[str]:
    return {path.name for path in group.iterdir() if path.is_dir()}


def ends_out_of_memory(jobs: Any) -> bool:
    limit = {"resources": {"limits": {"memory": "32Mi"}}}
    jobs.deploy("hog", [sys.executable, "-I", "-S", "-c", HOG], container=limit)
    operation = jobs.run("hog")
    jobs.ended(operation)
    return [attempt["reason"] for attempt in jobs.attempts(operation)] == ["OUT_OF_MEMORY"]


def test_a_server_that_is_alone_makes_way_and_comes_back(group: Path, state: Path, make_jobs: Any) -> None:
    for name in ("one", "two"):
        with ServerProcess(state.with_name(name), group=group) as server:
            assert ALL in server.said
            assert group_of(server.pid).endswith(f"/{group.name}/jubako-server")
            assert ends_out_of_memory(make_jobs(server))
        assert inside(group) == set()
        assert (group / "cgroup.subtree_control").read_text().split() == []


def test_a_server_started_again_beside_its_tasks_takes_them_up(
    group: Path, state: Path, make_jobs: Any, until: Any, tmp_path: Path
) -> None:
    server = ServerProcess(state, group=group, flags=["--grace", "1"]).start()
    try:
        jobs, file = make_jobs(server), tmp_path / "pid"
        jobs.deploy("waits", ["sh", "-c", WAITS.format(file=file)])
        operation = jobs.run("waits")
        pid = int(until(lambda: file.exists() and file.read_text()))
        server.kill()
        server.group = group / "jubako-server"  # where a container's engine puts whatever comes later
        server.restart()
        assert ALL in server.said
        assert is_alive(pid)
        assert ends_out_of_memory(jobs)
        jobs.cancel(operation)
        assert jobs.ended(operation)["cancelledCount"] == 1
        assert [attempt["reason"] for attempt in jobs.attempts(operation)] == ["CANCELLED"]
    finally:
        server.stop()
    assert inside(group) == set()


def test_a_group_that_systemd_made_for_the_server_in_the_delegated_one_is_where_it_comes_again(
    group: Path, state: Path, make_jobs: Any, until: Any
) -> None:
    os.setxattr(group, "user.delegate", b"1")
    (group / "server").mkdir()
    server = ServerProcess(state, group=group / "server").start()
    try:
        assert ALL in server.said
        server.kill()
        server.restart()
        assert ALL in server.said
        assert ends_out_of_memory(make_jobs(server))
    finally:
        server.stop()
    assert inside(group) == {"server"}
    (group / "server").rmdir()


def test_where_others_are_nobody_is_moved_and_it_says_so_but_no_process_escapes(
    group: Path, state: Path, make_jobs: Any, until: Any, tmp_path: Path
) -> None:
    with subprocess.Popen(["/bin/sleep", "3600"]) as stranger:
        try:
            (group / "cgroup.procs").write_text(str(stranger.pid))
            with ServerProcess(state, group=group, flags=["--grace", "1"]) as server:
                assert (
                    f"ended by cgroup, limits enforced: none - other processes are in {group})" in server.said
                )
                assert group_of(stranger.pid) == group_of(server.pid)
                jobs, file = make_jobs(server), tmp_path / "pid"
                jobs.deploy("escapes", ["sh", "-c", ESCAPES.format(file=file)], timeout="1s")
                operation = jobs.run("escapes")
                pid = int(until(lambda: file.exists() and file.read_text()))
                assert jobs.ended(operation)["failedCount"] == 1
                assert not is_alive(pid)
                said = [one.get("message", "") for one in jobs.execution(operation)["conditions"]]
                assert any(f"other processes are in {group}" in message for message in said)
            assert inside(group) == set()
        finally:
            stranger.kill()


def test_the_last_of_two_servers_in_a_group_tidies_up(group: Path, state: Path, make_jobs: Any) -> None:
    with ServerProcess(state, group=group) as second:
        first = ServerProcess(state.with_name("other"), group=group / "jubako-server").start()
        assert ALL in first.said
        first.stop()
        assert ends_out_of_memory(make_jobs(second))
        assert len(inside(group)) == 2
    assert inside(group) == set()


def test_a_task_that_divides_its_own_group_does_not_spoil_it_for_the_next(
    group: Path, state: Path, make_jobs: Any
) -> None:
    with ServerProcess(state, group=group) as server:
        jobs = make_jobs(server)
        jobs.deploy("divides", ["sh", "-e", "-c", DIVIDES], taskCount=6, parallelism=1)
        assert jobs.ended(jobs.run("divides"))["succeededCount"] == 6
