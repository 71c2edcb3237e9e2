"""Control groups as containment: a process cannot leave one, whatever it does to its session, parent or environment.

Works where this process may make groups below its own in the version 2 hierarchy, see ``division`` - also in the
unified part of a hybrid host - and the kernel has ``cgroup.kill``. Limits come from the same hierarchy or, on a hybrid
host, from those of version 1 beside it, see ``limits``.

1. Groups are slots that are used again, because making and removing one for each attempt costs more than moving.
2. This process goes into the slot, starts the command, and goes back to its own place, ``main``: so the command is born
   inside, and nothing that it forks can be outside. That takes no longer than moving the command afterwards.
3. Groups that limit memory and processor time of version 1 are entered by the command after its start, and by what it
   may have forked by then: this process must not be where memory is scarce.
"""

import contextlib
import errno
import itertools
import os
import time
from collections.abc import Mapping
from pathlib import Path

from jubako.runtime.supervisor import division, limits
from jubako.runtime.supervisor.attempt import Attempt
from jubako.runtime.supervisor.kept_files import KeptFiles

_PATIENCE_S = 10.0
_PAUSE_S = 0.005
_FOLLOWS_MAX = 20
_MAIN = "main"
_CROWD = 32
"""From so many processes and threads on, an attempt without a limit of processor time is worth a group."""


class Cgroups:
    """Slots in groups of our own, one per live attempt."""

    def __init__(self, base: Path, controllers: Mapping[str, Path], missing: str) -> None:
        """Take the groups of ours, in version 2 and of each controller that can be had, and why others cannot."""
        self._base = base
        self._controllers = controllers
        self.missing = missing
        self._homes = {base, *(path for name, path in controllers.items() if name == "pids")}
        """Where a command is born inside."""
        self._count = 0
        self._free: list[int] = []
        self._set: dict[tuple[str, int], float | None] = {}
        """Limits as they stand, by controller and slot; missing = none was ever set."""
        self._files = KeptFiles()
        self._kills: dict[int, int] = {}
        """How many kills for want of memory a slot had seen when its attempt came."""

    @classmethod
    def find(cls, mark: str) -> "Cgroups":
        """Return the slots for the state directory with this mark, all empty.

        What a predecessor left in them is killed, and its groups are removed.

        Raises:
            OSError: There can be none: not allowed, or a kernel without ``cgroup.kill``.

        """
        found = places(mark)
        base = found.pop("", None)
        if base is None:
            raise FileNotFoundError(errno.ENOENT, "version 2 is not mounted")
        base.mkdir(exist_ok=True)
        try:
            _empty(base)
            made = cls(base, *_controllers(base, found))
            made._add()
            made._settle()
        except OSError:
            division.leave(base)
            raise
        return made

    @property
    def enforced(self) -> list[str]:
        """Which limits hold."""
        return [name for name in limits.CONTROLLERS if name in self._controllers]

    def enter(self, attempt: Attempt) -> int | None:
        """Go into a free slot with the limits of ``attempt``, and return it; ``go_back`` must follow.

        None if that cannot be now; raises OSError if it cannot be and the attempt asks for limits that hold here.
        """
        try:
            if not self._free:
                self._add()
            slot = self._free.pop()
        except OSError:  # no more groups allowed
            if self._has_limits(attempt):
                raise
            return None
        try:
            self._go_into(slot, attempt)
        except OSError:
            self.go_back()
            self._free.append(slot)
            raise
        self._kills[slot] = self._killed(slot)
        return slot

    def doors(self, slot: int) -> list[str]:
        """Return the files into which a process writes ``0`` to go into ``slot``."""
        return [f"{home}/slot-{slot}/cgroup.procs" for home in self._homes]

    def go_back(self) -> None:
        """Return to this process's own place."""
        for home in self._homes:
            self._files.write(f"{home}/{_MAIN}/cgroup.procs", b"0")

    def follow(self, slot: int, attempt: Attempt) -> None:
        """Move what was born in ``slot`` into the groups of other hierarchies that limit it; raises OSError."""
        groups = [
            f"{self._controllers[name]}/slot-{slot}"
            for name, value in _wanted(attempt).items()
            if value is not None and name in self._controllers and self._controllers[name] not in self._homes
        ]
        moved: set[bytes] = set()
        for _ in range(_FOLLOWS_MAX if groups else 0):
            pids = _members(f"{self._base}/slot-{slot}") - moved
            if not pids:
                return
            moved |= pids
            for pid, group in itertools.product(pids, groups):
                _move(pid, group)

    def gather(self, slot: int) -> None:
        """Move what is in ``slot`` into its group of processor time, if that is apart and it has become a crowd."""
        if not {"cpu", "pids"} <= self._controllers.keys() or self._controllers["cpu"] in self._homes:
            return
        group = f"{self._controllers['cpu']}/slot-{slot}"
        with contextlib.suppress(OSError):  # the next look tries again
            if int(self._files.read(f"{self._controllers['pids']}/slot-{slot}/pids.current")) >= _CROWD:
                Path(group).mkdir(exist_ok=True)
                if _members(f"{self._base}/slot-{slot}") - _members(group):
                    self._gather(f"{self._base}/slot-{slot}", group)

    def _gather(self, slot: str, group: str) -> None:
        # Frozen, because beside a crowd that runs each move takes a tenth of a second, and it would go on to fork.
        limits.write(f"{slot}/cgroup.freeze", b"1")
        try:
            for pid in _members(slot) - _members(group):
                _move(pid, group)
        finally:
            limits.write(f"{slot}/cgroup.freeze", b"0")

    def ran_out_of_memory(self, slot: int) -> bool:
        """Return whether something was killed in ``slot`` for want of memory since ``enter``."""
        return self._killed(slot) > self._kills.get(slot, 0)

    def is_populated(self, slot: int) -> bool:
        """Return whether something lives in ``slot``."""
        return b"populated 1" in self._files.read(f"{self._base}/slot-{slot}/cgroup.events")

    def kill(self, slot: int) -> None:
        """Kill everything in ``slot`` at once, however fast it forks."""
        with contextlib.suppress(OSError):
            limits.write(f"{self._base}/slot-{slot}/cgroup.kill", b"1")

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
            number = name.partition("/")[0]  # behind it: a group that the task made
            if line.startswith("0::") and number.isdigit():
                return int(number)
        return None

    def close(self) -> None:
        """Remove the groups; one that is not empty stays for the successor."""
        self._files.close()
        for home in self._homes - {self._base}:
            with contextlib.suppress(OSError):
                limits.write(f"{home.parent}/cgroup.procs", b"0")
        for home in {self._base, *self._controllers.values()}:
            division.remove(home)
        division.leave(self._base)

    def _go_into(self, slot: int, attempt: Attempt) -> None:
        for name, value in _wanted(attempt).items():
            self._limit(name, slot, value)
        try:
            self._pass(slot)
        except OSError:  # the task before may have divided it
            division.mend(self._base / f"slot-{slot}")
            self._pass(slot)

    def _pass(self, slot: int) -> None:
        for door in self.doors(slot):
            self._files.write(door, b"0")

    def _settle(self) -> None:
        for home in self._homes:
            (home / _MAIN).mkdir(exist_ok=True)
        self.go_back()
        if "pids" in self._controllers:
            limits.put(
                str(self._controllers["pids"]),
                limits.settings("pids", is_v2=True, value=limits.pids_for_all()),
            )

    def _add(self) -> None:
        for home in self._homes:
            (home / f"slot-{self._count}").mkdir(exist_ok=True)
        if not (self._base / f"slot-{self._count}" / "cgroup.kill").exists():
            raise FileNotFoundError(errno.ENOENT, "this kernel has no cgroup.kill")
        self._free.append(self._count)
        self._count += 1

    def _limit(self, name: str, slot: int, value: float | None) -> None:
        if name not in self._controllers or self._set.get((name, slot)) == value:
            return
        group = f"{self._controllers[name]}/slot-{slot}"
        # Those of version 1 are made when somebody wants them; most attempts do not.
        with contextlib.suppress(FileExistsError):
            os.mkdir(group)  # noqa: PTH102 - hot
        limits.put(group, limits.settings(name, is_v2=self._is_v2(name), value=value))
        self._set[name, slot] = value

    def _has_limits(self, attempt: Attempt) -> bool:
        return any(
            value is not None and name in self._controllers for name, value in _wanted(attempt).items()
        )

    def _is_v2(self, name: str) -> bool:
        return self._controllers[name] == self._base

    def _killed(self, slot: int) -> int:
        if self._set.get(("memory", slot)) is None:
            return 0
        return limits.kills(f"{self._controllers['memory']}/slot-{slot}", is_v2=self._is_v2("memory"))


