"""Warm starts: attempts of Python jobs forked from a process that has imported their module already.

1. There is one zygote per group (execution). While it imports, its group's starts wait, at most `IMPORT_S`: each would
   do the same work at the same time. Whenever it cannot help, starts are cold: a warm start is only ever faster, never
   a reason not to start.
2. A forked process waits at a gate until its pid is noted; closing the gate instead makes it end without having run
   anything of the user's. So an attempt that is started cold after a warm start failed is still started once.
3. A zygote is killed when its group has had nothing to do for a while.
"""

import contextlib
import json
import os
import signal
import socket
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jubako.runtime.supervisor.attempt import Attempt
from jubako.runtime.supervisor.commands import NotStarted
from jubako.runtime.supervisor.enclosed import Control
from jubako.runtime.supervisor.spawn import Spawner

IMPORT_S = 10.0
"""An import that takes longer is not waited for."""
PATIENCE_S = 5.0
"""A zygote that has not forked by then is broken."""
LINGER_S = 5.0
_PROGRAM = Path(__file__).with_name("zygote.py")
_OPTIONS = frozenset({"-u", "-B", "-E", "-I", "-O", "-OO", "-s", "-S"})
_PER_TASK = ("CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_ATTEMPT")
"""Differ from attempt to attempt: a module that reads them when it is imported must not see somebody else's."""


@dataclass(frozen=True, slots=True)
class Program:
    """What a Python command runs."""

    options: Sequence[str]
    kind: str
    """``module`` or ``file``."""
    what: str
    arguments: Sequence[str]

    @property
    def directory(self) -> str:
        """Where the interpreter looks for modules first; "" = the working directory."""
        return os.path.dirname(self.what) if self.kind == "file" else ""  # noqa: PTH120 - not resolved yet


def parse(argv: Sequence[str]) -> Program | None:
    """Return what ``argv`` runs if it is ``python [OPTIONS] FILE|-m MODULE [ARGUMENTS]``, else None."""
    if not argv or not os.path.basename(argv[0]).startswith("python"):  # noqa: PTH119 - no Path is needed
        return None
    rest = list(argv[1:])
    options = []
    while rest and rest[0] in _OPTIONS:
        options.append(rest.pop(0))
    if len(rest) >= 2 and rest[0] == "-m":
        return Program(options, "module", rest[1], rest[2:])
    if rest and not rest[0].startswith("-"):
        return Program(options, "file", rest[0], rest[1:])
    return None


class _Zygote:
    def __init__(self, pid: int, sock: socket.socket) -> None:
        self.pid = pid
        self.sock = sock
        self.is_ready = False
        self.awaited_until = time.monotonic() + IMPORT_S

    def look(self) -> str | None:
        """Return why it cannot be used, if it said so or ended; notes when it is ready."""
        if self.is_ready:
            return None
        try:
            said = self.sock.recv(1024)
        except BlockingIOError:
            return None
        except OSError as error:
            return str(error)
        self.is_ready = said == b"ready"
        return None if self.is_ready else said.decode("utf-8", "replace") or "it ended while it imported"

    def kill(self) -> None:
        self.sock.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


