"""Starting one command: own session and process group, nothing on stdin, stdout and stderr straight to files."""

import contextlib
import errno
import os
import signal
from pathlib import Path

from jubako.runtime.supervisor.attempt import Attempt
from jubako.runtime.supervisor.protocol import ENV_ATTEMPT, ENV_SUPERVISOR

_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
# Python ignores these, and what is ignored stays ignored in the user's program.
_DEFAULT_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ)


_PASSING = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})


class NotStarted(Exception):
    """The command of an attempt cannot be started; the text says why."""

    def __init__(self, text: str, error: Exception) -> None:
        super().__init__(f"{text}: {_text(error)}")
        self.is_passing = isinstance(error, OSError) and error.errno in _PASSING
        """Whether it may work later: the machine has no room right now."""


class Spawner:
    """Starts attempts; remembers the directory it was made in for those that name none."""

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self._home = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
        self._null = os.open(os.devnull, os.O_RDWR)

    def start(self, attempt: Attempt) -> int:
        """Start the command of ``attempt`` and return its pid.

        Raises:
            NotStarted: No such command or directory, no permission, no output directory, ...

        """
        env = attempt.env
        env[ENV_ATTEMPT], env[ENV_SUPERVISOR] = attempt.id, self._mark
        outputs = self._open_outputs(attempt)
        try:
            if attempt.cwd is None:
                return self._spawn(attempt, outputs)
            return self._spawn_in(attempt, attempt.cwd, outputs)
        finally:
            for fd in outputs:
                if fd != self._null:
                    os.close(fd)

    def _spawn_in(self, attempt: Attempt, directory: str, outputs: tuple[int, int]) -> int:
        # posix_spawn has no portable way to name a directory, and this process has a single thread.
        try:
            os.chdir(directory)
        except (OSError, ValueError) as error:
            raise NotStarted(f"working directory {directory!r}", error) from error
        try:
            return self._spawn(attempt, outputs)
        finally:
            os.fchdir(self._home)

    def _spawn(self, attempt: Attempt, outputs: tuple[int, int]) -> int:
        actions = [
            (os.POSIX_SPAWN_DUP2, self._null, 0),
            (os.POSIX_SPAWN_DUP2, outputs[0], 1),
            (os.POSIX_SPAWN_DUP2, outputs[1], 2),
        ]
        try:
            return os.posix_spawn(
                _resolve(attempt.argv[0], attempt.env.get("PATH", _DEFAULT_PATH)),
                attempt.argv,
                attempt.env,
                file_actions=actions,
                setsid=True,
                setsigmask=(),
                setsigdef=_DEFAULT_SIGNALS,
            )
        except (OSError, ValueError, TypeError, IndexError) as error:
            name = attempt.argv[0] if attempt.argv else ""
            raise NotStarted(f"command {name!r}", error) from error

    def _open_outputs(self, attempt: Attempt) -> tuple[int, int]:
        directory = attempt.output
        if not directory:
            return self._null, self._null
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        first = -1
        try:
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


def _resolve(command: str, path: str) -> str:
    """Return the file of ``command`` by the attempt's own PATH, as a shell would."""
    if "/" in command:
        return command
    for directory in path.split(":"):
        candidate = f"{directory or '.'}/{command}"
        with contextlib.suppress(OSError):
            if os.access(candidate, os.X_OK) and Path(candidate).is_file():
                return candidate
    raise FileNotFoundError(2, "not found in PATH")


def _text(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
