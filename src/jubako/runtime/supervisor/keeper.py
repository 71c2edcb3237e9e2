"""The keeper of the attempts: what was submitted, what lives, what must be stopped when, and what has ended.

Every change passes the journal. An attempt is announced there, and the announcement written, before its command is
started: if this process dies in between, its successor says *lost* and nobody starts the command a second time.
"""

import contextlib
import heapq
import itertools
import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from jubako.runtime.supervisor import enclosed, memory, output
from jubako.runtime.supervisor.attempt import WAITING, Attempt, Move, Phase
from jubako.runtime.supervisor.commands import NotStarted
from jubako.runtime.supervisor.groups import Groups
from jubako.runtime.supervisor.journal import Journal
from jubako.runtime.supervisor.protocol import encode
from jubako.runtime.supervisor.spawn import Spawner
from jubako.runtime.supervisor.trees import GroupTrees, Trees, boot_us
from jubako.runtime.supervisor.warm import LINGER_S, Zygotes

_STARTS_PER_ROUND_MAX = 64
"""Then the socket and the dead are looked after again."""
_HOLD_S, _HOLD_AGAIN_S = 1.0, 2.0
"""For so long nothing is started after a server has come back: it has questions first, and then it answers people. One
that comes again and again must not keep everything from starting."""
_SWEEP_S_MIN, _SWEEP_S_MAX = 0.01, 0.5
_STALLED_S = 0.2
"""How often a full disk is tried again."""
_SHORT_S = 0.05
"""How often it is looked whether there is memory again."""
_IMPORTING_S = 0.02
"""How often it is looked whether an import is over."""
_EXPIRED, _GRACE_OVER, _SWEEP, _TRY = "expired", "grace", "sweep", "try"
_TRIES_MAX, _TRY_AGAIN_S = 20, 0.1
"""A command that cannot be started for want of processes or memory is tried again after 0.1, 0.2 ... 2 s."""


