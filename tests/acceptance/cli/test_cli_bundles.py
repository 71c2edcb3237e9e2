"""Bundles are listed with who runs them, and deleted once nobody does."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jubako.testing.server import PARENT, ServerProcess


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    with ServerProcess(tmp_path / "state") as server:
        yield server


def jubako(server: ServerProcess, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "jubako", "--state", str(server.state_dir), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


def built(server: ServerProcess, folder: Path, name: str) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "main.py").write_text(f"print({name!r})\n")
    done = jubako(server, "build", "-t", name, str(folder), "--format", "value(image)")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def names(server: ServerProcess) -> list[str]:
    return sorted(name for one in server.get("/jubako/v1/bundles")["bundles"] for name in one["names"])


def test_a_bundle_goes_with_its_names_and_not_before_its_job(server: ServerProcess, tmp_path: Path) -> None:
    built(server, tmp_path / "a", "named:v1")
    built(server, tmp_path / "a", "named:v1")
    built(server, tmp_path / "b", "other")
    assert names(server) == ["named:v1", "other:latest"]
    template = {"template": {"containers": [{"image": "named:v1"}]}}
    server.post(f"/v2/{PARENT}/jobs?jobId=named", {"template": template})
    refused = jubako(server, "bundles", "delete", "named:v1")
    assert (refused.returncode, f"{PARENT}/jobs/named" in refused.stderr) == (1, True)
    assert jubako(server, "bundles", "delete", "other").returncode == 0
    assert names(server) == ["named:v1"]
    done = server.post(f"/v2/{server.post(f'/v2/{PARENT}/jobs/named:run')['name']}:wait", {"timeout": "60s"})
    assert done["response"]["succeededCount"] == 1
    server.call("DELETE", f"/v2/{PARENT}/jobs/named")
    assert jubako(server, "bundles", "delete", "named:v1").returncode == 0
    assert names(server) == []
    assert [entry.name for entry in (server.state_dir / "bundles").iterdir() if entry.name != "names"] == [
        "lock"
    ]


def test_a_bundle_of_a_service_or_of_an_execution_under_way_is_kept(
    server: ServerProcess, tmp_path: Path
) -> None:
    image = built(server, tmp_path / "c", "kept")
    server.call(
        "PATCH",
        f"/v2/{PARENT}/services/kept?allowMissing=true",
        {"template": {"containers": [{"image": "kept"}]}},
    )
    digest = image.partition("@")[2]
    refused = jubako(server, "bundles", "delete", digest[:20])
    assert (refused.returncode, "services/kept/revisions/" in refused.stderr) == (1, True)
    listed = jubako(server, "bundles", "list").stdout.splitlines()
    assert listed[1].split() == [digest[:19], "kept:latest", "1"]


def test_what_names_no_bundle_is_told(server: ServerProcess) -> None:
    assert "name of no bundles" in jubako(server, "bundles", "delete", "nothing").stderr
