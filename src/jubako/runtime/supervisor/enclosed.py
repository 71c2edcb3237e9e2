"""Attempts in namespaces of their own, seen from the supervisor: what can be had here, and how one is started.

The supervisor forks, and the fork makes the namespaces, mounts the volumes and becomes the command: no further program
is started. With a PID namespace it forks twice more (see ``enclosure``): the process between leaves, and its child, the
init, becomes ours. Whatever goes wrong before the command runs is told through a pipe, which its start closes.
"""

import contextlib
import errno
import os
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

from jubako.runtime.supervisor import enclosure, mounting
from jubako.runtime.supervisor.attempt import Attempt
from jubako.runtime.supervisor.commands import DEFAULT_PATH, NotStarted, resolve

_FAILED = b"!"


@dataclass(frozen=True, slots=True)
class Means:
    """Which namespaces this process can have for its children."""

    flags: int = 0
    """Of unshare, for a mount namespace."""
    mounts_missing: str = ""
    """Why there are no mount namespaces; "" = there are."""
    pids_missing: str = ""
    """Why there are no PID namespaces; "" = there are."""

    @property
    def as_user(self) -> bool:
        """Whether a user namespace comes along: programs cannot become another user in it."""
        return bool(self.flags & enclosure.CLONE_NEWUSER)


def find(stage: str) -> Means:
    """Return what can be had, having tried it; ``stage`` is a directory on which nothing is mounted."""
    missing = ""
    for flags in (enclosure.CLONE_NEWNS, enclosure.CLONE_NEWNS | enclosure.CLONE_NEWUSER):
        missing = _tried(partial(_try_mounts, flags, stage))
        if not missing:
            return Means(flags, "", _tried(partial(_try_pids, flags, stage)))
    return Means(0, missing, missing)


def _try_mounts(flags: int, stage: str) -> None:
    enclosure.unshare(flags)
    mounting.keep_apart()
    mounting.mount("tmpfs", stage, "tmpfs")
    mounting.mount("ramfs", stage, "ramfs")


def _try_pids(flags: int, stage: str) -> None:
    _try_mounts(flags, stage)
    enclosure.unshare(enclosure.CLONE_NEWPID)
    problem = _tried(mounting.mount_proc)
    if problem:
        raise OSError(errno.EPERM, problem)


def _tried(action: Callable[[], None]) -> str:
    """Return what went wrong when another process did this; "" = nothing."""
    reader, writer = os.pipe()
    pid = _fork()
    if pid == 0:
        with _telling(writer, ""):
            action()
        os._exit(0)
    os.close(writer)
    said = _read(reader)
    os.waitpid(pid, 0)
    return _text(said) if said else ""


class Enclosures:
    """Starts attempts in namespaces."""

    def __init__(self, means: Means, stage: str, *, has_pids: bool) -> None:
        """Take what can be had, a directory of no use, and whether every attempt gets a PID namespace."""
        self.means = means
        self._stage = stage
        self.has_pids = has_pids

    def is_wanted(self, attempt: Attempt) -> bool:
        """Whether ``attempt`` needs a namespace."""
        return self.has_pids or bool(attempt.mounts)

    def plan(self, attempt: Attempt) -> Mapping[str, Any]:
        """Return what another program needs to know to put ``attempt`` into its namespaces; raises NotStarted."""
        if self.means.mounts_missing:
            raise NotStarted("volumes", OSError(errno.EPERM, self.means.mounts_missing))
        flags = self.means.flags | (enclosure.CLONE_NEWPID if self.has_pids else 0)
        return {
            "flags": flags,
            "mounts": attempt.mounts,
            "stage": self._stage,
            "pids_max": attempt.pids_max,
        }

    def start(self, attempt: Attempt, fds: tuple[int, int, int], directory: str) -> int:
        """Start ``attempt`` and return the pid of its leader, the init if it has one.

        Args:
            attempt: The attempt.
            fds: Its standard input, output and error.
            directory: Where it runs.

        Raises:
            NotStarted: It cannot be started; nothing of it is left.

        """
        plan = self.plan(attempt)
        reader, writer = os.pipe()
        control = Control(attempt, self.has_pids)
        middle = _fork()
        if middle == 0:
            _Beginning(plan, fds, writer, control.theirs).run(attempt, directory)
        os.close(writer)
        said = _read(reader)
        if not self.has_pids:
            return middle if not said else _failed(said, middle)
        os.waitpid(middle, 0)
        pid, _, problem = said.partition(b"\n")
        if problem or not pid.isdigit():
            control.give_up()
            return _failed(problem or pid, int(pid) if pid.isdigit() else 0)
        control.keep()
        return int(pid)