class Keeper:
    """Owns all attempts of one supervisor."""

    def __init__(
        self,
        journal: Journal,
        trees: Trees,
        spawner: Spawner,
        log: Callable[[str], None] = lambda _: None,
        is_wanted: Callable[[], bool] = lambda: False,
    ) -> None:
        """Take the parts; ``is_wanted`` says whether somebody waits for an answer of this process."""
        self._is_wanted = is_wanted
        self._journal = journal
        self._trees = trees
        self._spawner = spawner
        self._zygotes = Zygotes(spawner, log)
        self._attempts: dict[str, Attempt] = {}
        """Queued and live, by id."""
        self._by_pid: dict[int, Attempt] = {}
        self._leaderless: dict[str, Attempt] = {}
        """The leader was reaped and the rest of the tree is not known to be gone."""
        self._announced: list[Attempt] = []
        self._live: dict[str, Attempt] = {}
        self._groups = Groups(memory.for_attempts())
        self._free_memory = memory.FreeMemory()
        self._deadlines: list[tuple[float, int, str, Attempt]] = []
        self._ticket = itertools.count()
        self._indexer = output.Indexer()
        self._is_closing = False
        self._held_until = -_HOLD_AGAIN_S

    # What the server asks for

    def hold(self) -> None:
        """Start nothing for a moment, if anything is under way: a server has come back."""
        now = time.monotonic()
        if not self.is_idle and now >= self._held_until + _HOLD_AGAIN_S:
            self._held_until = now + _HOLD_S

    def submit(self, specs: Iterable[Mapping[str, Any]]) -> None:
        """Queue the attempts whose ids are new."""
        for spec in specs:
            if spec["id"] in self._attempts or self._journal.has_ended(spec["id"]):
                continue
            attempt = Attempt(spec)
            self._attempts[attempt.id] = attempt
            self._groups.add(attempt)

    def cancel(self, ids: Iterable[str]) -> None:
        """Revoke queued attempts, stop live ones; unknown ids are passed over."""
        found = [
            attempt for attempt_id in set(ids) if (attempt := self._attempts.get(attempt_id)) is not None
        ]
        for attempt in found:
            if attempt.phase in WAITING:
                attempt.reason = "cancelled"
                self._revoke(attempt)
                self._tell_end(attempt)
        self._stop([attempt for attempt in found if attempt.phase is Phase.LIVE], "cancelled")

    def reconcile(self, started: Iterable[str]) -> None:
        """Say *lost* for each id that is neither here nor known to have ended."""
        for attempt_id in started:
            if attempt_id not in self._attempts and not self._journal.has_ended(attempt_id):
                self.tell_lost(attempt_id, "the runtime does not know it")

    def tell_lost(self, attempt_id: str, detail: str) -> None:
        """Journal that nobody saw ``attempt_id`` end."""
        self._append_end(attempt_id, {"r": "lost", "d": detail})

    def close(self) -> float:
        """Forget what is queued, and stop what lives: it counts as lost, so that it runs again next time.

        Returns the longest grace, in seconds.
        """
        self._is_closing = True
        self._zygotes.close()
        for attempt in [a for a in self._attempts.values() if a.phase in WAITING]:
            del self._attempts[attempt.id]
            self._revoke(attempt)
        self._stop(
            [a for a in self._live.values() if a.phase is Phase.LIVE], "lost", "the runtime was closed"
        )
        return max((attempt.grace for attempt in self._live.values()), default=0.0)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is queued or live."""
        return not self._attempts

    # The round

    def round(self) -> None:
        """Do everything that can be done now."""
        self._reap()
        self._settle()
        self._meet_deadlines()
        self._zygotes.tidy(self._groups.has)
        self._announce()
        self._write()
        if self._journal.is_clean():
            self._spawner.silent.offer()
            self._start()
        if self._live and self._indexer.look(self._live.values(), time.monotonic()):
            self._trees.tend(self._live.values())
        self._write()

    def wait_s(self) -> float | None:
        """Return for how long there is nothing to do unless something happens; None = for ever."""
        if not self._journal.is_clean():
            return _STALLED_S
        instants = [self._deadlines[0][0]] if self._deadlines else []
        if self._zygotes.pids:
            instants.append(time.monotonic() + LINGER_S)
        if self._live:
            instants.append(self._indexer.next_at)
        if self._is_held():
            instants.append(self._held_until)
        elif self._announced:
            return 0
        elif self._groups.has_ready and not self._is_closing:
            return _SHORT_S if self._live and self._free_memory.is_short() else 0
        return max(0.0, min(instants) - time.monotonic()) if instants else None

    def _reap(self) -> None:
        while True:
            try:
                info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if info is None:
                return
            attempt = self._by_pid.pop(info.si_pid, None)
            if attempt is not None:
                self._trees.exited(attempt)
                self._leaderless[attempt.id] = attempt
            _, status = os.waitpid(info.si_pid, 0)
            self._trees.helpers.discard(info.si_pid)
            if attempt is not None:
                attempt.status = enclosed.told(attempt, status)
                attempt.move(Move.EXIT)

    def _settle(self) -> None:
        if not self._leaderless:
            return
        remaining = self._trees.remaining(list(self._leaderless.values()))
        for attempt in [a for a in self._leaderless.values() if a.id not in remaining]:
            self._finish(attempt)
        for attempt in self._leaderless.values():
            if attempt.phase is Phase.KILLING and attempt.sweeps == 0:
                self._plan_sweep(attempt)

    def _finish(self, attempt: Attempt) -> None:
        attempt.move(Move.GONE)
        if attempt.reason == "exited" and attempt.status != 0 and self._trees.ran_out_of_memory(attempt):
            attempt.reason = "out_of_memory"
        attempt.written = output.note(attempt)
        if attempt.written == 0 and self._sees_trees:
            self._spawner.silent.give(attempt)  # nobody is left who could write into it
        del self._leaderless[attempt.id], self._live[attempt.id]
        self._trees.leave(attempt)
        self._groups.release(attempt)
        self._tell_end(attempt)

    def _meet_deadlines(self) -> None:
        now = time.monotonic()
        due: dict[str, list[Attempt]] = {}
        while self._deadlines and self._deadlines[0][0] <= now:
            _, _, kind, attempt = heapq.heappop(self._deadlines)
            due.setdefault(kind, []).append(attempt)
        if not due:
            return
        self._stop([a for a in due.get(_EXPIRED, ()) if a.phase is Phase.LIVE], "timeout")
        overdue = [a for a in due.get(_GRACE_OVER, ()) if a.phase is Phase.STOPPING]
        for attempt in overdue:
            attempt.move(Move.GRACE_OVER)
        self._announced += [a for a in due.get(_TRY, ()) if a.phase is Phase.STARTING]
        self._sweep(overdue + [a for a in due.get(_SWEEP, ()) if a.phase is Phase.KILLING])

    def _stop(self, attempts: Sequence[Attempt], reason: str, detail: str = "") -> None:
        """Send SIGTERM to whole trees and let their grace begin."""
        if not attempts:
            return
        for attempt in attempts:
            attempt.move(Move.STOP)
            attempt.reason, attempt.detail = reason, detail
            self._plan(attempt.grace, _GRACE_OVER, attempt)
        self._trees.send(attempts, signal.SIGTERM)

    def _sweep(self, attempts: Sequence[Attempt]) -> None:
        """Send SIGKILL to whole trees, again and again until they are gone."""
        if not attempts:
            return
        self._trees.send(attempts, signal.SIGKILL)
        for attempt in attempts:
            self._plan_sweep(attempt)

    def _plan_sweep(self, attempt: Attempt) -> None:
        # The first one is not at once: what was in the leader's group has been killed already and only has to die.
        self._plan(min(_SWEEP_S_MAX, _SWEEP_S_MIN * 2 ** min(attempt.sweeps, 10)), _SWEEP, attempt)
        attempt.sweeps += 1

    def _plan(self, delay_s: float, kind: str, attempt: Attempt) -> None:
        heapq.heappush(self._deadlines, (time.monotonic() + delay_s, next(self._ticket), kind, attempt))

    def _announce(self) -> None:
        if self._announced or self._is_closing:  # those of the last round still wait for the disk
            return
        if self._is_held() or (self._live and self._free_memory.is_short()):
            return
        for attempt in self._groups.take(_STARTS_PER_ROUND_MAX):
            attempt.move(Move.ANNOUNCE)
            attempt.announced_us = boot_us()
            line = f'{{"k":"try","id":{json.dumps(attempt.id)},"b":{attempt.announced_us}}}\n'
            self._journal.append(line.encode("ascii"))
            self._announced.append(attempt)

    def _is_held(self) -> bool:
        return time.monotonic() < self._held_until

    def _start(self) -> None:
        if self._is_held():
            return
        announced, self._announced = self._announced, []
        for number, attempt in enumerate(announced, start=1):
            if attempt.phase is Phase.STARTING:
                self._start_one(attempt)
            if (
                self._is_wanted()
            ):  # a server that comes back asks several questions in turn, and a start takes long
                self._announced += announced[number:]
                return

    def _start_one(self, attempt: Attempt) -> None:
        if self._is_warm(attempt):
            self._warm(attempt)
            if self._zygotes.is_worth_waiting(attempt):
                self._plan(_IMPORTING_S, _TRY, attempt)
                return
        try:
            self._trees.prepare(attempt)
        except OSError as error:
            self._not_started(attempt, NotStarted("limits", error))
            return
        try:
            attempt.pid = self._spawn(attempt)
        except NotStarted as error:
            self._trees.abandon(attempt)
            self._not_started(attempt, error)
            return
        attempt.started_us = boot_us()
        attempt.move(Move.START)
        self._live[attempt.id] = self._by_pid[attempt.pid] = attempt
        self._trees.enter(attempt)
        self._zygotes.open(attempt)
        attempt.env, attempt.mounts = {}, []
        if attempt.timeout is not None:
            self._plan(attempt.timeout, _EXPIRED, attempt)
        line = (
            f'{{"k":"start","id":{json.dumps(attempt.id)},"t":{time.time_ns() // 1000},'
            f'"pid":{attempt.pid},"b":{attempt.started_us}}}\n'
        )
        self._journal.append(line.encode("ascii"))

    def _is_warm(self, attempt: Attempt) -> bool:
        return attempt.preload is not None and self._sees_trees

    @property
    def _sees_trees(self) -> bool:
        """Whether the orphans of attempts come to this process, so that nothing of a tree goes unseen."""
        return self._trees.level != GroupTrees.level

    def _warm(self, attempt: Attempt) -> None:
        self._zygotes.begin(attempt)
        self._trees.helpers.update(self._zygotes.pids)

    def _spawn(self, attempt: Attempt) -> int:
        if self._is_warm(attempt):
            self._spawner.mark(attempt)
            pid = self._zygotes.start(attempt, self._trees.doors(attempt))
            if pid is not None:
                return pid
        return self._spawner.start(attempt)

    def _not_started(self, attempt: Attempt, error: NotStarted) -> None:
        if error.is_passing and attempt.tries < _TRIES_MAX:
            attempt.tries += 1
            self._plan(_TRY_AGAIN_S * attempt.tries, _TRY, attempt)
            return
        attempt.reason, attempt.detail = "not_started", str(error)
        self._revoke(attempt)
        self._tell_end(attempt)

    def _revoke(self, attempt: Attempt) -> None:
        if attempt.phase is Phase.STARTING:
            self._groups.release(attempt)
        attempt.move(Move.REVOKE)

    def _tell_end(self, attempt: Attempt) -> None:
        fields: dict[str, Any] = {"r": attempt.reason}
        if attempt.status is not None:
            code = os.waitstatus_to_exitcode(attempt.status)
            fields.update({"c": code} if code >= 0 else {"s": -code})
        if attempt.written is not None:
            fields["o"] = attempt.written
        if attempt.detail:
            # It may quote the user's bytes, and the journal is UTF-8 whatever they are.
            fields["d"] = attempt.detail.encode("utf-8", "backslashreplace").decode()
        del self._attempts[attempt.id]
        self._append_end(attempt.id, fields)

    def _append_end(self, attempt_id: str, fields: Mapping[str, Any]) -> None:
        self._journal.append(encode({"k": "end", "id": attempt_id, "t": time.time_ns() // 1000, **fields}))
        self._journal.note_ended(attempt_id)

    def _write(self) -> None:
        self._journal.flush()
        if self._journal.is_long():
            with contextlib.suppress(OSError):  # no space: the present generation goes on
                self._journal.begin(
                    _carried(a) for a in self._attempts.values() if a.phase is not Phase.QUEUED
                )


def _carried(attempt: Attempt) -> Mapping[str, Any]:
    span = [attempt.announced_us, attempt.started_us]
    return {"k": "live", "id": attempt.id, "pid": attempt.pid, "b": span}
