"""The keeper with a disk that is full, and with what users submit."""

import errno
import json
import os
import select
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from jubako.runtime.supervisor import keeper
from jubako.runtime.supervisor.attempt import Attempt
from jubako.runtime.supervisor.commands import NotStarted
from jubako.runtime.supervisor.journal import Journal
from jubako.runtime.supervisor.keeper import Keeper
from jubako.runtime.supervisor.spawn import Spawner
from jubako.runtime.supervisor.trees import GroupTrees


class Bench:
    def __init__(self, folder: Path, is_wanted: Callable[[], bool] = lambda: False) -> None:
        self.folder = folder
        (folder / "journal").mkdir()
        self.journal = Journal(folder / "journal", "boot")
        self.journal.begin()
        self.keeper = Keeper(self.journal, GroupTrees(), Spawner("mark"), is_wanted=is_wanted)

    def submit(self, attempt_id: str, *argv: str, **more: object) -> None:
        spec = {"id": attempt_id, "group": "g", "parallelism": 9, "argv": list(argv), "env": {}, "grace": 1.0}
        self.keeper.submit([spec | more])

    def records(self) -> list[Mapping[str, Any]]:
        _, _, data = self.journal.read("", 1 << 20)
        return [json.loads(line) for line in data.splitlines()][1:]

    def run(self) -> list[Mapping[str, Any]]:
        """Go on until nothing is queued or live, and return what the journal says of the ends."""
        while not self.keeper.is_idle:
            self.keeper.round()
            select.select([], [], [], 0.001)
        return [record for record in self.records() if record["k"] == "end"]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.keeper.close()
    made.run()
    made.journal.close()


class FullDisk:
    """While it is entered, nothing can be written to the journal."""

    def __init__(self, journal: Journal) -> None:
        self.fd = journal._fd

    def __enter__(self) -> None:
        self.kept = os.dup(self.fd)
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, self.fd)
        os.close(full)

    def __exit__(self, *_: object) -> None:
        os.dup2(self.kept, self.fd)
        os.close(self.kept)


def test_who_knocks_is_heard_between_starts_and_everything_starts_all_the_same(tmp_path: Path) -> None:
    bench = Bench(tmp_path, is_wanted=lambda: True)
    for number in range(20):
        bench.submit(f"a/{number}", "/bin/true", parallelism=64)
    bench.keeper.round()
    started = [record for record in bench.records() if record["k"] == "start"]
    assert 0 < len(started) < 20
    assert bench.keeper.wait_s() == 0
    assert len(bench.run()) == 20
    bench.journal.close()


def test_nothing_starts_in_the_moment_after_a_server_came_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.keeper.hold()  # the first server has nothing to catch up with
    bench.submit("a", "/bin/true")
    bench.keeper.round()
    assert [record["k"] for record in bench.records()] == ["try", "start"]
    monkeypatch.setattr(keeper, "_HOLD_S", 0.2)
    bench.submit("b", "/bin/true")
    bench.keeper.hold()
    bench.keeper.round()
    assert not any(record["id"] == "b" for record in bench.records())
    assert 0 < (bench.keeper.wait_s() or 0) <= 0.2
    assert {record["id"] for record in bench.run()} == {"a", "b"}
    bench.submit("c", "/bin/true")
    bench.keeper.hold()  # one that comes again and again does not hold up everything
    bench.keeper.round()
    assert [record["k"] for record in bench.records() if record["id"] == "c"] == ["try", "start"]


def test_nothing_starts_while_its_announcement_cannot_be_written(bench: Bench) -> None:
    ran = bench.folder / "ran"
    with FullDisk(bench.journal):
        bench.submit("a", "/bin/sh", "-c", f"echo a >> {ran}")
        bench.submit("b", "/bin/sh", "-c", f"echo b >> {ran}")
        for _ in range(3):
            bench.keeper.round()
        bench.keeper.cancel(["b"])
        bench.keeper.round()
        assert not ran.exists()
        assert bench.keeper.wait_s() is not None
    ends = {record["id"]: record["r"] for record in bench.run()}
    assert ends == {"a": "exited", "b": "cancelled"}
    assert ran.read_text() == "a\n"


def test_an_end_that_could_not_be_written_is_written_later(bench: Bench) -> None:
    bench.submit("a", "/bin/true")
    bench.keeper.round()
    with FullDisk(bench.journal):
        bench.run()
        assert [record["k"] for record in bench.records()] == ["try", "start"]
    bench.keeper.round()
    assert [record["k"] for record in bench.records()] == ["try", "start", "end"]


@pytest.mark.parametrize(
    ("argv", "more", "said"),
    [
        (["/no/such"], {}, "'/no/such': No such file or directory"),
        (["no-such-command"], {"env": {"PATH": "/bin"}}, "'no-such-command': not found in PATH"),
        (["/etc/passwd"], {}, "Permission denied"),
        (["/"], {}, "Permission denied"),
        ([], {}, "index out of range"),
        ([""], {}, "not found in PATH"),
        (["/bin/true\0"], {}, "null byte"),
        (["/bin/true"], {"env": {"A=B": "x"}}, "environment variable name"),
        (["/bin/true"], {"env": {"A": "\0"}}, "null byte"),
        (["/bin/true"], {"cwd": "/no/such"}, "working directory '/no/such': No such file or directory"),
        (["/bin/true"], {"cwd": "/etc/passwd"}, "Not a directory"),
        (["/bin/true"], {"cwd": "\0"}, "null byte"),
        (["/bin/true"], {"output": "/etc/passwd/x"}, "output directory '/etc/passwd/x': Not a directory"),
        (["/bin/true", "x" * (4 << 20)], {}, "Argument list too long"),
        (["/no/\udcff"], {}, "No such file or directory"),
    ],
)
def test_what_cannot_be_started_says_why(
    bench: Bench, argv: list[str], more: dict[str, object], said: str
) -> None:
    bench.submit("a", *argv, **more)
    bench.submit("b", "/bin/true")
    ends = {record["id"]: record for record in bench.run()}
    assert ends["a"]["r"] == "not_started"
    assert said in ends["a"]["d"]
    assert ends["b"]["c"] == 0
    assert "start" not in {record["k"] for record in bench.records() if record["id"] == "a"}