class Control:
    """The two ends of what an init is told and tells; none if there is no init."""

    def __init__(self, attempt: Attempt, has_pids: bool) -> None:  # noqa: FBT001 - one of two things it is made of
        self._attempt = attempt
        self._ours: socket.socket | None = None
        self.theirs: socket.socket | None = None
        if has_pids:
            self._ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def keep(self) -> None:
        """Note that the init lives: it ends when our end is closed."""
        self._attempt.control = self._ours
        if self.theirs is not None:
            self.theirs.close()

    def give_up(self) -> None:
        """Close both ends."""
        for end in (self._ours, self.theirs):
            if end is not None:
                end.close()


def tell_to_stop(attempt: Attempt) -> None:
    """Have the init of ``attempt`` wait for all its processes, which are about to be asked to end."""
    if attempt.control is not None:
        with contextlib.suppress(OSError):
            attempt.control.send(enclosure.STOPPING)


def told(attempt: Attempt, status: int) -> int:
    """Return the wait status of the command of ``attempt``, whose leader ended with ``status``."""
    control, attempt.control = attempt.control, None
    if control is None:
        return status
    with control, contextlib.suppress(OSError):
        said = control.recv(32, socket.MSG_DONTWAIT)
        if said.isdigit():
            return int(said)
    return status  # it was killed, and the command with it


class _Beginning:
    """A forked process on its way to become the command of an attempt."""

    def __init__(
        self, plan: Mapping[str, Any], fds: tuple[int, int, int], writer: int, control: socket.socket | None
    ) -> None:
        self._plan = plan
        self._fds = fds
        self._writer = writer
        self._control = control

    def run(self, attempt: Attempt, directory: str) -> NoReturn:
        enclosure.default_signals()
        for target, fd in enumerate(self._fds):
            os.dup2(fd, target)
        with _telling(self._writer, "volumes"):
            enclosure.unshare(self._plan["flags"])
            mounting.keep_apart()
            mounting.furnish(self._plan["mounts"], self._plan["stage"])
        if self._control is not None:
            with _telling(self._writer, "PID namespace"):
                self._become_init(self._control)
        os.setsid()
        with _telling(self._writer, f"working directory {directory!r}"):
            os.chdir(directory)
        with _telling(self._writer, f"command {attempt.argv[0]!r}" if attempt.argv else "command ''"):
            command = resolve(attempt.argv[0], attempt.env.get("PATH", DEFAULT_PATH))
            os.execve(command, attempt.argv, attempt.env)  # noqa: S606 - that is what it is for
        os._exit(127)

    def _become_init(self, control: socket.socket) -> None:
        pid = os.fork()
        if pid:
            os.write(self._writer, b"%d\n" % pid)
            os._exit(0)
        mounting.mount_proc()
        enclosure.bound_processes(self._plan["pids_max"])
        enclosure.become_init(control.detach())


@contextlib.contextmanager
def _telling(writer: int, what: str) -> Any:  # noqa: ANN401 - a generator, to contextlib
    """Tell what goes wrong inside, and end this process then: it is a copy of one that has other things to do."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it is, nothing of ours may go on here
        number = error.errno if isinstance(error, OSError) and error.errno else 0
        text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        os.write(writer, _FAILED + f"{number}\0{what}\0{text}".encode("utf-8", "backslashreplace"))
        os._exit(127)


def _fork() -> int:
    """Fork; raises NotStarted, which may pass."""
    try:
        return os.fork()
    except OSError as error:
        raise NotStarted("command", error) from error


def _read(reader: int) -> bytes:
    """Return all that is said until nobody is left who could say more."""
    parts = []
    with open(reader, "rb", buffering=0) as file:
        while part := file.read(1 << 16):
            parts.append(part)
    return b"".join(parts)


def _failed(said: bytes, pid: int) -> NoReturn:
    """Raise what a beginning said, once it is gone."""
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
    number, what, text = (*said.removeprefix(_FAILED).decode().split("\0", 2), "", "")[:3]
    if not number.isdigit():
        raise NotStarted("command", OSError(errno.EAGAIN, "its process was killed before it ran"))
    raise NotStarted(what, OSError(int(number), text))


def _text(said: bytes) -> str:
    return said.removeprefix(_FAILED).decode().rpartition("\0")[2]
