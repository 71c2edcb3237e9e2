"""Jubako under systemd, as its users start it: what it says is enforced holds, and a restart is no harm.

The units are those of docs/howto/run-under-systemd.md. Changes the machine (users, units, their services), so it runs
only on one of its own: see tools/systemd_machine.py.
"""

import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import pytest

from jubako.testing.server import ServerProcess

pytestmark = pytest.mark.skipif(
    "JUBAKO_TEST_MACHINE" not in os.environ, reason="changes the machine: see tools/systemd_machine.py"
)

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "run-under-systemd.md"
ALL = "tasks are ended by cgroup, limits enforced: memory, cpu, pids)"
KEEPS_TASKS_SINCE = 254
HOG = "held = []\nwhile True: held.append(b'x' * (8 << 20))"
BOMB = "import os\nwhile True:\n    try: os.fork() or os.setsid()\n    except OSError: pass"
ESCAPES = "setsid sh -c '(sleep {mark} &) ; sleep {mark}' & sleep {mark}"
DEAF = "trap '' TERM; while :; do sleep {mark}; done"
WAITS = "echo began >> {folder}/log; while [ ! -e {folder}/go ]; do sleep 0.2; done"


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout


def systemd_version() -> int:
    return int(run("systemctl", "--version").split()[1])


