"""A full disk: nothing that was accepted is lost, new work is refused with the reason, reading goes on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jubako.testing.server import PARENT, ApiError, ServerProcess

WAIT_FOR = "until [ -e {go} ]; do sleep 0.05; done"
Disk = Callable[[Path, str], Path]


def fill(folder: Path) -> Path:
    """Write until there is no room left, to the last byte; return what took it."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 4_096, 1):
            try:
                while file.write(b"x" * size):
                    pass
            except OSError:
                continue
    return path


def test_a_store_without_room_refuses_new_work_and_records_what_ends_once_there_is_room(
    tmp_path: Path, disk: Disk, make_jobs: Any, until: Any
) -> None:
    volume, go = disk(tmp_path / "volume", "48m"), tmp_path / "go"
    with ServerProcess(volume / "state") as server:
        jobs = make_jobs(server)
        command = ["sh", "-c", WAIT_FOR.format(go=go)]
        jobs.deploy("waits", command, taskCount=4, parallelism=4, maxRetries=3)
        operation = jobs.run("waits")
        until(lambda: jobs.execution(operation).get("runningCount") == 4)
        filler = fill(volume)
        with pytest.raises(ApiError) as refused:
            jobs.run("waits")
        assert (refused.value.http_status, refused.value.status) == (429, "RESOURCE_EXHAUSTED")
        assert "disk that holds the state directory is full" in refused.value.message
        with pytest.raises(ApiError) as refused:
            jobs.deploy("another", ["true"])
        assert refused.value.status == "RESOURCE_EXHAUSTED"
        go.touch()
        for _ in range(20):
            jobs.answers_within()
        assert not server.get(f"/v2/{operation['name']}").get("done")
        filler.unlink()
        ended = jobs.ended(operation)
        assert (ended["succeededCount"], ended.get("retriedCount", 0)) == (4, 0)
        assert [job["name"] for job in server.get(f"/v2/{PARENT}/jobs")["jobs"]] == [f"{PARENT}/jobs/waits"]
        assert len(server.get(f"/v2/{PARENT}/jobs/waits/executions")["executions"]) == 1
        assert jobs.ended(jobs.run("waits"))["succeededCount"] == 4


def test_a_server_that_dies_on_a_full_disk_loses_nothing(
    tmp_path: Path, disk: Disk, make_jobs: Any, until: Any
) -> None:
    volume, go = disk(tmp_path / "volume", "48m"), tmp_path / "go"
    with ServerProcess(volume / "state") as server:
        jobs = make_jobs(server)
        jobs.deploy("waits", ["sh", "-c", WAIT_FOR.format(go=go)], taskCount=4, parallelism=4)
        operation = jobs.run("waits")
        until(lambda: jobs.execution(operation).get("runningCount") == 4)
        filler = fill(volume)
        server.kill()
        with pytest.raises(RuntimeError, match="No space left"):
            server.restart()
        go.touch()
        filler.unlink()
        server.restart()
        assert jobs.ended(operation)["succeededCount"] == 4
        assert len(jobs.attempts(operation)) == 1


def test_a_log_volume_without_room_stops_the_program_that_writes_and_nobody_else(
    tmp_path: Path, disk: Disk, make_jobs: Any
) -> None:
    state = tmp_path / "state"
    disk(state / "attempts", "16m")
    with ServerProcess(state) as server:
        jobs = make_jobs(server)
        jobs.deploy("floods", ["sh", "-c", "yes | head -c 40000000"])
        jobs.deploy("silent", ["true"], taskCount=3)
        operation = jobs.run("floods")
        ended = jobs.ended(operation)
        assert ended["failedCount"] == 1
        [attempt] = jobs.attempts(operation)
        assert (attempt["result"]["exitCode"], attempt["output"]) == (1, "AVAILABLE")
        jobs.answers_within()
        assert jobs.output(operation)[:2] == ["y", "y"]
        assert jobs.ended(jobs.run("silent"))["succeededCount"] == 3
        server.call("DELETE", f"/v2/{ended['name']}")
        assert jobs.ended(jobs.run("floods"))["failedCount"] == 1
        assert jobs.ended(jobs.run("silent"))["succeededCount"] == 3
