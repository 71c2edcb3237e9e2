"""Volumes: directories that only one attempt sees, mounted in a mount namespace of its own. Linux only.

1. Scratch is a tmpfs of limited size; files of secrets are on a ramfs, which is never swapped out, and read-only. All
   of it goes with the last process of the namespace.
2. A mount path that does not exist is made. Where this user may not make it, the nearest directory above is shown by a
   *mirror*: a read-only ramfs with everything mounted into it that was there.
3. Files of secrets hide nothing but what has their names: a directory that is not empty is mirrored first.

This file stands alone: the program of a warm start loads it by its path, whatever Python that has.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import os
import stat
from typing import Any

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
_MS_REMOUNT, _MS_BIND, _MS_REC, _MS_SLAVE = 32, 4096, 16384, 1 << 19
_MNT_DETACH = 2
_NO_TRICKS = MS_NOSUID | MS_NODEV
_ENTRIES_MAX = 2_000
"""A larger directory is not mirrored: each entry is a mount."""
_C = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> None:
    """Raise the error of a call into C that failed, with ``what`` was tried."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Mount; raises OSError that names the target."""
    words = [os.fsencode(text) or None for text in (source, target, kind)]
    result = _C.mount(*words, ctypes.c_ulong(flags), os.fsencode(data) or None)
    check(result, f"mounting {kind or source} at {target!r}")


def mount_proc() -> None:
    """Have /proc tell of the PID namespace that this process is in."""
    mount("proc", "/proc", "proc", _NO_TRICKS | MS_NOEXEC)


def keep_apart() -> None:
    """See to it that what is mounted here is seen here only; what the machine mounts is seen here too."""
    mount("none", "/", flags=_MS_SLAVE | _MS_REC)


def furnish(mounts: list[dict[str, Any]], stage: str) -> None:
    """Mount volumes in this process's own mount namespace.

    Args:
        mounts: ``path``, ``name`` of the volume, and ``size`` in bytes of scratch or ``files`` of secrets: ``path``,
            ``mode`` and ``data`` (base64) of each.
        stage: A directory that exists and of which nothing is needed.

    Raises:
        OSError: One cannot be mounted.

    """
    room = _Room(stage)
    for one in sorted(mounts, key=lambda one: one["path"].count("/")):
        if one.get("files") is not None:
            room.add_files(one["path"], one["files"])
        else:
            room.add_scratch(one["path"], one["name"], one["size"])
    room.finish()


class _Room:
    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._own: set[str] = set()
        """Where something of ours is mounted."""
        self._closed: list[str] = []
        """Those of them that become read-only."""
        self._scratch: dict[str, str] = {}

    def add_scratch(self, path: str, name: str, size: int) -> None:
        point = self._point(path)
        if name in self._scratch:
            mount(self._scratch[name], point, flags=_MS_BIND)
        else:
            mount("tmpfs", point, "tmpfs", _NO_TRICKS, f"size={size},mode=0777")
            self._scratch[name] = point
        self._own.add(point)

    def add_files(self, path: str, files: list[dict[str, Any]]) -> None:
        point = self._point(path)
        if point not in self._own:
            self._mirror(point, {one["path"].split("/")[0] for one in files})
        for one in files:
            file = os.path.join(point, one["path"])  # noqa: PTH118 - a string is what belongs there
            os.makedirs(os.path.dirname(file), exist_ok=True)  # noqa: PTH103, PTH120
            _write(file, base64.b64decode(one["data"]), one["mode"])

    def finish(self) -> None:
        for point in self._closed:
            flags = _MS_REMOUNT | _MS_BIND | MS_RDONLY | _NO_TRICKS
            mount("none", point, flags=flags)

    def _point(self, path: str) -> str:
        """Return the directory that ``path`` means, which is made if need be."""
        point = os.path.realpath(path)
        try:
            os.makedirs(point, exist_ok=True)  # noqa: PTH103
        except PermissionError:
            self._mirror(_nearest(point), set())
        except OSError as error:  # of a file system that is read-only, for example
            if os.path.exists(point):  # noqa: PTH110
                raise OSError(error.errno, f"mount path {path!r}: {error.strerror}") from None
            self._mirror(_nearest(point), set())
        os.makedirs(point, exist_ok=True)  # noqa: PTH103
        return point

    def _mirror(self, directory: str, without: set[str]) -> None:
        """Put a file system of ours in the place of ``directory``, with what is in it but ``without`` these names."""
        names = sorted(set(os.listdir(directory)) - without)  # noqa: PTH208
        if len(names) > _ENTRIES_MAX:
            raise OSError(
                7,
                f"{directory!r} has {len(names)} entries, too many to mount beside: name another mount path",
            )
        original = os.stat(directory)  # noqa: PTH116
        place = self._stage if directory == "/" else directory
        os.chdir(directory)  # what is covered now is still there from here
        mount("ramfs", place, "ramfs", _NO_TRICKS, f"mode={stat.S_IMODE(original.st_mode):o}")
        for name in names:
            _show(name, f"{place}/{name}")
        if directory == "/":
            _make_root(place)
        self._own.add(directory)
        self._closed.append(directory)


def _nearest(path: str) -> str:
    """Return the directory nearest above ``path`` that exists."""
    while not os.path.isdir(path):  # noqa: PTH112
        path = os.path.dirname(path)  # noqa: PTH120
    return path


def _show(name: str, place: str) -> None:
    """Have ``name`` of the working directory seen at ``place``."""
    with contextlib.suppress(FileNotFoundError):  # it went meanwhile
        mode = os.lstat(name).st_mode
        if stat.S_ISLNK(mode):
            os.symlink(os.readlink(name), place)  # noqa: PTH115, PTH211
            return
        if stat.S_ISDIR(mode):
            os.mkdir(place)  # noqa: PTH102
        else:
            os.close(os.open(place, os.O_CREAT | os.O_EXCL, 0o600))
        mount(f"./{name}", place, flags=_MS_BIND | _MS_REC)


def _make_root(place: str) -> None:
    os.chdir(place)
    check(_C.pivot_root(b".", b"."), "changing the root")
    check(_C.umount2(b".", _MNT_DETACH), "leaving the old root")
    os.chdir("/")


def _write(path: str, data: bytes, mode: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(fd, data)
        os.fchmod(fd, mode)
    finally:
        os.close(fd)
