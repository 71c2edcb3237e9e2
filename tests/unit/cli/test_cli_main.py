"""The frame of the command line: help, exit codes, errors, and what it costs to start."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jubako import __version__
from jubako.cli.completion import candidates
from jubako.cli.context import recorded_server
from jubako.cli.main import GROUPS, main

HEAVY = (
    "asyncio", "httpx", "uvicorn", "starlette", "grpc", "google", "msgspec", "yaml", "sqlite3", "ssl", "http.client",
    "jubako.server", "jubako.wire", "jubako.boxes", "jubako.store",
)  # fmt: skip
LISTING = "import sys; from jubako.cli.main import main; code = main({argv!r}); print(*sys.modules, file=sys.stderr)"


def modules_after(*argv: str) -> set[str]:
    script = LISTING.format(argv=list(argv))
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(ran.stderr.split())


@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["run", "--help"]])
def test_the_help_imports_nothing_that_is_slow_to_import(argv: list[str]) -> None:
    light = ("http.client", "ssl") if argv[0] == "run" else ()
    assert not modules_after(*argv) & (set(HEAVY) - set(light))


def test_a_client_command_imports_no_part_of_the_server() -> None:
    loaded = modules_after("run", "jobs", "list", "--server", "http://127.0.0.1:9")
    assert not {name for name in loaded if name.startswith(("jubako.server", "jubako.boxes", "jubako.store"))}
    assert not loaded & {"httpx", "uvicorn", "starlette", "grpc", "asyncio"}


def test_a_start_takes_less_processor_time_than_its_budget() -> None:
    def start() -> float:
        child = subprocess.Popen(
            [sys.executable, "-m", "jubako", "run", "jobs", "--help"], stdout=subprocess.DEVNULL
        )
        _, _, used = os.wait4(child.pid, 0)
        child.returncode = 0
        return used.ru_utime + used.ru_stime

    # Other work on the same core makes a start dearer: one that was alone is enough.
    assert any(start() < 0.15 for _ in range(10))


def test_the_help_names_every_group(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"], {}) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in GROUPS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"], {}) == 0
    assert capsys.readouterr().out == f"jubako {__version__}\n"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["rnu"], ["'rnu'", "jubako run"]),
        (["run", "jobs", "exceute", "x"], ["'exceute'", "execute"]),
        (["run", "jobs", "deploy"], ["JOB", "--help"]),
        (["run", "jobs", "deploy", "x", "--tasks", "0"], ["--tasks", "at least 1"]),
        (["run", "jobs", "execute", "x", "--wait", "--async"], ["--async", "--wait"]),
        (["run", "jobs", "deploy", "x", "--task", "3"], ["--task"]),
        (["run", "jobs", "deploy", "x", "--args", "-c,pass"], ["--args=VALUE"]),
        (["run", "jobs", "deploy", "a/b", "--command", "true"], ["'a/b'"]),
        (["run", "jobs", "list", "--format", "xml"], ["--format"]),
        (["run", "jobs", "list", "--server", "localhost"], ["localhost", "http://"]),
    ],
)
def test_wrong_usage_is_one_line_with_a_way_on_and_exit_2(
    argv: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv, {}) == 2
    told = capsys.readouterr().err
    assert told.startswith("ERROR: ")
    assert all(word in told for word in words)
    assert len(told.splitlines()) <= 2


@pytest.mark.parametrize("argv", [[], ["run"], ["run", "jobs"], ["workflows"]])
def test_a_group_without_a_command_shows_its_help_and_exits_2(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv, {}) == 2
    assert "commands:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["ru"], ["run"]),
        (["run", "jobs", "ex"], ["execute", "executions"]),
        (["run", "jobs", "executions", ""], ["list", "describe", "cancel", "delete", "rerun", "tasks"]),
        (["run", "jobs", "execute", "hello", "--wa"], ["--wait"]),
        (["--project", "demo", "workflows", "che"], ["check"]),
        (["workflows", "check", "hello."], []),
    ],
)
def test_shells_are_offered_what_can_follow(words: list[str], offered: list[str]) -> None:
    assert candidates(words) == offered


def test_no_server_says_how_to_start_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "jobs", "list", "--server", "http://127.0.0.1:9"], {}) == 1
    told = capsys.readouterr().err
    assert "No server at http://127.0.0.1:9." in told
    assert "jubako up" in told


def test_the_server_is_found_by_what_it_wrote_into_the_state_directory(tmp_path: Path) -> None:
    assert recorded_server(tmp_path) is None
    (tmp_path / "server.json").write_text(json.dumps({"address": "http://127.0.0.1:4711", "pid": 1}))
    assert recorded_server(tmp_path) == "http://127.0.0.1:4711"
    for broken in ("", "[]", '{"address": 3}', '{"address": "file:///etc"}'):
        (tmp_path / "server.json").write_text(broken)
        assert recorded_server(tmp_path) is None


def test_a_reader_that_has_left_is_no_error_worth_a_word() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ran = subprocess.run(
        [sys.executable, "-m", "jubako", "--help"], stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert (ran.returncode, ran.stderr) == (141, b"")