def test_the_process_gets_what_the_spec_says_and_nothing_else(bench: Bench) -> None:
    output = bench.folder / "deep" / "down"
    script = "pwd; env; cat; exec ps -o pid=,pgid=,sid= -p $$ >&2"
    bench.submit(
        "a", "sh", "-c", script, env={"PATH": "/usr/bin:/bin", "X": "ü"}, cwd="/usr", output=str(output)
    )
    [end] = bench.run()
    assert end["c"] == 0
    lines = (output / "stdout").read_text().splitlines()
    assert lines[0] == "/usr"
    own = {"PATH=/usr/bin:/bin", "X=ü", "JUBAKO_ATTEMPT=a", "JUBAKO_SUPERVISOR=mark"}
    assert own <= set(lines[1:])
    assert {line.partition("=")[0] for line in lines[1:]} <= {"PATH", "X", "PWD", "OLDPWD", "SHLVL", "_"} | {
        "JUBAKO_ATTEMPT",
        "JUBAKO_SUPERVISOR",
    }
    assert len(set((output / "stderr").read_text().split())) == 1  # leader of its own group and session
    assert (output / "stdout").stat().st_mode & 0o777 == 0o600
    index = [json.loads(line) for line in (output / "index").read_text().splitlines()]
    assert index[-1]["o"] == (output / "stdout").stat().st_size
    assert index[-1]["e"] == (output / "stderr").stat().st_size
    assert [line["o"] for line in index] == sorted(line["o"] for line in index)


def test_the_index_says_when_each_part_was_written(bench: Bench) -> None:
    output = bench.folder / "output"
    script = "echo one; read line < go; echo two"
    os.mkfifo(bench.folder / "go")
    bench.submit("a", "/bin/sh", "-c", script, cwd=str(bench.folder), output=str(output))
    index = output / "index"
    while not index.exists():
        bench.keeper.round()
        select.select([], [], [], 0.01)
    (bench.folder / "go").write_text("go\n")
    bench.run()
    assert [json.loads(line)["o"] for line in index.read_text().splitlines()] == [4, 8]


def test_an_attempt_without_output_has_no_index(bench: Bench) -> None:
    output = bench.folder / "output"
    bench.submit("a", "/bin/true", output=str(output))
    bench.run()
    assert sorted(path.name for path in output.iterdir()) == ["stderr", "stdout"]


def test_signals_that_the_supervisor_ignores_are_not_ignored_by_users_programs(bench: Bench) -> None:
    output = bench.folder / "output"
    bench.submit("a", "/bin/sh", "-c", "grep -E 'Sig(Ign|Blk)' /proc/self/status", output=str(output))
    bench.run()
    values = {int(line.split()[1], 16) for line in (output / "stdout").read_text().splitlines()}
    of_the_c_library = 1 << 31 | 1 << 32  # its posix_spawn ignores its own two signals
    assert {value & ~of_the_c_library for value in values} == {0}


class FullMachine(Spawner):
    """Has no room for the first ``refusals`` starts."""

    def __init__(self, refusals: int, code: int) -> None:
        super().__init__("mark")
        self.refusals = refusals
        self.code = code

    def start(self, attempt: Attempt) -> int:
        if self.refusals:
            self.refusals -= 1
            raise NotStarted("command '/bin/true'", OSError(self.code, os.strerror(self.code)))
        return super().start(attempt)


@pytest.mark.parametrize("code", [errno.EAGAIN, errno.ENOMEM, errno.EMFILE])
def test_a_machine_without_room_is_asked_again(bench: Bench, code: int) -> None:
    bench.keeper._spawner = FullMachine(2, code)
    bench.submit("a", "/bin/true")
    [end] = bench.run()
    assert (end["r"], end["c"]) == ("exited", 0)
    assert [record["k"] for record in bench.records()] == ["try", "start", "end"]


def test_a_machine_that_never_has_room_is_given_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "_TRY_AGAIN_S", 0.0)
    bench.keeper._spawner = FullMachine(10_000, errno.EAGAIN)
    bench.submit("a", "/bin/true")
    [end] = bench.run()
    assert (end["r"], end["d"]) == ("not_started", "command '/bin/true': Resource temporarily unavailable")


def test_an_attempt_that_waits_for_room_can_be_cancelled(bench: Bench) -> None:
    bench.keeper._spawner = FullMachine(10_000, errno.EAGAIN)
    bench.submit("a", "/bin/true")
    bench.keeper.round()
    bench.keeper.cancel(["a"])
    bench.keeper.round()
    [end] = bench.run()
    assert end["r"] == "cancelled"