def unit_of(page_name: str) -> str:
    found = re.search(rf"^```ini {page_name}\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert found, page_name
    return found[1]


def processes_with(mark: str) -> list[int]:
    """Return who has ``mark`` among its arguments, in whatever namespace."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if mark in words:
                found.append(int(entry.name))
    return found


class Unit(ServerProcess):
    """A server that systemd starts, stops and restarts."""

    def __init__(self, text: str, state_dir: Path, file: Path, manager: Sequence[str] = ()) -> None:
        super().__init__(state_dir)
        self._text, self._file, self._manager = text, file, manager
        self._starts = 0

    def systemctl(self, *words: str) -> str:
        return run("systemctl", *self._manager, *words)

    def start(self) -> Self:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(self._text, "utf-8")
        self.systemctl("daemon-reload")
        self.systemctl("start", "jubako")
        return self

    def ready(self, until: Any) -> str:
        """Wait until it is, once more than before, and return what it says."""
        field = "_SYSTEMD_USER_UNIT" if self._manager else "_SYSTEMD_UNIT"
        journal = ("journalctl", "--no-pager", "-o", "cat", f"{field}=jubako.service")

        def lines() -> list[str]:
            return [line for line in run(*journal).splitlines() if line.startswith("Jubako is ready")]

        until(lambda: len(lines()) > self._starts)
        self._starts = len(lines())
        self.said = lines()[-1]
        found = re.search(r"http://\S+", self.said)
        assert found
        self.address = found[0]
        return self.said

    @property
    def pid(self) -> int:
        return int(self.systemctl("show", "--property=MainPID", "--value", "jubako"))

    def stop(self) -> int:
        self.systemctl("stop", "jubako")
        return 0


class Started(ServerProcess):
    """A server behind a command that starts it: a session, a scope, a container."""

    def __init__(self, state_dir: Path, prefix: Sequence[str], flags: Sequence[str] = ()) -> None:
        super().__init__(state_dir, prefix=prefix, flags=["--grace", "1", *flags])


def ada() -> pwd.struct_passwd:
    return pwd.getpwnam("ada")


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a directory in which everybody may write."""
    made = Path(tempfile.mkdtemp(dir="/var/tmp"))
    made.chmod(0o777)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def system(until: Any) -> Iterator[Unit]:
    """Return the service of the machine, as the page says it for this systemd."""
    run("useradd", "--system", "--home-dir", "/var/lib/jubako", "jubako")
    name = "system" if systemd_version() >= KEEPS_TASKS_SINCE else "system-before-254"
    unit = Unit(unit_of(name), Path("/var/lib/jubako"), Path("/etc/systemd/system/jubako.service"))
    yield unit.start()
    unit.stop()
    run("userdel", "jubako")


@pytest.fixture
def manager() -> Iterator[list[str]]:
    """Return how to speak with the service manager of ada, which is there without her login."""
    run("loginctl", "enable-linger", "ada")
    yield ["--user", "--machine=ada@"]
    run("loginctl", "disable-linger", "ada")


@pytest.fixture
def user(manager: list[str]) -> Iterator[Unit]:
    """Return the service of a user, as the page says it for this systemd."""
    text = unit_of("user")
    if systemd_version() < KEEPS_TASKS_SINCE:
        text = text.replace(" --leave-tasks", "").replace("DelegateSubgroup=server\n", "")
        text = text.replace("KillMode=process", "KillMode=mixed")
    home = Path(ada().pw_dir)
    file = home / ".config" / "systemd" / "user" / "jubako.service"
    unit = Unit(text, home / ".local" / "share" / "jubako", file, manager)
    yield unit.start()
    unit.stop()


def as_ada(*more: str) -> list[str]:
    """Return what starts a command in a session of ada, as after a login."""
    uid = str(ada().pw_uid)
    session = ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", "-p", "PAMName=login"]
    session += [f"--uid={uid}", f"--setenv=XDG_RUNTIME_DIR=/run/user/{uid}"]
    return [*session, f"--setenv=DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/{uid}/bus", *more]


def holds(server: ServerProcess, jobs: Any, until: Any) -> None:
    """Fail unless what the server said is enforced, is."""
    ends_trees(jobs, until)
    if "memory" in server.said.partition("enforced:")[2]:
        ends_a_hog(jobs)
    if "pids" in server.said.partition("enforced:")[2]:
        ends_a_bomb(jobs, until)


def ends_trees(jobs: Any, until: Any) -> None:
    jobs.deploy("escapes", ["sh", "-c", ESCAPES.format(mark="7201.25")], timeout="5s")
    operation = jobs.run("escapes")
    until(lambda: len(processes_with("7201.25")) >= 3)
    assert jobs.ended(operation)["failedCount"] == 1
    assert processes_with("7201.25") == []
    assert [attempt["reason"] for attempt in jobs.attempts(operation)] == ["TIMEOUT"]
    jobs.deploy("deaf", ["sh", "-c", DEAF.format(mark="7202.25")])
    operation = jobs.run("deaf")
    until(lambda: processes_with("7202.25"))
    jobs.cancel(operation)
    assert jobs.ended(operation)["cancelledCount"] == 1
    assert processes_with("7202.25") == []


def ends_a_hog(jobs: Any) -> None:
    limit = {"resources": {"limits": {"memory": "64Mi"}}}
    jobs.deploy("hog", [sys.executable, "-I", "-S", "-c", HOG], container=limit)
    operation = jobs.run("hog")
    jobs.ended(operation)
    assert [attempt["reason"] for attempt in jobs.attempts(operation)] == ["OUT_OF_MEMORY"]


def ends_a_bomb(jobs: Any, until: Any) -> None:
    little = {"resources": {"limits": {"cpu": "500m"}}}
    jobs.deploy("bomb", [sys.executable, "-I", "-S", "-c", BOMB], container=little, timeout="600s")
    operation = jobs.run("bomb")
    until(lambda: jobs.execution(operation).get("runningCount") == 1)
    for _ in range(3):
        jobs.answers_within(5.0)
    jobs.cancel(operation)
    assert jobs.ended(operation)["cancelledCount"] == 1


def a_task_that_waits(jobs: Any, until: Any, folder: Path) -> Any:
    jobs.deploy("waits", ["sh", "-c", WAITS.format(folder=folder)])
    operation = jobs.run("waits")
    until((folder / "log").exists)
    return operation


def starts(folder: Path) -> int:
    return (folder / "log").read_text().count("began")


def restarts(unit: Unit, jobs: Any, until: Any, folder: Path) -> None:
    """Fail unless tasks outlive restarts of the service, or run again where they cannot."""
    operation = a_task_that_waits(jobs, until, folder)
    os.kill(unit.pid, signal.SIGKILL)
    assert ALL in unit.ready(until)
    keeps = systemd_version() >= KEEPS_TASKS_SINCE
    until(lambda: starts(folder) == (1 if keeps else 2))
    unit.systemctl("restart", "jubako")
    assert ALL in unit.ready(until)
    until(lambda: starts(folder) == (1 if keeps else 3))
    (folder / "go").touch()
    assert jobs.ended(operation)["succeededCount"] == 1
    assert starts(folder) == (1 if keeps else 3)


def test_a_service_of_the_machine(system: Unit, make_jobs: Any, until: Any, folder: Path) -> None:
    assert ALL in system.ready(until)
    jobs = make_jobs(system)
    holds(system, jobs, until)
    restarts(system, jobs, until, folder)


def test_a_service_of_a_user(user: Unit, make_jobs: Any, until: Any, folder: Path) -> None:
    assert ALL in user.ready(until)
    jobs = make_jobs(user)
    holds(user, jobs, until)
    restarts(user, jobs, until, folder)


SCOPE = ("systemd-run", "--user", "--quiet", "--scope")
BOX = Path("/opt/box")
PODMAN = ("podman", "run", "--rm", "--network=host", "--volume=/opt/source:/opt/source:ro")
NSPAWN = ("systemd-nspawn", "--quiet", "--volatile=overlay", "--register=no", "--bind-ro=/opt/source")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((*SCOPE, "-p", "Delegate=yes"), ALL),
        (SCOPE, "may not be divided by this user, or systemd has not delegated it)"),
        ((), "limits enforced: none - no control group can be made here: "),
    ],
    ids=["a delegated scope", "a scope", "a plain session"],
)
@pytest.mark.usefixtures("manager")
def test_in_a_session(more: Sequence[str], said: str, make_jobs: Any, until: Any, folder: Path) -> None:
    state = folder / "state"
    with Started(state, as_ada(*more)) as server:
        assert said in server.said, server.said
        holds(server, make_jobs(server), until)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ((), "limits enforced: none - no control group can be made here: "),
        (("--security-opt=unmask=/sys/fs/cgroup",), ALL),
        (("--privileged",), ALL),
    ],
    ids=["as it comes", "unmasked", "privileged"],
)
def test_in_a_container_of_podman(
    flags: Sequence[str], said: str, make_jobs: Any, until: Any, folder: Path
) -> None:
    box = [*PODMAN, f"--volume={folder}:{folder}", *flags, "--rootfs", f"{BOX}:O"]
    with Started(folder / "state", box) as server:
        assert said in server.said, server.said
        holds(server, make_jobs(server), until)


def test_in_a_container_of_nspawn(make_jobs: Any, until: Any, folder: Path) -> None:
    box = [*NSPAWN, f"--directory={BOX}", f"--bind={folder}", "--as-pid2"]
    with Started(folder / "state", box) as server:
        assert ALL in server.said
        holds(server, make_jobs(server), until)
