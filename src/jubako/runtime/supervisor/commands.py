"""Finding the program of a command, as a shell would, and saying what is not there."""

import contextlib
import errno
import os
from pathlib import Path

DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
"""Of an environment without PATH."""
_PASSING = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE})


class NotStarted(Exception):
    """The command of an attempt cannot be started; the text says why."""

    def __init__(self, text: str, error: Exception) -> None:
        super().__init__(f"{text}: {_text(error)}")
        self.is_passing = isinstance(error, OSError) and error.errno in _PASSING
        """Whether it may work later: the machine has no room right now."""


def resolve(command: str, path: str) -> str:
    """Return the file of ``command`` by the PATH ``path``; one with a slash is a file's name already.

    Raises:
        FileNotFoundError: No directory of ``path`` has a program of this name.

    """
    if "/" in command:
        return command
    for directory in path.split(":"):
        candidate = f"{directory or '.'}/{command}"
        with contextlib.suppress(OSError):
            if os.access(candidate, os.X_OK) and Path(candidate).is_file():
                return candidate
    raise FileNotFoundError(2, "not found in PATH")


def check(command: str, path: str, directory: str) -> None:
    """Return if ``command`` can be started in ``directory``, as far as that can be told without doing it.

    Raises:
        OSError: It cannot; the error is the one that its start would raise.

    """
    places = ":".join(os.path.join(directory, place) for place in path.split(":"))  # noqa: PTH118 - hot
    file = os.path.join(directory, resolve(command, places))  # noqa: PTH118 - hot
    os.stat(file)  # noqa: PTH116 - hot
    if os.path.isdir(file) or not os.access(file, os.X_OK):  # noqa: PTH112 - hot
        raise PermissionError(13, os.strerror(13))


def check_directory(directory: str) -> None:
    """Return if a command can be started in ``directory``; raises OSError as its start would."""
    os.stat(f"{directory}/.")  # noqa: PTH116 - hot; raises NotADirectoryError for a file
    if not os.access(directory, os.X_OK):
        raise PermissionError(13, os.strerror(13))


def _text(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
