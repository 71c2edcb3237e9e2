"""Dividing the group of version 2 that we were given, so that controllers can be handed down to groups of ours.

Version 2 hands controllers down only from a group that holds no process itself, the root apart. Where the server is
alone in a group that it may divide - a container's, a service's with ``Delegate=yes`` - it goes into one of its own
below it, ``jubako-server``, and supervisors make theirs beside that.

1. A process moves only itself. Where others are, controllers stay out of reach, and it is said why.
2. Nobody moves where nothing is won: no controller is there, or they are handed down already.
3. A unit of systemd is divided only if systemd says that it may be: by a mark on the group, or, where a user's manager
   runs it, when asked. Source: systemd, "Control Group APIs and Delegation", the single-writer rule.
4. What was switched on is switched off by whoever leaves last, and the empty groups go.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from jubako.runtime.supervisor import limits, user_manager

LEAF = "jubako-server"
_UNITS = (".service", ".scope", ".slice")
_DELEGATED = ("user.delegate", "trusted.delegate")


def given(own: Path) -> Path:
    """Return the group that a process in ``own`` was given.

    It is the one above where ``own`` was made for the server alone: by us, or by systemd for ``DelegateSubgroup=``.
    """
    is_subgroup = not own.name.endswith(_UNITS) and _is_delegated(own.parent) and not members(own.parent)
    return own.parent if own.name == LEAF or is_subgroup else own


def make_way() -> None:
    """Take this process, a server, out of the group if it is all that keeps controllers from being handed down."""
    for own in _own():
        is_alone = members(own) == {b"%d" % os.getpid()}
        if is_alone and given(own) == own and not _is_root(own) and _may_divide(own) and _has_more(own):
            with contextlib.suppress(OSError):  # not ours after all; the supervisor says so
                _join_leaf(own)


def come_back() -> None:
    """Undo ``make_way`` unless somebody still needs it."""
    for own in _own():
        if own.name == LEAF:
            with contextlib.suppress(OSError):
                _switch_off(own.parent)
                _join(own.parent)
                own.rmdir()


def leave(base: Path) -> None:
    """Take this process, a supervisor, out of ``base``, its group in the given one, and remove that."""
    with contextlib.suppress(OSError):
        _switch_off(base)
        if not _is_root(base.parent):
            _switch_off(base.parent)
    try:
        _join(base.parent)
    except OSError:  # another supervisor needs what is switched on
        with contextlib.suppress(OSError):
            _join_leaf(base.parent)
    remove(base)
    with contextlib.suppress(OSError):  # the server is still in it
        (base.parent / LEAF).rmdir()


def hand_down(base: Path, names: Sequence[str]) -> tuple[list[str], str]:
    """Switch controllers on for the groups below ``base``; return which could be, and why others could not."""
    why = _obstacle(base.parent)
    if why:
        # Not even tried: some could be had nevertheless, and then no group below could hold a process.
        return [], why
    found = []
    for name in names:
        try:
            for group in (base.parent, base):
                limits.write(f"{group}/cgroup.subtree_control", b"+" + name.encode("ascii"))
            found.append(name)
        except OSError as error:
            why = f"{base.parent} does not hand down {name}: {error.strerror}"
    return found, why


def mend(group: Path) -> None:
    """Make ``group`` fit to hold processes again, after somebody in it has divided it; raises OSError."""
    remove_below(group)
    _switch_off(group)


def remove_below(group: Path) -> None:
    """Remove all groups below ``group``; raises OSError if one holds processes."""
    for each in _lowest_first(group):
        if each != group:
            each.rmdir()


def remove(group: Path) -> None:
    """Remove ``group`` and all groups below it; those that hold processes stay."""
    for each in _lowest_first(group):
        with contextlib.suppress(OSError):
            each.rmdir()


def members(group: Path) -> set[bytes]:
    """Return the processes of ``group`` itself; those of another pid namespace are ``0``."""
    return set(_words(group / "cgroup.procs"))


def _obstacle(group: Path) -> str:
    if _is_root(group):
        return ""
    if not _may_divide(group):
        return f"{group} may not be divided by this user, or systemd has not delegated it"
    return f"other processes are in {group}" if members(group) else ""


def _may_divide(group: Path) -> bool:
    is_ours = not group.name.endswith(_UNITS) or _is_delegated(group)
    return is_ours and os.access(group / "cgroup.subtree_control", os.W_OK)


def _has_more(group: Path) -> bool:
    """Return whether ``group`` has controllers for us that it does not hand down yet."""
    wanted = {name.encode("ascii") for name in limits.CONTROLLERS}
    there = wanted.intersection(_words(group / "cgroup.controllers"))
    return bool(there.difference(_words(group / "cgroup.subtree_control")))


def _lowest_first(group: Path) -> Iterator[Path]:
    """Yield ``group`` and what is below it: a task may have made some of its own."""
    for folder, _, _ in os.walk(group, topdown=False):
        yield Path(folder)


def _own() -> list[Path]:
    return [mount.group for mount in limits.mounts() if mount.controller == ""]


def _is_root(group: Path) -> bool:
    return not (group / "cgroup.type").exists()


def _is_delegated(group: Path) -> bool:
    for name in _DELEGATED:
        with contextlib.suppress(OSError, AttributeError):  # AttributeError: not Linux
            if os.getxattr(group, name) == b"1":
                return True
    return user_manager.has_delegated(group)


def _join(group: Path) -> None:
    limits.write(f"{group}/cgroup.procs", b"0")


def _join_leaf(group: Path) -> None:
    (group / LEAF).mkdir(exist_ok=True)
    _join(group / LEAF)


def _switch_off(group: Path) -> None:
    for name in _words(group / "cgroup.subtree_control"):
        if name.decode("ascii") in limits.CONTROLLERS:
            limits.write(f"{group}/cgroup.subtree_control", b"-" + name)


def _words(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().split()
    except OSError:
        return []
