"""The supervisor as a process: it detaches itself, cleans up, says it is ready, and serves until it may leave."""

import argparse
import contextlib
import fcntl
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from jubako.runtime.supervisor import address, enclosed, leftovers, levels, proc
from jubako.runtime.supervisor.enclosed import Enclosures
from jubako.runtime.supervisor.journal import Journal
from jubako.runtime.supervisor.keeper import Keeper
from jubako.runtime.supervisor.link import Connection, Listener
from jubako.runtime.supervisor.namespace_trees import NamespaceTrees
from jubako.runtime.supervisor.protocol import VERSION
from jubako.runtime.supervisor.spawn import Spawner

IDLE_S = 60.0
_LOG_BYTES_MAX = 1 << 20
READY, LOCKED = "ready", "locked"


class Supervisor:
    """Ties socket, journal and keeper together in one loop."""

    def __init__(self, state_dir: Path, idle_s: float, tree_kill: str) -> None:
        self._state_dir = state_dir
        self._idle_s = idle_s
        self._selector = selectors.DefaultSelector()
        self._journal = Journal(address.home(state_dir), proc.boot_id())
        mark = address.mark(state_dir)
        stage = address.home(state_dir) / "stage"
        stage.mkdir(mode=0o700, exist_ok=True)
        means = enclosed.find(os.fspath(stage))
        self._trees = levels.best(mark, tree_kill, means)
        has_pids = self._trees.level == NamespaceTrees.level
        self._enclosures = Enclosures(means, os.fspath(stage), has_pids=has_pids)
        spawner = Spawner(mark, self._enclosures)
        self._keeper = Keeper(self._journal, self._trees, spawner, _log, self._is_wanted)
        self._recover(mark)
        self._listener = self._listen()
        address.write(state_dir, self._listener.path)
        self._is_leaving = False
        self._is_terminated = False
        self._idle_since = time.monotonic()
        self._watch_signals()

    def run(self) -> None:
        """Serve until told to leave, or idle for long enough with nobody connected."""
        while not self._may_leave():
            for key, _ in self._selector.select(self._wait_s()):
                key.data()
            if self._is_terminated and not self._is_leaving:
                self._stop(end_attempts=True)
            self._keeper.round()
            self._listener.pump()
        self._leave()

    def _listen(self) -> Listener:
        *better, last = address.candidates(self._state_dir, os.environ.get("XDG_RUNTIME_DIR", ""))
        for path in better:
            with contextlib.suppress(OSError, address.Unsafe):  # a file system without sockets
                return self._listen_at(path)
        return self._listen_at(last)

    def _listen_at(self, path: Path) -> Listener:
        address.make_private(path.parent)
        return Listener(path, self._selector, self._connect)

    def _recover(self, mark: str) -> None:
        self._journal.load()
        lost = list(self._journal.open.values())
        count = leftovers.end(mark, lost, proc.boot_id())
        self._journal.begin()
        for attempt in lost:
            self._keeper.tell_lost(attempt.id, "its supervisor was killed, or the machine restarted")
        self._journal.flush()
        if lost or count:
            _log(f"ended {count} processes of {len(lost)} attempts that an earlier supervisor left")

    def _is_wanted(self) -> bool:
        return self._listener.is_knocking()

    def _connect(self, sock: socket.socket) -> Connection:
        hello = {
            "version": VERSION,
            "pid": os.getpid(),
            "tree_kill": self._trees.level,
            "enforced": list(self._trees.enforced),
            "missing": self._trees.missing,
            "mounts_missing": self._enclosures.means.mounts_missing,
        }
        self._keeper.hold()
        return Connection(sock, self._journal, self._operate, hello)

    def _operate(self, name: str, message: Mapping[str, Any]) -> Mapping[str, Any]:
        if name == "submit":
            self._keeper.submit(message["specs"])
        elif name == "cancel":
            self._keeper.cancel(message["ids"])
        elif name == "reconcile":
            self._keeper.reconcile(message["started"])
        elif name == "stop":
            return {"within": self._stop(end_attempts=message["end_attempts"])}
        else:
            raise ValueError(f"no operation {name!r}")
        return {}

    def _stop(self, *, end_attempts: bool) -> float:
        if not end_attempts and not self._keeper.is_idle:
            return 0.0
        self._is_leaving = True
        return self._keeper.close()

    def _wait_s(self) -> float | None:
        waits = [self._keeper.wait_s(), self._listener.wait_s()]
        if self._is_idle():
            waits.append(self._idle_since + self._idle_s - time.monotonic())
        known = [wait for wait in waits if wait is not None]
        return max(0.0, min(known)) if known else None

    def _is_idle(self) -> bool:
        return self._keeper.is_idle and not self._listener.connections

    def _may_leave(self) -> bool:
        if not self._keeper.is_idle:
            self._idle_since = time.monotonic()
            return False
        if self._is_leaving:
            return True
        if self._listener.connections:
            self._idle_since = time.monotonic()
        return time.monotonic() - self._idle_since >= self._idle_s

    def _leave(self) -> None:
        self._journal.flush()
        self._listener.pump(is_last=True)
        address.forget(self._state_dir, self._listener.path)
        self._trees.close()  # before the server hears that we left: it removes what we leave empty
        self._listener.close()
        self._journal.close()
        with contextlib.suppress(OSError):
            self._listener.path.parent.rmdir()  # not if it is the state directory's own

    def _watch_signals(self) -> None:
        reader, writer = socket.socketpair()
        reader.setblocking(False)
        writer.setblocking(False)
        self._wakeups = (reader, writer)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        # Handlers and not SIG_IGN: what is ignored stays ignored in the user's programs.
        for signum in (signal.SIGCHLD, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, _do_nothing)
        signal.signal(signal.SIGTERM, self._terminate)
        self._selector.register(reader, selectors.EVENT_READ, lambda: reader.recv(4096))

    def _terminate(self, _signum: int, _frame: FrameType | None) -> None:
        self._is_terminated = True  # no more here: a signal comes in the middle of anything


