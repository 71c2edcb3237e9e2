"""Namespaces around one attempt: a mount namespace for its volumes, a PID namespace for its end. Linux only.

1. The process that enters them, and not its parent, unshares: nothing else changes. Without privileges a user namespace
   comes with them, in which this user is who it is outside, and everybody else is nobody.
2. In a PID namespace the first process is ours, the *init*: it waits for the command, tells its exact wait status, and
   ends. When it ends - also by SIGKILL, or because whoever holds the other end of its socket is gone - the kernel kills
   whatever is in the namespace, and lets it become a zombie only when all of that is gone.
3. Told to stop, it stays until the last process has ended by itself, so that the whole tree has its grace.

This file stands alone: the program of a warm start loads it by its path, whatever Python that has.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import re
import select
import signal
import socket

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID = 0x00020000, 0x10000000, 0x20000000
STOPPING = b"s"
"""Said to an init before its processes are asked to end."""
_PID_MAX_IS_OURS = (6, 14)
_RESERVED_PIDS = 300
"""Numbers that are not given again. Source: Linux, include/linux/threads.h."""
_PR_SET_DUMPABLE, _PR_SET_NAME = 4, 15
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ)
_C = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Leave the namespaces of ``flags``; children come into a new PID namespace, not this process.

    Raises:
        OSError: The kernel does not allow it.

    """
    uid, gid = os.geteuid(), os.getegid()
    unshare_ = getattr(_C, "unshare", None)
    if unshare_ is None:
        raise OSError(errno.ENOSYS, "this system has no namespaces")
    if unshare_(flags) < 0:
        number = ctypes.get_errno()
        if number == errno.ENOSPC:  # others will be given back
            raise OSError(
                errno.EAGAIN, "making namespaces: as many as allowed exist already (user.max_*_namespaces)"
            )
        raise OSError(number, f"making namespaces: {os.strerror(number)}")
    if flags & CLONE_NEWUSER:
        _put("setgroups", "deny")
        _put("uid_map", f"{uid} {uid} 1")
        _put("gid_map", f"{gid} {gid} 1")


def bound_processes(count: int | None) -> None:
    """Let the PID namespace of this process hold about ``count`` processes, where the kernel can (Linux 6.14).

    Older kernels have one number for all namespaces, which must be left alone.
    """
    release = re.match(r"(\d+)\.(\d+)", os.uname().release)
    if count is None or release is None or (int(release[1]), int(release[2])) < _PID_MAX_IS_OURS:
        return
    with contextlib.suppress(OSError):
        _write("/proc/sys/kernel/pid_max", str(count + _RESERVED_PIDS))


def default_signals() -> None:
    """Undo what Python and this program do about signals."""
    signal.set_wakeup_fd(-1)
    for signum in _SIGNALS:
        signal.signal(signum, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def become_init(control: int) -> None:
    """Fork, and return in the child; this process, the first of its namespace, ends with it and never returns.

    ``control`` is a socket: it gets the wait status of the child, in decimal, and may say that all is to stop.
    """
    default_signals()
    command = os.fork()
    if command == 0:
        os.close(control)
        return
    with contextlib.suppress(BaseException):
        _keep(command, control)
    os._exit(1)


def _keep(command: int, control: int) -> None:
    control = os.dup2(control, 3)
    os.closerange(4, os.sysconf("SC_OPEN_MAX"))
    null = os.open(os.devnull, os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    _C.prctl(_PR_SET_NAME, b"jubako-init", 0, 0, 0)
    # Nobody inside may look into this process: it is a copy of one that starts others, too.
    _C.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    os.chdir("/")
    _Init(command, socket.socket(fileno=control)).run()


class _Init:
    def __init__(self, command: int, control: socket.socket) -> None:
        self._command = command
        self._control = control
        self._control.setblocking(False)
        self._is_stopping = False
        self._has_ended = False

    def run(self) -> None:
        """Return when nothing is left to wait for; the namespace ends with this process."""
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        poll = select.poll()
        poll.register(woken, select.POLLIN)
        poll.register(self._control, select.POLLIN)
        while self._goes_on():
            for fd, _ in poll.poll():
                if fd == woken:
                    with contextlib.suppress(BlockingIOError):
                        os.read(woken, 4096)

    def _goes_on(self) -> bool:
        has_children = self._reap()
        return self._hear() and has_children and (self._is_stopping or not self._has_ended)

    def _reap(self) -> bool:
        """Take the dead away; returns whether anybody lives."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._command:
                self._has_ended = True
                with contextlib.suppress(OSError):
                    self._control.send(b"%d" % status)

    def _hear(self) -> bool:
        """Return whether somebody is there who wants to know, and notes what is said."""
        with contextlib.suppress(BlockingIOError):
            said = self._control.recv(16)
            self._is_stopping |= said == STOPPING
            return bool(said)
        return True


def _put(name: str, text: str) -> None:
    try:
        _write(f"/proc/self/{name}", text)
    except OSError as error:
        raise OSError(error.errno, f"writing {name}: {error.strerror}") from None


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode("ascii"))
    finally:
        os.close(fd)
