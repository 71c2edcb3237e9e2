"""Output directories of attempts that wrote nothing, handed on to the next attempts.

Making a directory and two files takes three inodes, and a file system that has just deleted many is slow to give new
ones: ext4 passes over each inode deleted in the last minutes, one by one. Renaming takes none. That an attempt was
silent is told with its end, and the journal has that before the directory may go: so "no output" stays different from
"output lost", and the server keeps it together with the end, also through a power cut.
"""

import os

from jubako.runtime.supervisor.attempt import Attempt

_KEPT_MAX = 64


class Silent:
    """Directories with two empty files each; those that nobody takes stay where they are."""

    def __init__(self) -> None:
        self._ended: list[str] = []
        """Of attempts whose end is not in the journal yet."""
        self._ready: list[str] = []

    def give(self, attempt: Attempt) -> None:
        """Take the output directory of ``attempt``, which wrote nothing and whose tree is gone."""
        if len(self._ready) + len(self._ended) < _KEPT_MAX:
            self._ended.append(attempt.output)

    def offer(self) -> None:
        """Let go what was given: the ends of all these attempts are in the journal."""
        self._ready += self._ended
        self._ended.clear()

    def take(self, directory: str) -> bool:
        """Make ``directory`` of one that is offered; False if that cannot be done, and it must be made."""
        if not self._ready:
            return False
        try:
            os.rename(self._ready.pop(), directory)  # noqa: PTH104 - hot
        except OSError:  # the one was removed with its execution, or the place of the other is not there yet
            return False
        return True
