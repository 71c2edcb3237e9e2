"""Drives one execution: outcomes in, one commit, effects out.

1. A turn feeds the outcomes that have come, and commits them with all that follows (waits, steps, snapshot, the
   end) in one transaction. Only then are the new effects carried out; those that ask for no change of state need not
   wait for it, and what they answer while a commit goes on is the next turn (ADR 0018). As long as nothing but such
   requests is under way, a turn may grow for a moment before it is committed (ADR 0024).
2. An effect under way at a crash is carried out again under the same name when the execution is loaded anew.
3. An execution that only waits - for time, callbacks, operations, children - leaves memory with the commit that makes
   it wait; what it waits for brings it back.
4. Cancel is a state in the store. Whoever sees it first - this runner or the next one - has what was started stopped.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from jubako.boxes.workflows import execution_rows, poll_rows, sleeping, turns
from jubako.boxes.workflows.call_log import CallRecorder, recorder_of
from jubako.boxes.workflows.commits import Commits
from jubako.boxes.workflows.errands import Errand
from jubako.boxes.workflows.gauge import Gauge
from jubako.boxes.workflows.inbox import Inbox, Item, Stopped
from jubako.boxes.workflows.instant import KINDS
from jubako.boxes.workflows.language import Effect, EffectDone, EffectKind, Program
from jubako.boxes.workflows.language.tracing import traced
from jubako.boxes.workflows.loaded import Loaded
from jubako.boxes.workflows.parts import Parts
from jubako.boxes.workflows.performer import Context, outcome_of
from jubako.boxes.workflows.seat import Outcome, Seat, decode_outcome, encode_outcome
from jubako.boxes.workflows.states import State
from jubako.boxes.workflows.turns import Commit, Turn
from jubako.core.names import WORKFLOW_EXECUTION
from jubako.core.timestamps import to_micros
from jubako.identity.accounts import email_of
from jubako.store.port import Tx
from jubako.wire.addresses import project_number
from jubako.wire.http import HttpResponse
from jubako.wire.sending import Cancellable

INSTANT_MAX = 256
"""Instant effects answered before a commit, so that a loop of them still gives way."""
AHEAD_MAX = 64
"""Outcomes that may be fed while the commit before them is under way, or held back."""
TURNS_GIVEN = 10
"""How often the others come to turn between two slices of one that only computes."""
_SAFE_METHODS = frozenset({"GET", "HEAD"})
"""Source: RFC 9110, 9.2.1."""
_ROWS = frozenset({EffectKind.SLEEP, EffectKind.CALLBACK_AWAIT})
"""Effects that are rows from the beginning; a connector call becomes one when it has to wait."""


class Runner:
    """One execution while it is in memory."""

    def __init__(
        self,
        execution: str,
        parts: Parts,
        commits: Commits,
        at_rest: Callable[[], None],
        told: Loaded | None = None,
    ) -> None:
        """``at_rest`` is called whenever the execution has nothing to do but wait for what it has begun.

        ``told`` is what is to be read of an execution that has just begun, if it is known.
        """
        self._id = execution
        self._parts = parts
        self._commits = commits
        self._at_rest = at_rest
        self._told = told
        self._inbox = Inbox()
        self._calls: CallRecorder | None = None
        self._gauge = Gauge(parts.events)
        self._tasks: set[asyncio.Future[Any]] = set()
        self._sent: dict[str, Cancellable] = {}
        """Requests under way without a task."""
        self._sent_at = self._took_s = 0.0
        """When the last request was sent, and how long its reply took; by the loop's time."""
        self._waiting: set[str] = set()
        """Connector calls that are rows."""
        self._begun: set[str] = set()
        """Effects that are being carried out."""

    def nudge(self) -> None:
        """Tell it that the store has news of its execution."""
        self._inbox.nudge()

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing is computed, committed or awaited from outside."""
        return self._inbox.is_awaited and not self._tasks and not self._sent

    def take_nudge(self) -> bool:
        """Return whether there was news that it has not looked at."""
        return self._inbox.take_nudge()

    async def run(self) -> None:
        """Drive the execution until it has ended, only waits, or was cancelled."""
        loaded, self._told = self._told, None
        if loaded is None:
            loaded, self._waiting = await self._parts.store.read(self._load)
        if loaded is None:
            return
        program = self._parts.programs.of(loaded.workflow)
        self._calls = recorder_of(program, loaded.document.call_log_level)
        is_new = loaded.seq == 0 and loaded.snapshot is None
        seat, context = await self._restored(program, loaded), _context(loaded)
        self._gauge.look(seat, self._id)
        if not is_new and self._calls is not None:
            self._calls.take()
        if loaded.state is State.CANCELLED:
            await self._close(seat, context)
            return
        try:
            await self._drive(seat, context, loaded.arrivals)
        except Stopped:
            await self._close_cancelled()
        finally:
            for under_way in [*self._sent.values(), *self._tasks]:
                under_way.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _restored(self, program: Program, loaded: Loaded) -> Seat:
        if self._calls is None:
            return await Seat.restored(program, loaded, self._give_way)
        assert loaded.document.start_time is not None
        # The same after a crash: the first call is told once.
        self._calls.now = to_micros(loaded.document.start_time)
        seat = await Seat.restored(traced(program, self._calls), loaded, self._give_way)
        self._calls.settle(seat.state)
        self._calls.resume(seat.state)
        return seat

    def _load(self, tx: Tx) -> tuple[Loaded | None, set[str]]:
        return execution_rows.load(tx, self._id), set(poll_rows.paths(tx, self._id))

    async def _drive(self, seat: Seat, context: Context, arrivals: Sequence[tuple[str, str]]) -> None:
        turn = Turn()
        await self._feed(seat, turn, _items(arrivals))
        turn.asked = list(seat.under_way.values())
        turn.calls = self._calls.take() + turn.calls if self._calls is not None else []
        while True:
            await self._answer_instants(seat, turn, context)
            # What is asked for follows from what is durable already unless something was fed.
            self._perform_all(seat, turn, context, only_safe=bool(turn.fed))
            await self._hold(seat, turn, context)
            commit = self._commits.put(self._commit_of(seat, turn, context))
            following = await self._meanwhile(seat, turn, context, commit)
            has_left = await commit
            self._parts.faults.point("workflows.turn.after_commit")
            if seat.is_over and has_left:
                self._parts.events.emit(
                    "workflow_execution.ended", execution=context.name, state=seat.state.status.name
                )
            if has_left:
                return
            self._perform_all(seat, turn, context, only_safe=False)
            self._at_rest()
            turn = following
            await self._fill(seat, turn)

    async def _hold(self, seat: Seat, turn: Turn, context: Context) -> None:
        """Let the turn grow while nothing waits for its commit but those who look at the execution.

        If the reply before took longer than that, so will the one that is awaited, and nothing is won.
        """
        if self._took_s > self._parts.hold_s:
            return
        loop = asyncio.get_running_loop()
        end = loop.time() + self._parts.hold_s
        timer = loop.call_at(
            end + 0.001, self._inbox.stir
        )  # when the end is past for sure, if nothing comes before
        try:
            while self._may_grow(seat, turn) and loop.time() < end:
                self._at_rest()
                await self._feed(seat, turn, await self._inbox.take())
                await self._answer_instants(seat, turn, context)
                self._perform_all(seat, turn, context, only_safe=bool(turn.fed))
        finally:
            timer.cancel()

    def _may_grow(self, seat: Seat, turn: Turn) -> bool:
        makes_rows = turn.errands or any(effect.kind in _ROWS for effect in turn.asked)
        is_under_way = self._tasks or self._sent
        return bool(
            is_under_way
            and not (self._is_held(seat, turn) or makes_rows or seat.is_over or len(turn.fed) >= AHEAD_MAX)
        )

    def _is_held(self, seat: Seat, turn: Turn) -> bool:
        """Return whether something that a turn asks for waits until it is durable."""
        return any(effect.name in seat.under_way and effect.name not in self._begun for effect in turn.asked)

    async def _meanwhile(
        self, seat: Seat, committing: Turn, context: Context, commit: "asyncio.Future[bool]"
    ) -> Turn:
        """Return the turn that comes about while another is being committed, or later if nothing waits for that."""
        turn = Turn()
        self._tasks.add(commit)
        commit.add_done_callback(partial(self._committed, seat, committing, turn))
        while not (commit.done() or seat.is_over or len(turn.fed) >= AHEAD_MAX):
            await self._feed(seat, turn, await self._inbox.take())
            await self._answer_instants(seat, turn, context)
            self._perform_all(seat, turn, context, only_safe=True)
        return turn

    def _committed(self, seat: Seat, turn: Turn, following: Turn, commit: "asyncio.Future[bool]") -> None:
        """Wake the driver, unless it has nothing to do then but to wait."""
        self._tasks.discard(commit)
        has_news = commit.cancelled() or commit.exception() is not None or commit.result()
        if has_news or following or self._inbox.is_nudged or self._is_held(seat, turn):
            self._inbox.stir()
        else:
            self._at_rest()

    def _commit_of(self, seat: Seat, turn: Turn, context: Context) -> Commit:
        leaves = not seat.is_over and all(self._is_row(effect) for effect in seat.under_way.values())
        return Commit.of(context, seat, turn, leaves=leaves)

    def _is_row(self, effect: Effect) -> bool:
        """Return whether nothing need be in memory while this effect is under way."""
        if effect.kind is EffectKind.SLEEP:
            return not sleeping.is_short(effect, self._parts.clock.now())
        return effect.kind in _ROWS or effect.name in self._waiting

    async def _fill(self, seat: Seat, turn: Turn) -> None:
        """Feed what has come; wait for something if the turn is empty.

        Raises:
            Stopped: The execution is not active any more.

        """
        items: list[Item] = []
        while not seat.is_over:
            if self._inbox.take_nudge():
                items += await self._news()
            if turn or items:
                await self._feed(seat, turn, items)
                return
            items = await self._inbox.take()

    async def _news(self) -> list[Item]:
        state, arrivals = await self._parts.store.peek(self._read_news)
        if state is not State.ACTIVE:
            raise Stopped
        return _items(arrivals)

    def _read_news(self, tx: Tx) -> tuple[State, list[tuple[str, str]]]:
        return execution_rows.state_of(tx, self._id), execution_rows.arrivals(tx, self._id)

    async def _feed(self, seat: Seat, turn: Turn, items: Sequence[Item]) -> None:
        for item in items:
            if item.name not in seat.under_way or seat.is_over:  # a reply that came twice, or too late
                continue
            if isinstance(item.found, Errand):
                turn.errands[item.name] = item.found
                self._waiting.add(item.name)
                continue
            if item.arrived:
                turn.arrived.append(item.name)
            found = item.found
            if isinstance(found, HttpResponse | Exception):
                found = outcome_of(item.name, found)
            await self._feed_one(seat, turn, found)

    async def _feed_one(self, seat: Seat, turn: Turn, outcome: Outcome) -> None:
        turn.fed.append(encode_outcome(outcome))
        self._begun.discard(outcome.name)
        effect = seat.under_way.get(outcome.name)
        if self._calls is not None:
            self._calls.now = to_micros(self._parts.clock.now())
        if effect is not None and effect.kind is EffectKind.LOG:
            turn.logged.append(effect)
        for number, effects in enumerate(seat.feed(outcome)):
            turn.asked.extend(effects)
            self._gauge.look(seat, self._id)
            if self._calls is not None:
                self._calls.settle(seat.state)
                turn.calls += self._calls.take()
            if number:
                await self._give_way()

    async def _give_way(self) -> None:
        """Let the other executions go on, each by several turns: a slice may have taken far longer than theirs."""
        for _ in range(TURNS_GIVEN):
            await self._parts.clock.sleep_until(self._parts.clock.now())

    async def _answer_instants(self, seat: Seat, turn: Turn, context: Context) -> None:
        """Answer the effects that need nothing but a moment; what they lead to joins the turn."""
        answered = 0
        while answered < INSTANT_MAX and not seat.is_over:
            effect = next((effect for effect in turn.asked if effect.kind in KINDS), None)
            if effect is None:
                return
            turn.asked.remove(effect)
            value = self._parts.instant.answer(effect, context.name, context.env)
            await self._feed_one(seat, turn, EffectDone(effect.name, value))
            answered += 1

    async def _close_cancelled(self) -> None:
        """Go by the journal, not by memory: memory may be ahead of what was committed."""
        loaded, _ = await self._parts.store.read(self._load)
        if loaded is not None and loaded.state is State.CANCELLED:
            program = self._parts.programs.of(loaded.workflow)
            await self._close(await Seat.restored(program, loaded, self._give_way), _context(loaded))

    async def _close(self, seat: Seat, context: Context) -> None:
        await self._parts.store.write(partial(turns.close, seat=seat, context=context))

    def _perform_all(self, seat: Seat, turn: Turn, context: Context, *, only_safe: bool) -> None:
        """Carry out what a turn asks for, if it is not begun; with ``only_safe`` what need not wait for the commit."""
        for effect in [] if seat.is_over else turn.asked:
            is_open = effect.name in seat.under_way and effect.name not in self._begun
            if not is_open or (only_safe and not _is_safe(effect)):
                continue
            self._begun.add(effect.name)
            if effect.kind in KINDS:  # more of them than one turn answers
                value = self._parts.instant.answer(effect, context.name, context.env)
                self._inbox.put(Item(effect.name, EffectDone(effect.name, value)))
            elif effect.kind not in _ROWS and effect.name not in self._waiting:
                self._begin(effect, context)

    def _begin(self, effect: Effect, context: Context) -> None:
        sent = self._parts.performer.begin(effect, context, partial(self._answered, effect.name))
        if sent is not None:
            self._sent[effect.name] = sent
            self._sent_at = asyncio.get_running_loop().time()
            return
        task = asyncio.get_running_loop().create_task(self._carry_out(effect, context))
        self._tasks.add(task)
        task.add_done_callback(self._settle)

    def _answered(self, effect: str, found: HttpResponse | Exception) -> None:
        del self._sent[effect]
        self._took_s = asyncio.get_running_loop().time() - self._sent_at
        self._inbox.put(Item(effect, found))

    async def _carry_out(self, effect: Effect, context: Context) -> None:
        self._inbox.put(Item(effect.name, await self._parts.performer.perform(effect, context)))

    def _settle(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):  # a bug of ours: the engine hears of it through the driver
            self._inbox.end(error)


def _is_safe(effect: Effect) -> bool:
    return effect.kind is EffectKind.HTTP and effect.args["method"] in _SAFE_METHODS


def _items(arrivals: Sequence[tuple[str, str]]) -> list[Item]:
    return [Item(name, decode_outcome(outcome), arrived=True) for name, outcome in arrivals]


def _context(loaded: Loaded) -> Context:
    place = WORKFLOW_EXECUTION.parse(loaded.document.name)
    account = email_of(loaded.workflow.service_account, place["project"])
    env = {
        **loaded.workflow.user_env_vars,
        "GOOGLE_CLOUD_PROJECT_ID": place["project"],
        "GOOGLE_CLOUD_PROJECT_NUMBER": str(project_number(place["project"])),
        "GOOGLE_CLOUD_LOCATION": place["location"],
        "GOOGLE_CLOUD_WORKFLOW_ID": place["workflow"],
        "GOOGLE_CLOUD_WORKFLOW_REVISION_ID": loaded.workflow.revision_id,
        "GOOGLE_CLOUD_WORKFLOW_EXECUTION_ID": place["execution"],
        "GOOGLE_CLOUD_SERVICE_ACCOUNT_NAME": account,
    }
    return Context(loaded.document.name, loaded.id, account, env)
