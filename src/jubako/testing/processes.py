"""Watching real processes from a test without polling."""

import asyncio
import os
import select
from collections.abc import Mapping
from pathlib import Path


class Fifo:
    """A named pipe through which processes tell a test what happened; each line is one message."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path, 0o600)
        self.path = path
        # Open for both directions, so that it never ends between two writers.
        self._fd = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._text = ""

    async def line(self) -> str:
        """Return the next line, once there is one."""
        while "\n" not in self._text:
            await readable(self._fd)
            self._text += os.read(self._fd, 65536).decode()
        line, _, self._text = self._text.partition("\n")
        return line

    async def pids(self, count: int) -> dict[str, int]:
        """Return the next ``count`` lines of the form ``NAME PID``."""
        lines = [await self.line() for _ in range(count)]
        return {name: int(pid) for name, _, pid in (line.partition(" ") for line in lines)}

    def close(self) -> None:
        """Close the pipe."""
        os.close(self._fd)


async def readable(fd: int) -> None:
    """Return when ``fd`` can be read."""
    loop = asyncio.get_running_loop()
    came = asyncio.Event()
    loop.add_reader(fd, came.set)
    try:
        await came.wait()
    finally:
        loop.remove_reader(fd)


def is_alive(pid: int) -> bool:
    """Return whether ``pid`` runs; one that only waits to be reaped does not (Linux)."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        return not select.select([fd], [], [], 0)[0]
    finally:
        os.close(fd)


async def gone(pid: int) -> None:
    """Return when ``pid`` does not run any more (Linux)."""
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return
    try:
        await readable(fd)
    finally:
        os.close(fd)


def seen_from_here(pids: Mapping[str, int], leader: int) -> dict[str, int]:
    """Return what processes say that their pids are, in the PID namespace of ``leader``, as we see them (Linux)."""
    inside = _namespace(leader)
    if inside == _namespace(os.getpid()):
        return dict(pids)
    names = {pid: name for name, pid in pids.items()}
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        pid = int(path.name)
        if _namespace(pid) == inside and (name := names.get(innermost(path))) is not None:
            found[name] = pid
    assert found.keys() == pids.keys(), (found, pids)
    return found


def _namespace(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:  # it is gone
        return ""


def innermost(path: Path) -> int:
    """Return the pid that the process of a directory in /proc has in its own PID namespace; 0 if it is gone."""
    try:
        lines = (path / "status").read_text("utf-8", "replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[-1]) for line in lines if line.startswith("NSpid:")), 0)
