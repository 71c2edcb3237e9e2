"""Process trees of attempts: is one gone, and signalling all of one.

Linux: this process is the *subreaper* of everything below it. When a parent dies, its children become ours, whatever
session or group they moved to. So after a leader was reaped, its tree is gone exactly when we have no child that is
neither another leader nor owned by somebody else - and that is one short read from /proc, not a scan.

An orphan belongs to the attempt whose session or group it is in, else to the one whose mark is in its environment, else
to the one in whose tree it was seen before, or whose control group holds it. One that hid all of these is a *stranger*:
it is counted to every attempt that was live when it started, so that none of them is told to have ended before it is
gone. Control groups, where they can be had, leave no strangers and kill a tree in one step.

Elsewhere: the process group alone.
"""

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from jubako.runtime.supervisor import proc
from jubako.runtime.supervisor.attempt import Attempt, Phase
from jubako.runtime.supervisor.cgroup import Cgroups
from jubako.runtime.supervisor.protocol import ENV_ATTEMPT

_PR_SET_CHILD_SUBREAPER = 36


class Trees(Protocol):
    """What must be known and done about process trees."""

    level: str
    """``cgroup``, ``pid-namespace``, ``subreaper`` or ``process-group``: how surely a tree is ended."""

    @property
    def enforced(self) -> Sequence[str]:
        """Which limits hold: of ``memory``, ``cpu``, ``pids``."""
        ...

    missing: str
    """Why other limits do not hold; "" = it was asked for, or there is nothing to say."""

    def prepare(self, attempt: Attempt) -> None:
        """Get ready for the start of ``attempt``; ``enter`` or ``abandon`` follows at once.

        Raises:
            OSError: Its limits, which hold here, cannot be set now; nothing follows.

        """
        ...

    def abandon(self, attempt: Attempt) -> None:
        """Note that ``attempt`` could not be started."""
        ...

    def enter(self, attempt: Attempt) -> None:
        """Note that the leader of ``attempt`` was started; from now on its limits hold."""
        ...

    def doors(self, attempt: Attempt, /) -> Sequence[str]:
        """Return the files into which a process writes ``0`` to belong to ``attempt``, which was prepared."""
        ...

    def tend(self, attempts: Iterable[Attempt], /) -> None:
        """Look after live ``attempts``, now and then, so that none of them takes the share of others."""
        ...

    helpers: set[int]
    """Children of this process that belong to no attempt."""

    def ran_out_of_memory(self, attempt: Attempt, /) -> bool:
        """Return whether a process of ``attempt`` was killed because it reached its limit of memory."""
        ...

    def exited(self, attempt: Attempt) -> None:
        """Note that the leader of ``attempt`` is a zombie, about to be reaped."""
        ...

    def remaining(self, leaderless: Sequence[Attempt]) -> set[str]:
        """Return the ids of those of ``leaderless`` (leaders reaped) whose trees are not gone yet."""
        ...

    def send(self, attempts: Sequence[Attempt], signum: int) -> None:
        """Send ``signum`` to every process of the trees of ``attempts``."""
        ...

    def leave(self, attempt: Attempt) -> None:
        """Forget ``attempt``, whose tree is gone."""
        ...

    def close(self) -> None:
        """Give back what is not of use to a successor."""
        ...


def signal_quietly(pid: int, signum: int) -> None:
    """Send ``signum`` to ``pid``, which may be gone."""
    try:
        os.kill(pid, signum)
    except (ProcessLookupError, PermissionError):
        return


def signal_group(group: int, signum: int) -> None:
    """Send ``signum`` to a process group that may be empty."""
    try:
        os.killpg(group, signum)
    except (ProcessLookupError, PermissionError):  # macOS says EPERM for a group of zombies
        return


