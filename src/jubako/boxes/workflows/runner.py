"""Drives one execution: outcomes in, one commit, effects out.

1. A turn feeds the outcomes that have come, and commits them with all that follows (sleeps, steps, snapshot, the
   end) in one transaction. Only then are the new effects carried out.
2. An effect under way at a crash is carried out again under the same name when the execution is loaded anew.
3. An execution that only sleeps leaves memory after a while: its timer brings it back.
4. Cancel is a state in the store. Whoever sees it first - this runner or the next one - has what was started stopped.
"""

import asyncio
import json
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from jubako.boxes.workflows import callback_rows, callbacks, execution_rows, sleeping
from jubako.boxes.workflows.execution_rows import Loaded
from jubako.boxes.workflows.gauge import Gauge
from jubako.boxes.workflows.inbox import Inbox, Item, Stopped
from jubako.boxes.workflows.instant import KINDS
from jubako.boxes.workflows.language import Effect, EffectDone, EffectKind, Status
from jubako.boxes.workflows.parts import Parts
from jubako.boxes.workflows.performer import Context, stop_message
from jubako.boxes.workflows.resources import Execution
from jubako.boxes.workflows.seat import Outcome, Seat, decode_outcome, encode_outcome
from jubako.boxes.workflows.states import Event, State, after
from jubako.core.names import WORKFLOW_EXECUTION
from jubako.identity.accounts import email_of
from jubako.store import outbox
from jubako.store.port import Tx
from jubako.wire.addresses import project_number

INSTANT_MAX = 256
"""Instant effects answered before a commit, so that a loop of them still gives way."""
SNAPSHOT_EVERY = 200
PARK_AFTER = timedelta(seconds=10)
STOP_TOPIC = "workflows.stop"
_TIMED = frozenset({EffectKind.SLEEP, EffectKind.CALLBACK_AWAIT})
"""Effects that are rows while they last: nothing runs for them in this process."""


@dataclass(slots=True)
class Turn:
    """What one commit records."""

    fed: list[str] = field(default_factory=list)
    arrived: list[str] = field(default_factory=list)
    """Names of the effects whose outcomes came through the arrivals table."""
    asked: list[Effect] = field(default_factory=list)


