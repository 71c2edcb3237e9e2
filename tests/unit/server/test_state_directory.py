import fcntl
import json
import os
import threading
from pathlib import Path

import pytest

from jubako.core.errors import FailedPrecondition, InvalidArgument, Unavailable
from jubako.server.config import Config
from jubako.server.environment import inherited
from jubako.server.house import agreed_port
from jubako.server.state_dir import StateDirectory


def test_it_is_private_and_tells_its_address_while_it_is_open(tmp_path: Path) -> None:
    with StateDirectory(tmp_path / "deep" / "state") as state:
        assert state.path.stat().st_mode & 0o777 == 0o700
        state.tell_address("http://127.0.0.1:1")
        told = json.loads(state.address_file.read_text())
        assert told == {"address": "http://127.0.0.1:1", "pid": os.getpid()}
    assert not state.address_file.exists()


def test_two_servers_cannot_have_it_and_the_second_leaves_no_trace(tmp_path: Path) -> None:
    with StateDirectory(tmp_path / "state") as first:
        first.tell_address("http://127.0.0.1:1")
        with pytest.raises(FailedPrecondition, match="Another server"), StateDirectory(tmp_path / "state"):
            raise AssertionError
        assert first.address_file.exists()
    with StateDirectory(tmp_path / "state"):
        pass


def test_the_lock_of_a_server_that_is_gone_is_waited_for(tmp_path: Path) -> None:
    with StateDirectory(tmp_path / "state") as state:
        state.tell_address("http://127.0.0.1:1")
        gone = {**json.loads(state.address_file.read_text()), "pid": 2**22 + 1}
    inherited_lock = os.open(tmp_path / "state" / "lock", os.O_RDWR)
    fcntl.flock(inherited_lock, fcntl.LOCK_EX)
    state.address_file.write_text(json.dumps(gone))
    release = threading.Timer(0.05, os.close, [inherited_lock])
    release.start()
    with StateDirectory(tmp_path / "state"):
        release.join()


def test_a_newer_format_is_refused_and_unknown_files_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with StateDirectory(tmp_path):
        pass
    (tmp_path / "version").write_text("999\n")
    with pytest.raises(FailedPrecondition, match="999"), StateDirectory(tmp_path):
        raise AssertionError
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="file/state"), StateDirectory(tmp_path / "file" / "state"):
        raise AssertionError


@pytest.mark.parametrize(
    ("given", "remembered", "live", "port"),
    [
        (None, None, 0, 8123),
        (None, 9000, 0, 9000),
        (7000, 9000, 0, 7000),
        (9000, 9000, 5, 9000),
        (0, 9000, 5, 9000),
        (0, 9000, 0, 0),
        (7000, None, 5, 7000),
    ],
)
def test_the_port_is_the_one_asked_for_or_the_one_it_had(
    given: int | None, remembered: int | None, live: int, port: int
) -> None:
    assert agreed_port(given, remembered, live_attempts=live, default=8123) == port


def test_another_port_is_refused_while_tasks_know_the_old_one() -> None:
    with pytest.raises(FailedPrecondition, match=r"3 tasks.*9000"):
        agreed_port(7000, 9000, live_attempts=3, default=8123)


def test_all_problems_of_a_configuration_are_told_together() -> None:
    with pytest.raises(InvalidArgument, match=r"host: .*; port: "):
        Config(host="0.0.0.0", port=70_000).checked()


def test_tasks_inherit_what_programs_need_and_no_credentials() -> None:
    environ = {"PATH": "/bin", "LC_ALL": "C", "AWS_SECRET_ACCESS_KEY": "x", "GITHUB_TOKEN": "y"}
    assert inherited(environ) == {"PATH": "/bin", "LC_ALL": "C"}