def boot_us() -> int:
    """Return microseconds since boot, in the time base of start times in /proc."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 1000


class Uncontained:
    """What all trees without a container around them have in common: nothing to enter, and no limits."""

    enforced: Sequence[str] = ()

    def __init__(self, missing: str = "") -> None:
        self.missing = missing
        self.helpers: set[int] = set()

    def prepare(self, attempt: Attempt) -> None:
        """See Trees."""

    def abandon(self, attempt: Attempt) -> None:
        """See Trees."""

    def doors(self, _attempt: Attempt) -> Sequence[str]:
        """See Trees."""
        return ()

    def tend(self, _attempts: Iterable[Attempt]) -> None:
        """See Trees."""

    def ran_out_of_memory(self, _attempt: Attempt) -> bool:
        """See Trees."""
        return False

    def close(self) -> None:
        """See Trees."""


class GroupTrees(Uncontained):
    """Process groups only: a process that leaves its group escapes."""

    level = "process-group"

    def enter(self, attempt: Attempt) -> None:
        """See Trees."""

    def exited(self, attempt: Attempt) -> None:
        """See Trees."""
        if attempt.phase is not Phase.STOPPING:
            signal_group(attempt.pid, signal.SIGKILL)

    def remaining(self, leaderless: Sequence[Attempt]) -> set[str]:
        """See Trees."""
        return {attempt.id for attempt in leaderless if _group_lives(attempt.pid)}

    def send(self, attempts: Sequence[Attempt], signum: int) -> None:
        """See Trees."""
        for attempt in attempts:
            signal_group(attempt.pid, signum)

    def leave(self, attempt: Attempt) -> None:
        """See Trees."""


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def become_subreaper() -> bool:
    """Ask the kernel for the orphans of everything below this process; False where it does not do that."""
    prctl = getattr(ctypes.CDLL(None, use_errno=True), "prctl", None)
    return (
        prctl is not None and prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0 and proc.children() is not None
    )


class SubreaperTrees(Uncontained):
    """Sessions, descent and marks, seen from the process that inherits every orphan."""

    level = "subreaper"

    def __init__(self, locate: Callable[[int], str | None] = lambda _: None, missing: str = "") -> None:
        """``locate`` may know the id of the attempt that a pid belongs to by other means."""
        super().__init__(missing)
        self._locate = locate
        self._leaders: dict[int, Attempt] = {}
        """Attempts whose leader is not reaped yet, by its pid."""
        self._attempts: dict[str, Attempt] = {}
        self._sessions: dict[int, Attempt] = {}
        self._seen: dict[int, str] = {}
        """Owner of each process that was ever signalled and may still live, by pid."""

    def enter(self, attempt: Attempt) -> None:
        """See Trees."""
        self._leaders[attempt.pid] = attempt
        self._sessions[attempt.pid] = attempt
        self._attempts[attempt.id] = attempt

    def exited(self, attempt: Attempt) -> None:
        """See Trees."""
        if attempt.phase is not Phase.STOPPING:
            # Now, while the zombie still keeps its number from being given to somebody else.
            signal_group(attempt.pid, signal.SIGKILL)
        del self._leaders[attempt.pid]

    def remaining(self, leaderless: Sequence[Attempt]) -> set[str]:
        """See Trees."""
        orphans = self._orphans()
        if not orphans:
            self._seen.clear()
            return set()
        entries = [entry for pid in orphans if (entry := proc.process(pid)) is not None and not entry.is_dead]
        owners: set[str] = set()
        for entry in entries:
            owners.update(self._owners(entry))
        return owners.intersection(attempt.id for attempt in leaderless)

    def send(self, attempts: Sequence[Attempt], signum: int) -> None:
        """See Trees."""
        table = proc.processes()
        roots: dict[str, set[int]] = {attempt.id: set() for attempt in attempts}
        for attempt in attempts:
            if attempt.pid in self._leaders:
                roots[attempt.id].add(attempt.pid)
        for pid in self._orphans():
            for owner in self._owners(table[pid]) if pid in table else ():
                if owner in roots:
                    roots[owner].add(pid)
        self._signal(roots, table, signum)

    def leave(self, attempt: Attempt) -> None:
        """See Trees."""
        del self._attempts[attempt.id]
        if self._sessions.get(attempt.pid) is attempt:
            del self._sessions[attempt.pid]

    def _signal(self, roots: Mapping[str, set[int]], table: Mapping[int, proc.Process], signum: int) -> None:
        for owner, pids in roots.items():
            for pid in proc.descendants(pids, table) if pids else ():
                if not table[pid].is_dead:
                    self._seen[pid] = owner
                    signal_quietly(pid, signum)

    def _orphans(self) -> list[int]:
        return [pid for pid in proc.children() or () if pid not in self._leaders and pid not in self.helpers]

    def _owners(self, entry: proc.Process) -> Iterable[str]:
        attempt = self._sessions.get(entry.session) or self._sessions.get(entry.group)
        if attempt is not None:
            return (attempt.id,)
        mark = os.fsdecode(proc.environment(entry.pid).get(ENV_ATTEMPT.encode(), b""))
        if mark in self._attempts:
            return (mark,)
        seen = self._seen.get(entry.pid) or self._locate(entry.pid)
        if seen in self._attempts:
            return (seen,)
        start_us = (entry.start_ticks + 1) * 1_000_000 // proc.TICKS_PER_SECOND
        return [other.id for other in self._attempts.values() if other.announced_us <= start_us]


class CgroupTrees:
    """What SubreaperTrees knows, and a control group around each tree."""

    level = "cgroup"

    def __init__(self, cgroups: Cgroups) -> None:
        self._cgroups = cgroups
        self.enforced = cgroups.enforced
        self.missing = cgroups.missing
        self._by_slot: dict[int, Attempt] = {}
        self._inner = SubreaperTrees(self._locate)
        self.helpers = self._inner.helpers

    def prepare(self, attempt: Attempt) -> None:
        """See Trees."""
        attempt.slot = self._cgroups.enter(attempt)

    def abandon(self, attempt: Attempt) -> None:
        """See Trees."""
        if attempt.slot is not None:
            self._cgroups.go_back()
            self._cgroups.leave(attempt.slot)
            attempt.slot = None

    def enter(self, attempt: Attempt) -> None:
        """See Trees."""
        self._inner.enter(attempt)
        if attempt.slot is not None:
            self._cgroups.go_back()
            self._by_slot[attempt.slot] = attempt
            try:
                self._cgroups.follow(attempt.slot, attempt)
            except OSError as error:  # it must not run without the limits that we said hold
                attempt.detail = f"its limits could not be set: {error.strerror}"
                self._cgroups.kill(attempt.slot)

    def doors(self, attempt: Attempt) -> Sequence[str]:
        """See Trees."""
        return self._cgroups.doors(attempt.slot) if attempt.slot is not None else ()

    def tend(self, attempts: Iterable[Attempt]) -> None:
        """See Trees."""
        for attempt in attempts:
            if attempt.slot is not None:
                self._cgroups.gather(attempt.slot)

    def ran_out_of_memory(self, attempt: Attempt) -> bool:
        """See Trees."""
        return attempt.slot is not None and self._cgroups.ran_out_of_memory(attempt.slot)

    def exited(self, attempt: Attempt) -> None:
        """See Trees."""
        self._inner.exited(attempt)

    def remaining(self, leaderless: Sequence[Attempt]) -> set[str]:
        """See Trees."""
        populated = {
            attempt.id
            for attempt in leaderless
            if attempt.slot is not None and self._cgroups.is_populated(attempt.slot)
        }
        return populated | self._inner.remaining(leaderless)

    def send(self, attempts: Sequence[Attempt], signum: int) -> None:
        """See Trees."""
        if signum == signal.SIGKILL:
            for attempt in attempts:
                if attempt.slot is not None:
                    self._cgroups.kill(attempt.slot)
        # Also by descent: SIGTERM has no other way, and there may have been no free group.
        self._inner.send(attempts, signum)

    def leave(self, attempt: Attempt) -> None:
        """See Trees."""
        self._inner.leave(attempt)
        if attempt.slot is not None:
            del self._by_slot[attempt.slot]
            self._cgroups.leave(attempt.slot)

    def close(self) -> None:
        """See Trees."""
        self._cgroups.close()

    def _locate(self, pid: int) -> str | None:
        slot = self._cgroups.slot_of(pid)
        attempt = self._by_slot.get(slot) if slot is not None else None
        return attempt.id if attempt is not None else None