class Zygotes:
    """The zygotes of one supervisor, by group."""

    def __init__(self, spawner: Spawner, log: Callable[[str], None] = lambda _: None) -> None:
        """``log`` is told once per group why its starts stay cold."""
        self._spawner = spawner
        self._log = log
        self._zygotes: dict[str, _Zygote] = {}
        self._broken: dict[str, float] = {}
        self._used: dict[str, float] = {}

    @property
    def pids(self) -> set[int]:
        """Children of this process that belong to no attempt."""
        return {zygote.pid for zygote in self._zygotes.values()}

    def begin(self, attempt: Attempt) -> None:
        """See to it that there is a zygote for ``attempt``, unless its group has none of use."""
        program = parse(attempt.argv)
        if program is None or attempt.group in self._broken:
            return
        self._used[attempt.group] = time.monotonic()
        zygote = self._zygotes.get(attempt.group)
        if zygote is None:
            self._begin(attempt, program)
        elif (problem := zygote.look()) is not None:
            self._give_up(attempt.group, problem)

    def is_worth_waiting(self, attempt: Attempt) -> bool:
        """Whether the zygote of ``attempt`` still imports what the attempt itself would have to import."""
        zygote = self._zygotes.get(attempt.group)
        return zygote is not None and not zygote.is_ready and time.monotonic() < zygote.awaited_until

    def start(self, attempt: Attempt, doors: Sequence[str]) -> int | None:
        """Fork ``attempt`` from its group's zygote and return its pid, gate still closed; None: start it cold."""
        program, zygote = parse(attempt.argv), self._zygotes.get(attempt.group)
        if program is None or zygote is None or not zygote.is_ready:
            return None
        return self._fork(zygote, attempt, program, doors)

    def open(self, attempt: Attempt) -> None:
        """Let the forked process of ``attempt`` run."""
        if attempt.gate >= 0:
            with contextlib.suppress(OSError):  # it was killed already
                os.write(attempt.gate, b"g")
            os.close(attempt.gate)
            attempt.gate = -1

    def tidy(self, busy: Callable[[str], bool]) -> None:
        """End zygotes that nobody needs any more."""
        now = time.monotonic()
        for group, used in list(self._used.items()):
            if busy(group):
                self._used[group] = now
            elif now - used > LINGER_S:
                self._end(group)

    def close(self) -> None:
        """End all."""
        for group in list(self._used):
            self._end(group)

    def _begin(self, attempt: Attempt, program: Program) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)  # nobody waits while it imports
        env = {name: value for name, value in attempt.env.items() if name not in _PER_TASK}
        directory = os.path.join(attempt.cwd or self._spawner.directory, program.directory)  # noqa: PTH118
        argv = [attempt.argv[0], *program.options, os.fspath(_PROGRAM), str(theirs.fileno())]
        theirs.set_inheritable(True)
        try:
            pid = self._spawner.start_helper([*argv, attempt.preload or "", directory], env, attempt.cwd)
        except NotStarted as error:
            ours.close()
            self._broken[attempt.group] = time.monotonic()
            self._log(f"warm start of {attempt.group}: {error}")
            return
        finally:
            theirs.close()
        self._zygotes[attempt.group] = _Zygote(pid, ours)

    def _fork(self, zygote: _Zygote, attempt: Attempt, program: Program, doors: Sequence[str]) -> int | None:
        request = self._request(attempt, program, doors)
        control = Control(attempt, self._spawner.enclosures.has_pids)
        reader, gate = os.pipe()
        theirs = [reader] if control.theirs is None else [reader, control.theirs.fileno()]
        said = b""
        try:
            said = self._ask(zygote, request, attempt, theirs)
        except OSError as error:
            self._give_up(attempt.group, str(error))
        finally:
            os.close(reader)
            if not said.isdigit():
                os.close(gate)
                control.give_up()
        if not said.isdigit():
            return None
        control.keep()
        attempt.gate = gate
        return int(said)

    def _request(self, attempt: Attempt, program: Program, doors: Sequence[str]) -> bytes:
        enclosures = self._spawner.enclosures
        request: Mapping[str, object] = {
            "doors": list(doors),
            "env": attempt.env,
            "directory": attempt.cwd or self._spawner.directory,
            "plan": enclosures.plan(attempt) if enclosures.is_wanted(attempt) else None,
            "kind": program.kind,
            "what": program.what,
            "arguments": program.arguments,
        }
        return json.dumps(request).encode("ascii")

    def _ask(self, zygote: _Zygote, request: bytes, attempt: Attempt, theirs: Sequence[int]) -> bytes:
        with self._spawner.outputs(attempt) as (null, out, err):
            fds = array("i", [null, out, err, *theirs])
            zygote.sock.settimeout(PATIENCE_S)
            zygote.sock.sendmsg([request], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
        said = zygote.sock.recv(64)
        if not said:
            raise OSError("it ended")
        return said

    def _give_up(self, group: str, problem: str) -> None:
        self._log(f"warm start of {group}: {problem}; its tasks are started cold")
        self._zygotes.pop(group).kill()
        self._broken[group] = time.monotonic()

    def _end(self, group: str) -> None:
        zygote = self._zygotes.pop(group, None)
        if zygote is not None:
            zygote.kill()
        self._used.pop(group, None)
        self._broken.pop(group, None)
