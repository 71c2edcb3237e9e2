"""The index of an attempt's output: when each part of stdout and stderr was written.

The file ``index`` beside them holds JSON lines ``{"t": MICROSECONDS, "o": BYTES, "e": BYTES}``: at the time ``t``
since the epoch the files ``stdout`` and ``stderr`` had these sizes, so a byte between two lines was written between
their times. A line is added only when one of the files grew; no ``index`` means no output so far. A last line may be
torn if the disk was full.
"""

import os
import time
from collections.abc import Iterable

from jubako.runtime.supervisor.attempt import Attempt

INTERVAL_S = 0.1
_SHARE_MAX = 0.05
"""Looking at files may take this part of the time; with many attempts the looks become rarer."""


class Indexer:
    """Looks at the output files of live attempts now and then."""

    def __init__(self) -> None:
        self.next_at = 0.0
        """On the monotonic clock."""

    def look(self, attempts: Iterable[Attempt], now: float) -> bool:
        """Note what grew, if it is time to look; return whether it was."""
        if now < self.next_at:
            return False
        for attempt in attempts:
            note(attempt)
        self.next_at = now + max(INTERVAL_S, (time.monotonic() - now) / _SHARE_MAX)
        return True


def note(attempt: Attempt) -> int | None:
    """Add a line to the index of ``attempt`` if its output grew; return how many bytes there are, None = no files."""
    if not attempt.output or not attempt.pid:
        return None
    try:
        sizes = _size(f"{attempt.output}/stdout"), _size(f"{attempt.output}/stderr")
    except OSError:  # somebody removed it
        return None
    if sizes != (attempt.output_bytes, attempt.error_bytes):
        _add(attempt, *sizes)
    return sum(sizes)


def _add(attempt: Attempt, stdout: int, stderr: int) -> None:
    line = b'{"t":%d,"o":%d,"e":%d}\n' % (time.time_ns() // 1000, stdout, stderr)
    try:
        fd = os.open(f"{attempt.output}/index", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError:  # somebody removed the directory: there is nothing to index
        return
    try:
        os.write(fd, line)
        attempt.output_bytes, attempt.error_bytes = stdout, stderr
    except OSError:  # no space: the next look notes it
        return
    finally:
        os.close(fd)


def _size(path: str) -> int:
    return os.stat(path).st_size  # noqa: PTH116 - hot