def _members(group: str) -> set[bytes]:
    return set(Path(f"{group}/cgroup.procs").read_bytes().split())


def _move(pid: bytes, group: str) -> None:
    with contextlib.suppress(ProcessLookupError):
        limits.write(f"{group}/cgroup.procs", pid)


def _wanted(attempt: Attempt) -> Mapping[str, float | None]:
    return {"memory": attempt.memory_bytes, "cpu": attempt.cpus, "pids": attempt.pids_max}


def places(mark: str) -> dict[str, Path]:
    """Return where the groups of the state directory with this mark are, by controller; "" for version 2."""
    found = {mount.controller: mount.group for mount in limits.mounts()}
    if "" in found:
        found[""] = division.given(found[""])
    return {name: group / f"jubako-{mark[:12]}" for name, group in found.items()}


def _controllers(base: Path, apart: Mapping[str, Path]) -> tuple[dict[str, Path], str]:
    """Return the group of ours for each controller that can be had, and why others cannot."""
    names, missing = division.hand_down(base, [name for name in limits.CONTROLLERS if name not in apart])
    found = dict.fromkeys(names, base)
    for name, path in apart.items():
        try:
            path.mkdir(exist_ok=True)
            division.remove_below(path)
            # Only what can really be set counts.
            limits.put(str(path), limits.settings(name, is_v2=False, value=None))
            found[name] = path
        except OSError as error:
            missing = f"{path}: {error.strerror}"
    return found, missing


def _empty(base: Path) -> None:
    """Kill what is in ``base`` and remove its slots; raises OSError if that takes too long."""
    (base / "cgroup.kill").write_text("1", encoding="ascii")
    give_up = time.monotonic() + _PATIENCE_S
    while "populated 1" in (base / "cgroup.events").read_text(encoding="ascii"):
        if time.monotonic() > give_up:
            raise OSError(f"{base} does not get empty")
        time.sleep(_PAUSE_S)
    division.remove_below(base)
