"""Control groups as containment: a process cannot leave one, whatever it does to its session, parent or environment.

Works where this process may make groups below its own in the version 2 hierarchy - also in the unified part of a hybrid
host - and the kernel has ``cgroup.kill``. No controllers are switched on: nothing is limited here.

Groups are slots that are used again, because making and removing one for each attempt costs more than moving into one.
A leader is moved right after it was started; what it might have forked before that is found by its descent (see
``trees``).
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

_PATIENCE_S = 10.0
_PAUSE_S = 0.005


class Cgroups:
    """Slots in a group of our own, one per live attempt."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._count = 0
        self._free: list[int] = []

    @classmethod
    def find(cls, mark: str) -> "Cgroups | None":
        """Return the slots for the state directory with this mark, all empty; None where there can be none.

        What a predecessor left in them is killed.
        """
        parent = _own_group()
        if parent is None:
            return None
        base = parent / f"jubako-{mark[:12]}"
        try:
            base.mkdir(exist_ok=True)
            _empty(base)
            found = cls(base)
            found._add()
        except OSError:  # not allowed, or a kernel without cgroup.kill
            return None
        return found

    def enter(self, pid: int) -> int | None:
        """Move ``pid`` into a free slot and return it; None if that is not possible now."""
        try:
            if not self._free:
                self._add()
            slot = self._free.pop()
        except OSError:  # no more groups allowed
            return None
        with contextlib.suppress(OSError):  # it has ended already
            self._write(slot, "cgroup.procs", b"%d" % pid)
        return slot

    def is_populated(self, slot: int) -> bool:
        """Return whether something lives in ``slot``."""
        fd = os.open(f"{self._base}/slot-{slot}/cgroup.events", os.O_RDONLY)
        try:
            return b"populated 1" in os.read(fd, 256)
        finally:
            os.close(fd)

    def kill(self, slot: int) -> None:
        """Kill everything in ``slot`` at once, however fast it forks."""
        with contextlib.suppress(OSError):
            self._write(slot, "cgroup.kill", b"1")

    def leave(self, slot: int) -> None:
        """Give back ``slot``, which is empty."""
        self._free.append(slot)

    def slot_of(self, pid: int) -> int | None:
        """Return the slot that ``pid`` is in."""
        try:
            text = Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        for line in text.splitlines():
            _, _, name = line.rpartition(f"/{self._base.name}/slot-")
            if line.startswith("0::") and name.isdigit():
                return int(name)
        return None

    def close(self) -> None:
        """Remove the slots; one that is not empty stays for the successor."""
        for group in _groups(self._base):
            with contextlib.suppress(OSError):
                group.rmdir()

    def _add(self) -> None:
        group = self._base / f"slot-{self._count}"
        group.mkdir(exist_ok=True)
        if not (group / "cgroup.kill").exists():
            raise FileNotFoundError(group / "cgroup.kill")
        self._free.append(self._count)
        self._count += 1

    def _write(self, slot: int, name: str, data: bytes) -> None:
        # Opened each time: two descriptors for each of a thousand live attempts would be too many.
        fd = os.open(f"{self._base}/slot-{slot}/{name}", os.O_WRONLY)
        try:
            os.write(fd, data)
        finally:
            os.close(fd)


def _own_group() -> Path | None:
    mount = None
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
            fields = line.split()
            if fields[2] == "cgroup2":
                mount = Path(fields[1])
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            if mount is not None and line.startswith("0::"):
                return mount / line[3:].lstrip("/")
    return None


def _groups(base: Path) -> Iterator[Path]:
    """Yield ``base`` and all groups below it, the lowest first: a task may have made some of its own."""
    for folder, _, _ in os.walk(base, topdown=False):
        yield Path(folder)


def _empty(base: Path) -> None:
    """Kill what is in ``base`` and remove its slots; raises OSError if that takes too long."""
    (base / "cgroup.kill").write_text("1", encoding="ascii")
    give_up = time.monotonic() + _PATIENCE_S
    while "populated 1" in (base / "cgroup.events").read_text(encoding="ascii"):
        if time.monotonic() > give_up:
            raise OSError(f"{base} does not get empty")
        time.sleep(_PAUSE_S)
    for group in _groups(base):
        if group != base:
            group.rmdir()
