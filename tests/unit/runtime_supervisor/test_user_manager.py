"""Whether a user's service manager has handed a group over is what it says itself."""

from collections.abc import Callable
from pathlib import Path

import pytest

from jubako.runtime.supervisor import user_manager

MANAGER = Path("/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice")


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def say(script: str) -> None:
        program = tmp_path / "systemctl"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o700)

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return say


def test_it_is_asked_for_the_unit_of_the_group(systemctl: Callable[[str], None]) -> None:
    systemctl('[ "$*" = "--user show --property=Delegate --value -- jubako.service" ] && echo yes')
    assert user_manager.has_delegated(MANAGER / "jubako.service")
    assert not user_manager.has_delegated(MANAGER / "another.service")


def test_no_answer_is_no(systemctl: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    systemctl("exit 1")
    assert not user_manager.has_delegated(MANAGER / "run-1.scope")
    monkeypatch.setenv("PATH", "/nowhere")
    assert not user_manager.has_delegated(MANAGER / "run-1.scope")


def test_of_other_groups_it_is_not_asked(systemctl: Callable[[str], None]) -> None:
    systemctl("echo yes")
    assert not user_manager.has_delegated(Path("/sys/fs/cgroup/system.slice/jubako.service"))
    assert not user_manager.has_delegated(MANAGER)