def _do_nothing(_signum: int, _frame: FrameType | None) -> None:
    """Only the wake-up matters."""


def _log(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}\n")
    sys.stderr.flush()


def _lock(home: Path) -> bool:
    """Take the lock that one supervisor of a state directory holds while it lives."""
    fd = os.open(home / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _bound_log(path: Path) -> None:
    """Put a log aside that has grown long; the one put aside before goes. It grows by a line per start or trouble."""
    with contextlib.suppress(OSError):
        if path.stat().st_size > _LOG_BYTES_MAX:
            path.replace(path.with_suffix(".old"))


def _detach(home: Path) -> None:
    """Leave the server's session and its descriptors; the server need not wait for us."""
    if os.fork() > 0:
        os._exit(0)
    os.setsid()
    _bound_log(home / "log")
    log = os.open(home / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDWR)
    for fd, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(fd, target)
    os.close(log)
    os.close(null)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the supervisor; see ``--help``."""
    parser = argparse.ArgumentParser(prog="jubako.runtime.supervisor", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="the state directory, absolute")
    parser.add_argument(
        "--ready-fd", type=int, required=True, help="gets one line: ready, locked, or an error"
    )
    parser.add_argument("--idle-s", type=float, default=IDLE_S, help="leave after so long with nothing to do")
    parser.add_argument(
        "--tree-kill", choices=levels.LEVELS, default=levels.LEVELS[0], help="not above this level"
    )
    options = parser.parse_args(arguments)
    home = address.home(options.state)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    _detach(home)
    with open(options.ready_fd, "w", encoding="utf-8") as ready:  # noqa: PTH123 - it is a descriptor
        if not _lock(home):
            ready.write(f"{LOCKED}\n")
            return 0
        try:
            supervisor = Supervisor(options.state, options.idle_s, options.tree_kill)
        except (OSError, address.Unsafe, leftovers.Immortal, ValueError) as error:
            ready.write(f"{error}\n")
            _log(f"cannot start: {error}")
            return 1
        ready.write(f"{READY} {os.getpid()}\n")
    supervisor.run()
    return 0
