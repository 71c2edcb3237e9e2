"""What a supervisor that was killed left running: found, ended, and told as lost by its successor.

A process is a leftover if the mark of this state directory is in its environment, if it is the leader that the
journal names (pid and start time, in this run of the machine), if it is in the session of a leftover, or below one.
"""

import os
import signal
import time
from collections.abc import Iterable, Mapping

from jubako.runtime.supervisor import proc
from jubako.runtime.supervisor.journal import Open
from jubako.runtime.supervisor.protocol import ENV_SUPERVISOR
from jubako.runtime.supervisor.trees import signal_quietly

_PATIENCE_S = 30.0
_PAUSE_S = 0.01


class Immortal(Exception):
    """Processes of an earlier supervisor do not end; nothing can be told about their attempts yet."""


def end(mark: str, lost: Iterable[Open], boot: str) -> int:
    """Kill all leftovers and return how many there were, once all are gone.

    Args:
        mark: Of the state directory, see ENV_SUPERVISOR.
        lost: What the journal shows as announced and not ended.
        boot: This run of the machine; pids in the journal mean nothing in another one.

    Raises:
        Immortal: Some do not end, for example because they wait for a dead network file system.

    """
    leaders = {attempt.pid: attempt for attempt in lost if attempt.pid and attempt.boot == boot}
    killed: set[int] = set()
    give_up = time.monotonic() + _PATIENCE_S
    while found := _find(mark, leaders):
        if time.monotonic() > give_up:
            raise Immortal(f"processes {sorted(found)} of an earlier run do not end")
        for pid in found:
            signal_quietly(pid, signal.SIGKILL)
        killed |= found
        time.sleep(_PAUSE_S)
    return len(killed)


def _find(mark: str, leaders: Mapping[int, Open]) -> set[int]:
    table = proc.processes()
    ours = _own_ancestry(table)
    roots = {
        pid
        for pid, entry in table.items()
        if pid not in ours and not entry.is_dead and (_has_mark(pid, mark) or _is_leader(entry, leaders))
    }
    sessions = {table[pid].session for pid in roots} - {table[pid].session for pid in ours}
    roots |= {pid for pid, entry in table.items() if entry.session in sessions}
    found = proc.descendants(roots, table) - ours
    return {pid for pid in found if not table[pid].is_dead}


def _has_mark(pid: int, mark: str) -> bool:
    return proc.environment(pid).get(ENV_SUPERVISOR.encode()) == mark.encode()


def _is_leader(entry: proc.Process, leaders: Mapping[int, Open]) -> bool:
    attempt = leaders.get(entry.pid)
    if attempt is None:
        return False
    tick_us = 1_000_000 // proc.TICKS_PER_SECOND
    start_us = entry.start_ticks * tick_us
    return attempt.announced_us - tick_us <= start_us <= attempt.started_us + tick_us


def _own_ancestry(table: Mapping[int, proc.Process]) -> set[int]:
    """Return this process and its ancestors: the server may itself be run by a task."""
    found: set[int] = set()
    pid = os.getpid()
    while pid in table and pid not in found:
        found.add(pid)
        pid = table[pid].parent
    return found
