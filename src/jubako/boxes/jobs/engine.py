"""The loop that gets claimed attempts to the runtime, and lets its events take effect.

1. Claims are committed before they are submitted. Dying in between leaves ``queued`` rows, which ``recover`` submits
   again: the runtime starts an attempt id once at most.
2. A cancel is durable before the runtime is asked, and asked for again after every recovery.
3. Nothing is decided here: ``states`` decides, ``task_rows`` records.
4. When the runtime is not there, claims wait as ``queued`` rows for the ``recover`` that follows the reconnect.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from jubako.boxes.jobs import moves, task_rows
from jubako.boxes.jobs.launch import Launch, LaunchSettings, launch_of
from jubako.boxes.jobs.moves import Finish, Launched
from jubako.boxes.jobs.rows import TOPIC, ExecutionRow, find_execution
from jubako.boxes.jobs.task_rows import Attempt
from jubako.core.errors import FailedPrecondition, InvalidArgument, Unavailable
from jubako.core.events import Events
from jubako.core.faults import Faults
from jubako.identity import secret_variables
from jubako.identity.secrets import SecretRef
from jubako.runtime.port import AttemptEvent, AttemptSpec, Ended, Reason, Runtime
from jubako.store.port import Store, Tx

SUBMIT_BATCH = 512
_LAUNCHES_MAX = 64
_PEEK_MAX = 16
"""Attempts whose rows are read on the loop's own thread."""
_NO_ROWS: Mapping[str, ExecutionRow] = {}


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Attempts, ready to be handed over."""

    specs: list[AttemptSpec] = field(default_factory=list)
    impossible: dict[str, str] = field(default_factory=dict)
    """Why attempts cannot be started, by id."""


class JobsEngine:
    """The service that runs executions of jobs."""

    def __init__(
        self,
        store: Store,
        runtime: Runtime,
        settings: LaunchSettings,
        finish: Finish,
        events: Events,
        faults: Faults,
    ) -> None:
        """Take the ports; ``finish`` completes the operations that wait for an execution, in its last transaction."""
        self._store = store
        self._runtime = runtime
        self._settings = settings
        self._finish = finish
        self._events = events
        self._faults = faults
        self._launches: dict[str, Launch] = {}
        self._asked_to_cancel: set[str] = set()
        self._is_behind = False
        """Whether a claimed attempt may not have reached the runtime."""
        self._swept: set[str] = set()
        """Uids of the executions that were under way when all rows were last looked at."""
        self._turn = asyncio.Lock()

    async def run(self) -> None:
        """Work whenever there is something to do, until cancelled. ``recover`` comes first."""
        with self._store.gather(TOPIC) as gathering:
            self._is_behind = True  # nobody was told of what was launched since then
            await self.step()
            while True:
                news = await gathering.take()
                await asyncio.sleep(0)  # noqa: TID251 - no time passes: the reply to who launched goes first
                await self.work(news)

    async def work(self, news: Mapping[str, object]) -> None:
        """Do what there is to do, as woken topics say it (without ``TOPIC``, with which they begin)."""
        launched = [one for one in news.values() if isinstance(one, Launched)]
        if launched:
            await self._start(launched)
        if "" in news or self._is_behind:
            await self.step()

    async def _start(self, launched: Sequence[Launched]) -> None:
        """Hand over what was claimed when executions were made, unless it was found and handed over before."""
        async with self._turn:
            self._faults.point("jobs.claim.after_commit")
            rows = {one.execution.uid: one.execution for one in launched}
            attempts = await self._still_waiting([attempt for one in launched for attempt in one.attempts])
            await self._hand_over(attempts, are_new=True, rows=rows)
            self._faults.point("jobs.submit.after")
            if overtaken := self._asked_to_cancel & rows.keys():
                # What the runtime was asked to cancel it did not know yet.
                self._asked_to_cancel -= overtaken
                await self._cancel_attempts()

    async def _still_waiting(self, claimed: Sequence[Attempt]) -> list[Attempt]:
        """Return those of them that nobody handed over, or ended, while their news was on its way."""
        fresh = [attempt for attempt in claimed if attempt.execution_uid not in self._swept]
        look = self._store.peek if len(fresh) <= _PEEK_MAX else self._store.read
        return await look(partial(task_rows.still_queued, attempts=fresh))

    async def step(self) -> None:
        """Do what there is to do now: ask for the end of what is cancelled, claim, submit."""
        async with self._turn:
            await self._cancel_attempts()
            if self._is_behind:
                attempts = await self._sweep()
                # Of what was cancelled before it was handed over the runtime says that it is not there.
                await self._reach(self._runtime.reconcile([a.id for a in attempts if a.is_cancelled]))
                await self._hand_over(_waiting(attempts), are_new=False)
            claimed = await self._store.write(partial(task_rows.claim, slots=self._settings.slots))
            if claimed:
                self._faults.point("jobs.claim.after_commit")
                await self._hand_over(claimed, are_new=True)
                self._faults.point("jobs.submit.after")

    def apply(self, tx: Tx, events: Sequence[AttemptEvent]) -> None:
        """Let events of the runtime take effect, in the transaction that stores the position behind them."""
        moves.apply(tx, events, self._settings.slots, self._finish)
        self._faults.point("jobs.apply.before_commit")

    async def recover(self) -> None:
        """After ``runtime.start``: make the runtime and the rows agree on what is under way.

        Raises:
            Unavailable: The runtime went away again; recover after the next reconnect.

        """
        async with self._turn:
            attempts = await self._sweep()
            self._asked_to_cancel.clear()
            # What is being cancelled and never reached the runtime is Lost to it, and so becomes cancelled.
            prepared = await self._prepare(_waiting(attempts))
            agreed = [a.id for a in attempts if a.has_started or a.is_cancelled]
            await self._runtime.reconcile([*agreed, *prepared.impossible])
            self._faults.point("jobs.recover.before_submit")
            await self._submit(prepared.specs)
            self._is_behind = False
        if attempts:
            self._events.emit("jobs.recovered", attempts=len(attempts))
        await self.step()

    async def _sweep(self) -> list[Attempt]:
        """Return every attempt under way; what was launched before that is dealt with by who asked."""
        attempts = await self._store.read(task_rows.under_way)
        self._swept = {attempt.execution_uid for attempt in attempts}
        return attempts

    async def _cancel_attempts(self) -> None:
        for uid in await self._store.read(task_rows.cancelling):
            if uid in self._asked_to_cancel:
                continue
            attempts = await self._store.read(partial(_cancelled_attempts, uid))
            self._faults.point("jobs.cancel.before_runtime")
            if not await self._reach(self._runtime.cancel([attempt.id for attempt in attempts])):
                return
            # Nothing is claimed for it any more, so that asking once is enough while the connection lasts.
            self._asked_to_cancel.add(uid)
            self._events.emit("execution.cancel_requested", uid=uid, attempts=len(attempts))

    async def _hand_over(
        self, attempts: Sequence[Attempt], *, are_new: bool, rows: Mapping[str, ExecutionRow] = _NO_ROWS
    ) -> None:
        # Whatever breaks off in here, the next step or recovery hands over what is still queued.
        was_behind, self._is_behind = self._is_behind, True
        prepared = await self._prepare(attempts, rows)
        is_there = True
        if prepared.impossible and are_new:
            await self._store.write(partial(self._refuse, prepared.impossible))
        elif prepared.impossible:
            # The runtime may have them since before the server died: only it can say that they are not alive.
            is_there = await self._reach(self._runtime.reconcile(list(prepared.impossible)))
        is_done = is_there and await self._reach(self._submit(prepared.specs))
        self._is_behind = not is_done or (was_behind and are_new)

    def _refuse(self, reasons: Mapping[str, str], tx: Tx) -> None:
        """End attempts that nobody but us has seen yet."""
        ended = (
            Ended(id=attempt, time=tx.now, reason=Reason.NOT_STARTED, detail=reason)
            for attempt, reason in reasons.items()
        )
        moves.apply(tx, ended, self._settings.slots, self._finish)

    async def _reach(self, call: Awaitable[None]) -> bool:
        """Make a call to the runtime; if that is away, ``recover`` makes up for the call after the reconnect."""
        try:
            await call
        except Unavailable as error:
            self._events.emit("jobs.runtime_missed", "WARNING", error=error.message)
            return False
        return True

    async def _submit(self, specs: Sequence[AttemptSpec]) -> None:
        for first in range(0, len(specs), SUBMIT_BATCH):
            await self._runtime.submit(specs[first : first + SUBMIT_BATCH])

    async def _prepare(
        self, attempts: Sequence[Attempt], rows: Mapping[str, ExecutionRow] = _NO_ROWS
    ) -> _Prepared:
        """Return attempts as the runtime takes them; those of executions that were deleted are left out.

        ``rows`` are the executions that are at hand, by uid.
        """
        unreadable = await self._load_launches({attempt.execution_uid for attempt in attempts}, rows)
        prepared, launches = _Prepared(), self._launches
        values = await secret_variables.read(
            self._settings.vault, _refs(launches.get(a.execution_uid) for a in attempts)
        )
        for attempt in attempts:
            launch = launches.get(attempt.execution_uid)
            if launch is None:
                if attempt.execution_uid in unreadable:
                    prepared.impossible[attempt.id] = unreadable[attempt.execution_uid]
                continue
            missing = [values.missing[ref] for ref in sorted(launch.refs()) if ref in values.missing]
            if missing:
                prepared.impossible[attempt.id] = missing[0]
                continue
            try:
                prepared.specs.append(launch.spec(attempt, values.found))
            except FailedPrecondition as error:
                prepared.impossible[attempt.id] = error.message
        return prepared

    async def _load_launches(self, uids: set[str], rows: Mapping[str, ExecutionRow]) -> Mapping[str, str]:
        """Have the launches of these executions at hand; return why some cannot be had, by uid."""
        missing = sorted(uids - self._launches.keys())
        if len(self._launches) + len(missing) > _LAUNCHES_MAX:
            self._launches.clear()
            missing = sorted(uids)
        unreadable: dict[str, str] = {}
        found = [rows[uid] for uid in missing if uid in rows]
        if len(found) < len(missing):
            found += await self._store.read(partial(_executions, [uid for uid in missing if uid not in rows]))
        for row in found:
            try:
                self._launches[row.uid] = await launch_of(row, self._settings)
            except InvalidArgument as error:
                # One row that cannot be read must not keep all others from running.
                self._events.emit(
                    "execution.unreadable", "ERROR", execution=str(row.key), error=error.message
                )
                unreadable[row.uid] = f"The stored execution cannot be read: {error.message}"
        return unreadable


def _refs(launches: Iterable[Launch | None]) -> set[SecretRef]:
    return {ref for launch in launches if launch is not None for ref in launch.refs()}


def _waiting(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Return what the runtime may not know yet; to submit what it knows does no harm."""
    return [attempt for attempt in attempts if not attempt.has_started and not attempt.is_cancelled]


def _cancelled_attempts(uid: str, tx: Tx) -> list[Attempt]:
    return task_rows.under_way_of(tx, uid, is_cancelled=True)


def _executions(uids: Sequence[str], tx: Tx) -> list[ExecutionRow]:
    found = (find_execution(tx, uid) for uid in uids)
    return [row for row in found if row is not None]
