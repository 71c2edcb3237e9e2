"""Volumes of jobs, by real processes: secrets as files and directories in memory, seen by one attempt, gone with it."""

import base64
import sys
from pathlib import Path
from typing import Any

import pytest

from jubako.testing.server import PARENT, ApiError

CANARY = "a-value-that-nobody-else-has-7f3a"
SECRETS = "/jubako/v1/projects/local/secrets"
EMPTY_DIR = {"name": "scratch", "emptyDir": {"medium": "MEMORY", "sizeLimit": "1Mi"}}


@pytest.fixture(scope="module", params=["cgroup", "pid-namespace", "subreaper"])
def tree_kill(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def with_secrets(jobs: Any) -> Any:
    """The jobs of a server that has a secret with two versions; skipped where nothing can be mounted."""
    if "no volumes" in jobs.server.said:
        pytest.skip(jobs.server.said)
    jobs.server.post(f"{SECRETS}?secretId=token", {})
    for value in ("old", CANARY):
        data = base64.b64encode(value.encode()).decode()
        jobs.server.post(f"{SECRETS}/token:addVersion", {"payload": {"data": data}})
    return jobs


def deploy(jobs: Any, name: str, script: str, volumes: Any, mounts: dict[str, str], **more: Any) -> None:
    """Store a job that runs a shell script; ``mounts`` has the volume at each path."""
    mounted = [{"name": volume, "mountPath": path} for path, volume in mounts.items()]
    container = {"command": ["sh", "-c", script], "volumeMounts": mounted, **more.pop("container", {})}
    inner = {"maxRetries": more.pop("maxRetries", 0), "volumes": volumes, "containers": [container]}
    jobs.server.post(f"/v2/{PARENT}/jobs?jobId={name}", {"template": {**more, "template": inner}})


def output(jobs: Any, name: str) -> list[str]:
    operation = jobs.run(name)
    ended = jobs.ended(operation)
    assert ended.get("succeededCount") == ended["taskCount"], ended
    return list(jobs.output(operation))


def test_a_secret_is_a_read_only_file_that_nobody_else_sees(with_secrets: Any, tmp_path: Path) -> None:
    place = tmp_path / "keys"
    script = f"cd {place}; cat token; echo; stat -c '%a %n' *; echo x 2>/dev/null > other || echo read-only"
    deploy(with_secrets, "whole", script, [{"name": "v", "secret": {"secret": "token"}}], {str(place): "v"})
    assert output(with_secrets, "whole") == [CANARY, "444 token", "read-only"]
    assert list(place.iterdir()) == []
    state = with_secrets.server.state_dir
    holders = [path for path in state.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
    assert {path.relative_to(state).parts[0] for path in holders} <= {"secrets", "attempts"}  # it printed it


def test_versions_get_the_paths_and_modes_that_they_are_given(with_secrets: Any, tmp_path: Path) -> None:
    items = [
        {"path": "a/old", "version": "1", "mode": 0o400},
        {"path": "new", "version": "latest"},
    ]
    secret = {"secret": "projects/local/secrets/token", "items": items, "defaultMode": 0o640}
    script = f"cd {tmp_path}; stat -c '%a %n' a/old new; cat a/old; echo; cat new"
    deploy(with_secrets, "items", script, [{"name": "v", "secret": secret}], {str(tmp_path): "v"})
    assert output(with_secrets, "items") == ["400 a/old", "640 new", "old", CANARY]
    assert list(tmp_path.iterdir()) == []


def test_what_is_in_a_directory_stays_beside_the_files_of_a_secret(with_secrets: Any, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("file\n")
    (tmp_path / "link").symlink_to("folder/file")
    (tmp_path / "token").write_text("hidden\n")
    script = f"cd {tmp_path}; ls; cat link token; echo; echo more >> folder/file"
    deploy(
        with_secrets, "beside", script, [{"name": "v", "secret": {"secret": "token"}}], {f"{tmp_path}/": "v"}
    )
    assert output(with_secrets, "beside") == ["folder", "link", "token", "file", CANARY]
    assert (tmp_path / "folder" / "file").read_text() == "file\nmore\n"
    assert (tmp_path / "token").read_text() == "hidden\n"


def test_the_machines_own_configuration_stays_readable_beside_a_key(with_secrets: Any) -> None:
    items = [{"path": "jubako-test-key", "version": "1"}]
    script = "cat /etc/jubako-test-key; echo; test -s /etc/passwd && id -u > /dev/null && echo fine"
    volumes = [{"name": "v", "secret": {"secret": "token", "items": items}}]
    deploy(with_secrets, "etc", script, volumes, {"/etc": "v"})
    assert output(with_secrets, "etc") == ["old", "fine"]
    assert not Path("/etc/jubako-test-key").exists()


def test_a_directory_in_memory_is_new_for_each_attempt_and_has_its_size(
    with_secrets: Any, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    script = f"""
        cd {first}; ls; echo $CLOUD_RUN_TASK_INDEX > own; cat {second}/own
        dd if=/dev/zero of=big bs=64k count=32 2>/dev/null && echo all || stat -c %s big
    """
    mounts = {str(first): "scratch", str(second): "scratch"}
    deploy(with_secrets, "scratch", script, [EMPTY_DIR], mounts, taskCount=2, parallelism=2)
    assert sorted(output(with_secrets, "scratch")) == ["0", "1", str((1 << 20) - 4096), str((1 << 20) - 4096)]
    assert [list(place.iterdir()) for place in (first, second)] == [[], []]


def test_a_retry_finds_nothing_of_the_attempt_before(with_secrets: Any, tmp_path: Path) -> None:
    place = tmp_path / "scratch"
    script = f"cd {place}; ls; touch left; exit $((1 - CLOUD_RUN_TASK_ATTEMPT))"
    deploy(with_secrets, "again", script, [EMPTY_DIR], {str(place): "scratch"}, maxRetries=1)
    assert output(with_secrets, "again") == []


def test_the_command_and_its_directory_may_be_in_a_volume(with_secrets: Any, tmp_path: Path) -> None:
    script = base64.b64encode(b"#!/bin/sh\npwd\n").decode()
    with_secrets.server.post(f"{SECRETS}?secretId=program", {})
    with_secrets.server.post(f"{SECRETS}/program:addVersion", {"payload": {"data": script}})
    place = tmp_path / "place"
    volumes = [{"name": "v", "secret": {"secret": "program", "defaultMode": 0o555}}]
    container = {"command": ["./program"], "workingDir": str(place)}
    deploy(with_secrets, "inside", "", volumes, {str(place): "v"}, container=container)
    assert output(with_secrets, "inside") == [str(place)]


def test_a_warm_start_has_its_volumes_too(with_secrets: Any, tmp_path: Path) -> None:
    (tmp_path / "task.py").write_text(
        "import os, json, sys\n"
        f"place = {str(tmp_path / 'scratch')!r}\n"
        "assert os.listdir(place) == [], os.listdir(place)\n"
        "open(place + '/x', 'w').close()\n"
        f"print(open({str(tmp_path / 'keys' / 'token')!r}).read())\n"
    )
    volumes = [{"name": "v", "secret": {"secret": "token"}}, EMPTY_DIR]
    mounts = {str(tmp_path / "keys"): "v", str(tmp_path / "scratch"): "scratch"}
    container = {"command": [sys.executable, str(tmp_path / "task.py")]}
    warm = {"jubako.dev/warm-start": "json"}
    deploy(with_secrets, "warm", "", volumes, mounts, container=container, taskCount=6, annotations=warm)
    assert output(with_secrets, "warm") == [CANARY] * 6


def test_a_task_with_volumes_is_ended_like_any_other(with_secrets: Any, until: Any, tmp_path: Path) -> None:
    script = "setsid sh -c 'trap \"\" TERM; while :; do sleep 0.05; done' & echo $$ > here; sleep 3600"
    mounts = {str(tmp_path / "scratch"): "scratch"}
    deploy(with_secrets, "ended", script, [EMPTY_DIR], mounts, container={"workingDir": str(tmp_path)})
    operation = with_secrets.run("ended")
    until((tmp_path / "here").exists)
    with_secrets.cancel(operation)
    assert with_secrets.ended(operation)["cancelledCount"] == 1
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()


def test_a_run_whose_version_is_missing_is_refused_by_its_name(with_secrets: Any) -> None:
    secret = {"secret": "token", "items": [{"path": "a", "version": "7"}]}
    deploy(with_secrets, "missing", "true", [{"name": "v", "secret": secret}], {"/keys": "v"})
    with pytest.raises(ApiError, match="secrets/token/versions/7'") as refused:
        with_secrets.run("missing")
    assert refused.value.status == "FAILED_PRECONDITION"


def test_what_cannot_be_mounted_fails_the_task_with_its_path(with_secrets: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    deploy(with_secrets, "file", "true", [EMPTY_DIR], {str(tmp_path / "file"): "scratch"})
    [completed] = [
        one
        for one in with_secrets.ended(with_secrets.run("file"))["conditions"]
        if one["type"] == "Completed"
    ]
    assert f"could not be started: volumes: mount path '{tmp_path}/file': File exists" in completed["message"]
