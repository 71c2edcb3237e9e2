"""How much memory there is for attempts: what they may ask for together, and whether too little is left to start one.

A machine without swap ends programs when memory runs out, and not always the right ones. So what attempts ask for is
never promised twice, and where they ask for nothing, no further one starts while little memory is free.
"""

import contextlib
import os
import time
from pathlib import Path

SHARE = 0.9
"""Of the machine's memory that attempts may ask for together; the rest is for the system and the server."""
SHORT_SHARE, SHORT_BYTES_MAX = 0.05, 512 << 20
"""Less than this part of the memory free, or less than so much, is little."""
_LOOK_EVERY_S = 0.05
_OOM_SCORE = b"500"
"""Half of the scale. Source: proc(5), oom_score_adj."""
_UNLIMITED = 1 << 60
_CGROUP_FILES = (("memory.max", ""), ("memory.limit_in_bytes", "memory"))


def machine_bytes(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the bytes of memory that programs here can have: the machine's, or what this container may use."""
    limits = [_UNLIMITED, *_limits(proc, groups)]
    total = _meminfo(proc, "MemTotal")
    return min(limits) if total is None else min(total, *limits)


def for_attempts() -> int:
    """Return how many bytes all attempts together may ask for."""
    return int(machine_bytes() * SHARE)


class FirstToGo:
    """While entered, what this process starts is ended before the server where memory runs out all the same.

    This process takes the score on for that moment, because a child inherits it and starts with it: writing into the
    child's own file costs five times as much, and comes later.
    """

    def __init__(self, path: str = "/proc/self/oom_score_adj") -> None:
        self._fd, self._own = -1, b"0"
        with contextlib.suppress(OSError):  # not Linux
            self._fd = os.open(path, os.O_RDWR)
            self._own = os.pread(self._fd, 16, 0).strip()

    def __enter__(self) -> None:
        """Take on the score of attempts."""
        self._write(_OOM_SCORE)

    def __exit__(self, *_: object) -> None:
        """Go back to the own score; never below it, which needs no privilege."""
        self._write(self._own)

    def _write(self, score: bytes) -> None:
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.pwrite(self._fd, score, 0)


class FreeMemory:
    """Looks now and then whether there is memory for one more attempt."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._floor = min(SHORT_BYTES_MAX, int((_meminfo(proc, "MemTotal") or 0) * SHORT_SHARE))
        self._next_look = 0.0
        self._is_short = False

    def is_short(self) -> bool:
        """Return whether so little is free that nothing further should start; False where nobody can say."""
        now = time.monotonic()
        if now >= self._next_look:
            free = _meminfo(self._proc, "MemAvailable")
            self._is_short = free is not None and free < self._floor
            self._next_look = now + _LOOK_EVERY_S
        return self._is_short


def _meminfo(proc: Path, field: str) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        for line in (proc / "meminfo").read_text(encoding="ascii").splitlines():
            name, _, amount = line.partition(":")
            if name == field:
                return int(amount.split()[0]) * 1024
    return None


def _limits(proc: Path, groups: Path) -> list[int]:
    """Return the limits of memory on this process's control groups, as far as they can be seen from here."""
    found = []
    with contextlib.suppress(OSError):
        for line in (proc / "self" / "cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            for name, controller in _CGROUP_FILES:
                if controllers == controller:
                    root = groups / controller
                    found += [_number(place / name) for place in _upwards(root, path)]
    return [limit for limit in found if limit is not None]


def _upwards(root: Path, path: str) -> list[Path]:
    # In a container the path may be the host's, and its own group is what is mounted.
    place = root / path.lstrip("/")
    return [place, *(parent for parent in place.parents if parent.is_relative_to(root))]


def _number(path: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        return int(path.read_text(encoding="ascii"))
    return None