class Runner:
    """One execution while it is in memory."""

    def __init__(self, execution: str, parts: Parts) -> None:
        self._id = execution
        self._parts = parts
        self._inbox = Inbox(parts.clock)
        self._gauge = Gauge(parts.events)
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> bool:
        """Drive the execution until it has ended, sleeps, or was cancelled; return whether it ended."""
        loaded = await self._parts.store.read(partial(execution_rows.load, execution=self._id))
        if loaded is None:
            return False
        seat = Seat.restored(self._parts.programs.of(loaded.workflow), loaded)
        if loaded.state is State.CANCELLED:
            await self._clean_up(seat, _context(loaded))
            return False
        context = _context(loaded)
        try:
            self._spawn(self._listen())
            await self._drive(seat, context)
        except Stopped:
            await self._clean_up_after_cancel()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        return seat.is_over

    async def _drive(self, seat: Seat, context: Context) -> None:
        turn = Turn(asked=list(seat.under_way.values()))
        while True:
            await self._answer_instants(seat, turn, context)
            known = not turn.fed
            if (
                known
            ):  # what is asked for follows from what is durable already: it need not wait for the commit
                self._perform_all(turn.asked, context)
            await self._commit(seat, turn, context)
            self._parts.faults.point("workflows.turn.after_commit")
            if seat.is_over:
                return
            if not known:
                self._perform_all(turn.asked, context)
            items = await self._next(seat)
            if not items:
                return
            turn = await self._feed(seat, items)

    async def _next(self, seat: Seat) -> list[Item]:
        """Return what has come (at least one outcome), or nothing if the execution has left memory."""
        while True:
            only_sleeps = all(effect.kind in _TIMED for effect in seat.under_way.values())
            items = await self._inbox.take(PARK_AFTER if only_sleeps else None)
            if items or await self._leave(seat):
                return items

    async def _leave(self, seat: Seat) -> bool:
        """Park the execution; False if something arrived just now (or it was cancelled: the inbox tells)."""
        write = partial(execution_rows.park, execution=self._id, seq=seat.seq, snapshot=seat.snapshot())
        return await self._parts.store.write(write)

    async def _feed(self, seat: Seat, items: Sequence[Item]) -> Turn:
        turn = Turn()
        for item in items:
            if item.outcome.name not in seat.under_way:  # a reply that came twice
                continue
            if item.arrived:
                turn.arrived.append(item.outcome.name)
            await self._feed_one(seat, turn, item.outcome)
        return turn

    async def _feed_one(self, seat: Seat, turn: Turn, outcome: Outcome) -> None:
        turn.fed.append(encode_outcome(outcome))
        for number, effects in enumerate(seat.feed(outcome)):
            turn.asked.extend(effects)
            self._gauge.look(seat, self._id)
            if number:
                await self._parts.clock.sleep_until(self._parts.clock.now())  # gives way to the others

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

    async def _commit(self, seat: Seat, turn: Turn, context: Context) -> None:
        """Make the turn durable.

        Raises:
            Stopped: The execution was cancelled meanwhile; nothing was kept.

        """
        steps = seat.steps() if not seat.is_over else "[]"
        due = seat.seq - seat.snapshot_seq >= SNAPSHOT_EVERY and not seat.is_over
        snapshot = seat.snapshot() if due else None
        started_at = seat.seq - len(turn.fed)

        def write(tx: Tx) -> None:
            if not execution_rows.record_steps(tx, self._id, steps):
                raise Stopped
            execution_rows.journal(tx, self._id, started_at, turn.fed)
            for name in turn.arrived:
                execution_rows.take_arrival(tx, self._id, name)
            if seat.is_over:
                self._finish(tx, seat, context)
                return
            for effect in turn.asked:
                self._ensure_timed(tx, effect)
            if snapshot is not None:
                execution_rows.record_snapshot(tx, self._id, seat.seq, snapshot)
            self._parts.faults.point("workflows.turn.before_commit")

        await self._parts.store.write(write)

    def _ensure_timed(self, tx: Tx, effect: Effect) -> None:
        if effect.kind is EffectKind.SLEEP:
            sleeping.ensure(tx, self._id, effect)
        elif effect.kind is EffectKind.CALLBACK_AWAIT:
            callbacks.ensure(tx, self._id, effect)

    def _finish(self, tx: Tx, seat: Seat, context: Context) -> None:
        execution = execution_rows.find_execution(tx, context.name)
        event = Event.RETURN if seat.state.status is Status.SUCCEEDED else Event.RAISE
        state = after(State(execution.state.name), event, context.name)
        execution.state = Execution.State[state]
        execution.status = None
        if event is Event.RETURN:
            execution.result = json.dumps(seat.state.result, ensure_ascii=False)
        else:
            execution.error = _error(seat)
        execution_rows.finish(tx, execution_rows.ended(execution, tx.now), state, needs_engine=False)
        self._stop_started(tx, seat, context)
        execution_rows.close(tx, self._id)
        self._parts.events.emit("workflow_execution.ended", execution=context.name, state=state)

    def _stop_started(self, tx: Tx, seat: Seat, context: Context) -> None:
        """Undo what is under way: forget sleeps, and have started jobs cancelled."""
        callback_rows.drop_all(tx, self._id)
        for effect in seat.under_way.values():
            if effect.kind is EffectKind.SLEEP:
                sleeping.drop(tx, self._id, effect)
            elif effect.kind is EffectKind.CONNECTOR:
                outbox.put(tx, STOP_TOPIC, stop_message(context, effect))

    async def _clean_up_after_cancel(self) -> None:
        """Go by the journal, not by memory: memory may be ahead of what was committed."""
        loaded = await self._parts.store.read(partial(execution_rows.load, execution=self._id))
        if loaded is not None and loaded.state is State.CANCELLED:
            seat = Seat.restored(self._parts.programs.of(loaded.workflow), loaded)
            await self._clean_up(seat, _context(loaded))

    async def _clean_up(self, seat: Seat, context: Context) -> None:
        def write(tx: Tx) -> None:
            self._stop_started(tx, seat, context)
            execution_rows.close(tx, self._id)

        await self._parts.store.write(write)

    def _perform_all(self, effects: Sequence[Effect], context: Context) -> None:
        for effect in effects:
            self._perform(effect, context)

    def _perform(self, effect: Effect, context: Context) -> None:
        if effect.kind in KINDS:  # more of them than one turn answers
            value = self._parts.instant.answer(effect, context.name, context.env)
            self._inbox.put(Item(EffectDone(effect.name, value)))
        elif effect.kind not in _TIMED:
            self._spawn(self._carry_out(effect, context))

    async def _carry_out(self, effect: Effect, context: Context) -> None:
        self._inbox.put(Item(await self._parts.performer.perform(effect, context)))

    async def _listen(self) -> None:
        """Bring arrivals, and the news of a cancel, into the inbox."""
        seen: set[str] = set()
        with self._parts.store.watch(execution_rows.execution_topic(self._id)) as watch:
            while True:
                state, arrivals = await self._parts.store.read(self._news)
                if state is not State.ACTIVE:
                    self._inbox.end(Stopped())
                for name, outcome in arrivals:
                    if name not in seen:
                        seen.add(name)
                        self._inbox.put(Item(decode_outcome(outcome), arrived=True))
                await watch.wait()

    def _news(self, tx: Tx) -> tuple[State, list[tuple[str, str]]]:
        return execution_rows.state_of(tx, self._id), execution_rows.arrivals(tx, self._id)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._settle)

    def _settle(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):  # a bug of ours: the engine hears of it through the driver
            self._inbox.end(error)


def _context(loaded: Loaded) -> Context:
    place = WORKFLOW_EXECUTION.parse(loaded.name)
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
    return Context(loaded.name, loaded.id, account, env)


def _error(seat: Seat) -> Execution.Error:
    told = seat.state.error
    assert told is not None
    elements = [
        Execution.StackTraceElement(
            step=element["step"],
            routine=element["routine"],
            position=Execution.StackTraceElement.Position(**element["position"]),
        )
        for element in told["stackTrace"]["elements"]
    ]
    return Execution.Error(
        payload=told["payload"], context=told["context"], stack_trace=Execution.StackTrace(elements=elements)
    )
