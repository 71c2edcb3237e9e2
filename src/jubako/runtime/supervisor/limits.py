"""Limits of memory, processor time and number of processes, by control groups of version 1 and 2.

A *hierarchy* is a mounted tree of groups. On a version 2 host one has all controllers; on version 1 and hybrid hosts
each controller has its own. In each that can be had there is a group of ours, and below it one group per slot.

1. What cannot be enforced here is left out of ``enforced``; it is never pretended.
2. Limits are set before the command starts.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

CONTROLLERS = ("memory", "cpu", "pids")
Settings = Sequence[tuple[str, str]]
_SWAP_V1 = "memory.memsw.limit_in_bytes"
_CPU_PERIOD_US = 100_000
_CPU_QUOTA_US_MIN = 1_000
_MEMORY_BYTES_MIN = 4 << 20
"""In less than this no command can start; and on version 2 the supervisor passes through a group so limited."""
_PIDS_SHARE = 0.75
"""All attempts together may use this part of the machine's process numbers: somebody must be able to log in."""


@dataclass(frozen=True, slots=True)
class Mount:
    """Where one hierarchy is mounted, and the group of this process in it."""

    controller: str
    """"" for version 2."""
    group: Path


def mounts() -> Iterator[Mount]:
    """Yield the hierarchies that matter here, version 2 included."""
    try:
        mounted = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
        groups = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    yield from parse_mounts(mounted, groups)


def parse_mounts(mounted: list[str], groups: list[str]) -> Iterator[Mount]:
    """Yield what the lines of /proc/self/mounts and /proc/self/cgroup say."""
    own: dict[str, str] = {}
    for line in groups:
        _, names, path = line.split(":", 2)
        own.update(dict.fromkeys(names.split(","), path))
    for line in mounted:
        fields = line.split()
        known = {"cgroup2": {""}, "cgroup": set(fields[3].split(",")).intersection(CONTROLLERS)}
        for name in sorted(known.get(fields[2], set()) & own.keys()):
            yield Mount(name, Path(fields[1]) / own[name].lstrip("/"))


def write(path: str, data: bytes) -> None:
    """Write ``data`` in one call, as the files of control groups want it; raises OSError."""
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)


def settings(controller: str, *, is_v2: bool, value: float | None) -> Settings:
    """Return the files of a group that set a limit, and what to write into them in order; None = no limit."""
    if controller == "pids":
        return [("pids.max", "max" if value is None else str(int(value)))]
    if controller == "memory":
        limit = None if value is None else str(max(_MEMORY_BYTES_MIN, int(value)))
        if is_v2:
            return [("memory.max", limit or "max"), ("memory.swap.max", "0" if limit else "max")]
        limit = limit or "-1"
        # Memory with swap must never be less than memory, also while the two change.
        return [(_SWAP_V1, "-1"), ("memory.limit_in_bytes", limit), (_SWAP_V1, limit)]
    quota = None if value is None else max(_CPU_QUOTA_US_MIN, round(value * _CPU_PERIOD_US))
    if is_v2:
        return [("cpu.max", f"{'max' if quota is None else quota} {_CPU_PERIOD_US}")]
    return [
        ("cpu.cfs_period_us", str(_CPU_PERIOD_US)),
        ("cpu.cfs_quota_us", str(-1 if quota is None else quota)),
    ]


_OPTIONAL = frozenset({"memory.swap.max", _SWAP_V1})
"""Missing where the kernel does not account for swap."""


def put(group: str, files: Settings) -> None:
    """Write settings of a group; raises OSError if one that matters cannot be written."""
    for name, text in files:
        try:
            write(f"{group}/{name}", text.encode("ascii"))
        except OSError:
            if name not in _OPTIONAL:
                raise


def kills(group: str, *, is_v2: bool) -> int:
    """Return how many processes of a group were killed for want of memory; 0 if it does not say."""
    name = "memory.events" if is_v2 else "memory.oom_control"
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"{group}/{name}").read_text(encoding="ascii").splitlines():
            key, _, count = line.partition(" ")
            if key == "oom_kill":
                return int(count)
    return 0


def pids_for_all() -> int:
    """Return how many processes and threads all attempts together may have."""
    known = [1 << 15]
    with contextlib.suppress(OSError, ValueError):
        known = [
            int(Path(f"/proc/sys/kernel/{name}").read_text(encoding="ascii"))
            for name in ("pid_max", "threads-max")
        ]
    return int(min(known) * _PIDS_SHARE)
