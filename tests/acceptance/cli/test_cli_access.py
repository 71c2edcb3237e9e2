"""Access by the command line: what a server with authentication and strict IAM lets whom do."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jubako.testing.server import ServerProcess

MEMBER = "serviceAccount:reader@local.iam.gserviceaccount.com"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    state = tmp_path_factory.mktemp("access") / "state"
    with ServerProcess(state, flags=["--auth", "--strict-iam"]) as server:
        yield server


def jubako(server: ServerProcess, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command as the owner of the state directory."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("JUBAKO")}
    argv = [sys.executable, "-m", "jubako", *words, "--state", str(server.state_dir)]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=60, check=False)


def as_account(server: ServerProcess, account: str, *words: str) -> subprocess.CompletedProcess[str]:
    argv = ["exec", "--service-account", account, "--state", str(server.state_dir), "--"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("JUBAKO")}
    return subprocess.run(
        [sys.executable, "-m", "jubako", *argv, sys.executable, "-m", "jubako", *words],
        env=environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_the_owner_makes_an_account_and_gives_and_takes_its_role(strict: ServerProcess) -> None:
    assert jubako(strict, "iam", "service-accounts", "create", "reader").returncode == 0
    listed = jubako(strict, "iam", "service-accounts", "list", "--format", "value(email)")
    assert "reader@local.iam.gserviceaccount.com" in listed.stdout.split()
    refused = as_account(strict, "reader", "run", "jobs", "list")
    assert refused.returncode == 1
    assert "Permission 'run.jobs.list' denied" in refused.stderr
    binding = ("local", "--member", MEMBER, "--role", "roles/run.viewer")
    granted = jubako(strict, "projects", "add-iam-policy-binding", *binding, "--format", "json")
    assert MEMBER in granted.stdout, granted.stderr
    assert as_account(strict, "reader", "run", "jobs", "list").returncode == 0
    assert jubako(strict, "projects", "remove-iam-policy-binding", *binding).returncode == 0
    assert as_account(strict, "reader", "run", "jobs", "list").returncode == 1
    again = jubako(strict, "projects", "remove-iam-policy-binding", *binding)
    assert (again.returncode, "does not have" in again.stderr) == (1, True)


def test_without_the_owners_token_the_command_line_is_nobody(strict: ServerProcess, tmp_path: Path) -> None:
    argv = [
        sys.executable,
        "-m",
        "jubako",
        "--server",
        strict.address,
        "--state",
        str(tmp_path),
        "run",
        "jobs",
        "list",
    ]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("JUBAKO")}
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "missing required authentication credential" in done.stderr


def test_another_address_than_loopback_needs_authentication(tmp_path: Path) -> None:
    argv = [
        sys.executable,
        "-m",
        "jubako",
        "up",
        "--host",
        "0.0.0.0",
        "--port",
        "0",
        "--state",
        str(tmp_path / "s"),
    ]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "--auth" in done.stderr


def test_with_authentication_all_addresses_are_listened_at(tmp_path: Path) -> None:
    flags = ["--host", "0.0.0.0", "--auth", "--host-name", "jubako.example"]
    with ServerProcess(tmp_path / "state", flags=flags) as server:
        assert server.address.startswith("http://127.0.0.1:")
        assert server.call("GET", "/v2/projects/p/locations/l/jobs", headers={"host": "jubako.example"}) == {}
