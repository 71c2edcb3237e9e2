"""Starting one command: own session and process group, nothing on stdin, stdout and stderr straight to files."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from jubako.runtime.supervisor.attempt import Attempt
from jubako.runtime.supervisor.commands import DEFAULT_PATH, NotStarted, resolve
from jubako.runtime.supervisor.enclosed import Enclosures, Means
from jubako.runtime.supervisor.memory import FirstToGo
from jubako.runtime.supervisor.protocol import ENV_ATTEMPT, ENV_SUPERVISOR
from jubako.runtime.supervisor.silent import Silent

# Python ignores these, and what is ignored stays ignored in the user's program.
_DEFAULT_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ)


_Fds = tuple[int, int, int]


class Spawner:
    """Starts attempts; remembers the directory it was made in for those that name none."""

    def __init__(self, mark: str, enclosures: Enclosures | None = None) -> None:
        """Take the mark of the state directory, and who starts attempts in namespaces; None: there are none."""
        self._mark = mark
        self.enclosures = enclosures or Enclosures(
            Means(mounts_missing="nobody asked for them"), "", has_pids=False
        )
        self.directory = os.getcwd()  # noqa: PTH109 - no Path is needed
        self._home = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
        self._null = os.open(os.devnull, os.O_RDWR)
        self._first_to_go = FirstToGo()
        self.silent = Silent()
        """Output directories that can be used again."""

    def start(self, attempt: Attempt) -> int:
        """Start the command of ``attempt`` and return its pid.

        Raises:
            NotStarted: No such command or directory, no permission, no output directory, ...

        """
        self.mark(attempt)
        with self.outputs(attempt) as outputs:
            if self.enclosures.is_wanted(attempt):
                with self._first_to_go:
                    return self.enclosures.start(attempt, outputs, attempt.cwd or self.directory)
            if attempt.cwd is None:
                return self._spawn(attempt.argv, attempt.env, outputs)
            return self._spawn_in(attempt.cwd, attempt.argv, attempt.env, outputs)

    def mark(self, attempt: Attempt) -> None:
        """Put the marks into the environment of ``attempt`` by which its processes are found."""
        attempt.env[ENV_ATTEMPT], attempt.env[ENV_SUPERVISOR] = attempt.id, self._mark

    def start_helper(self, argv: list[str], env: dict[str, str], cwd: str | None) -> int:
        """Start a process that belongs to no attempt, without output; raises as ``start`` does."""
        env = {**env, ENV_SUPERVISOR: self._mark}
        outputs = (self._null, self._null, self._null)
        return self._spawn_in(cwd, argv, env, outputs) if cwd else self._spawn(argv, env, outputs)

    @contextlib.contextmanager
    def outputs(self, attempt: Attempt) -> Iterator[_Fds]:
        """Open what ``attempt`` gets as its standard input, output and error; raises NotStarted."""
        outputs = self._open_outputs(attempt)
        try:
            yield (self._null, *outputs)
        finally:
            for fd in outputs:
                if fd != self._null:
                    os.close(fd)

    def _spawn_in(self, directory: str, argv: list[str], env: dict[str, str], fds: _Fds) -> int:
        # posix_spawn has no portable way to name a directory, and this process has a single thread.
        try:
            os.chdir(directory)
        except (OSError, ValueError) as error:
            raise NotStarted(f"working directory {directory!r}", error) from error
        try:
            return self._spawn(argv, env, fds)
        finally:
            os.fchdir(self._home)

    def _spawn(self, argv: list[str], env: dict[str, str], fds: _Fds) -> int:
        actions = [(os.POSIX_SPAWN_DUP2, fd, target) for target, fd in enumerate(fds)]
        try:
            command = resolve(argv[0], env.get("PATH", DEFAULT_PATH))
            with self._first_to_go:
                return os.posix_spawn(
                    command,
                    argv,
                    env,
                    file_actions=actions,
                    setsid=True,
                    setsigmask=(),
                    setsigdef=_DEFAULT_SIGNALS,
                )
        except (OSError, ValueError, TypeError, IndexError) as error:
            name = argv[0] if argv else ""
            raise NotStarted(f"command {name!r}", error) from error

    def _open_outputs(self, attempt: Attempt) -> tuple[int, int]:
        directory = attempt.output
        if not directory:
            return self._null, self._null
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        first = -1
        try:
            if not self.silent.take(directory):
                _make(directory)
            first = os.open(f"{directory}/stdout", flags, 0o600)
            return first, os.open(f"{directory}/stderr", flags, 0o600)
        except (OSError, ValueError) as error:
            if first >= 0:
                os.close(first)
            raise NotStarted(f"output directory {directory!r}", error) from error


def _make(directory: str) -> None:
    try:
        os.mkdir(directory, 0o700)  # noqa: PTH102 - hot
    except FileExistsError:
        return
    except FileNotFoundError:
        Path(directory).mkdir(mode=0o700, parents=True, exist_ok=True)
