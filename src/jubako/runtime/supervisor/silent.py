"""Output directories of attempts that wrote nothing, handed on to the next attempts.

Making a directory and two files takes three inodes, and a file system that has just deleted many is slow to give new
ones: ext4 passes over each inode deleted in the last minutes, one by one. Renaming takes none. That an attempt was
silent is written into the file ``silent`` beside its directory, one name a line, before the directory may go: so
"no output" stays different from "output lost".
"""

import contextlib
import os

from jubako.runtime.supervisor.attempt import Attempt

NOTE = "silent"
_KEPT_MAX = 64


class Silent:
    """Directories with two empty files each; those that nobody takes stay where they are."""

    def __init__(self) -> None:
        self._ended: dict[str, list[str]] = {}
        """Not noted yet, by the directory that they are in."""
        self._ready: list[str] = []

    def give(self, attempt: Attempt) -> None:
        """Offer the output directory of ``attempt``, which wrote nothing and whose tree is gone."""
        parent, _, name = attempt.output.rpartition("/")
        if parent and len(self._ready) < _KEPT_MAX:
            self._ended.setdefault(parent, []).append(name)

    def note(self) -> None:
        """Write down who was silent; only then their directories can be taken."""
        if not self._ended:
            return
        ended, self._ended = self._ended, {}
        for parent, names in ended.items():
            with contextlib.suppress(OSError):  # no space, or somebody removed it: they stay where they are
                _append(f"{parent}/{NOTE}", "".join(f"{name}\n" for name in names).encode())
                self._ready += [f"{parent}/{name}" for name in names]

    def take(self, directory: str) -> bool:
        """Make ``directory`` of one that is offered; False if that cannot be done, and it must be made."""
        if not self._ready:
            return False
        try:
            os.rename(self._ready.pop(), directory)  # noqa: PTH104 - hot
        except OSError:  # the one was removed with its execution, or the place of the other is not there yet
            return False
        return True


def _append(path: str, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        if os.write(fd, data) < len(data):
            raise OSError(f"{path} is cut")
    finally:
        os.close(fd)
