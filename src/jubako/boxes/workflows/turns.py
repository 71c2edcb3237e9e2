"""One turn of an execution, and the transaction that makes it durable: outcomes, waits, steps, snapshot, the end."""

import json
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime

from jubako.boxes.workflows import callback_rows, callbacks, execution_rows, log_entries, poll_rows, sleeping
from jubako.boxes.workflows.call_log import CallEvent
from jubako.boxes.workflows.errands import Errand
from jubako.boxes.workflows.language import Effect, EffectKind, Status
from jubako.boxes.workflows.performer import Context, stop_message
from jubako.boxes.workflows.resources import Execution
from jubako.boxes.workflows.seat import Seat
from jubako.boxes.workflows.states import Event, State, after
from jubako.core.faults import Faults
from jubako.store import outbox
from jubako.store.port import Tx
from jubako.telemetry.log_rows import LogRow
from jubako.wire import idempotency

SNAPSHOT_EVERY = 200
STOP_TOPIC = "workflows.stop"


@dataclass(slots=True)
class Turn:
    """What one commit records."""

    fed: list[str] = field(default_factory=list)
    arrived: list[str] = field(default_factory=list)
    """Names of the effects whose outcomes came through the arrivals table."""
    asked: list[Effect] = field(default_factory=list)
    logged: list[Effect] = field(default_factory=list)
    """The ``sys.log`` among what was fed."""
    calls: list[CallEvent] = field(default_factory=list)
    """What call logging tells of it."""
    errands: dict[str, Errand] = field(default_factory=dict)
    """Connector calls that wait from now on, by effect."""

    def __bool__(self) -> bool:
        """Whether there is something to record."""
        return bool(self.fed or self.errands)


@dataclass(frozen=True, slots=True)
class Commit:
    """The transaction of a turn; all it needs is taken before it runs, because the seat goes on meanwhile."""

    context: Context
    turn: Turn
    over: Seat | None
    """The seat, if the execution has ended: then it does not go on."""
    seq: int
    """Outcomes in the journal after this turn."""
    steps: str | None
    """Where the execution stands, if that has changed."""
    snapshot: str | None
    leaves: bool
    """Whether it may leave memory afterwards."""

    @classmethod
    def of(cls, context: Context, seat: Seat, turn: Turn, *, leaves: bool) -> "Commit":
        """Return the commit of what ``turn`` did to ``seat``."""
        steps = None if seat.is_over else seat.news_of_steps()
        is_due = seat.seq - seat.snapshot_seq >= SNAPSHOT_EVERY or (leaves and seat.snapshot_seq != seat.seq)
        return cls(
            context=context,
            turn=turn,
            over=seat if seat.is_over else None,
            seq=seat.seq,
            steps=steps,
            snapshot=seat.snapshot() if is_due and not seat.is_over else None,
            leaves=leaves,
        )

    def journal_rows(self, now: int) -> list[execution_rows.JournalRow]:
        """Return what is appended to the journal at an instant in microseconds since 1970."""
        first = self.seq - len(self.turn.fed) + 1
        return [
            (self.context.id, number, now, outcome) for number, outcome in enumerate(self.turn.fed, first)
        ]

    def log_rows(self, now: datetime) -> list[LogRow]:
        """Return what is logged."""
        own = [log_entries.row_of(one, self.context, now) for one in self.turn.logged]
        return own + [log_entries.row_of_call(one, self.context) for one in self.turn.calls]

    def write(self, tx: Tx, faults: Faults) -> bool:
        """Record all the rest of an active execution; return whether it is out of the engine's hands."""
        execution = self.context.id
        for name in self.turn.arrived:
            execution_rows.take_arrival(tx, execution, name)
        if self.over is not None:
            self._finish(tx, self.over)
            return True
        if self.steps is not None:
            execution_rows.record_steps(tx, execution, self.steps)
        self._wait(tx)
        if self.snapshot is not None:
            execution_rows.record_snapshot(tx, execution, self.seq, self.snapshot)
        left = self.leaves and execution_rows.park(tx, execution)
        faults.point("workflows.turn.before_commit")
        return left

    def _wait(self, tx: Tx) -> None:
        for effect in self.turn.asked:
            if effect.kind is EffectKind.SLEEP:
                sleeping.ensure(tx, self.context.id, effect)
            elif effect.kind is EffectKind.CALLBACK_AWAIT:
                callbacks.ensure(tx, self.context.id, effect)
        for name, errand in self.turn.errands.items():
            poll_rows.begin(tx, self.context.id, name, errand)

    def _finish(self, tx: Tx, seat: Seat) -> None:
        machine, execution = seat.state, copy(seat.document)
        event = Event.RETURN if machine.status is Status.SUCCEEDED else Event.RAISE
        state = after(State.ACTIVE, event, execution.name)
        execution.state = Execution.State[state]
        if event is Event.RETURN:
            execution.result = json.dumps(machine.result, ensure_ascii=False, separators=(",", ":"))
        else:
            execution.error = _error(seat)
        ended = execution_rows.ended(execution, tx.now)
        execution_rows.finish(tx, ended, state, was=State.ACTIVE, needs_engine=False)
        if seat.has_rows:
            _undo(tx, seat, self.context)
            execution_rows.forget(tx, self.context.id)
        idempotency.release(tx, self.context.id)


def close(tx: Tx, seat: Seat, context: Context) -> None:
    """Do what is still to be done for an execution that was cancelled."""
    _undo(tx, seat, context)
    idempotency.release(tx, context.id)
    execution_rows.close(tx, context.id)


def _undo(tx: Tx, seat: Seat, context: Context) -> None:
    """Undo what is under way for an execution that has ended: forget waits, have started jobs cancelled."""
    callback_rows.drop_all(tx, context.id)
    poll_rows.drop_all(tx, context.id)
    for effect in seat.under_way.values():
        if effect.kind is EffectKind.SLEEP:
            sleeping.drop(tx, context.id, effect)
        elif effect.kind is EffectKind.CONNECTOR:
            outbox.put(tx, STOP_TOPIC, stop_message(context, effect))


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
