"""Sleeps are durable timers: however long one is, it is a row and not a coroutine."""

from datetime import datetime, timedelta

from jubako.boxes.workflows import execution_rows
from jubako.boxes.workflows.language import Effect, EffectDone
from jubako.boxes.workflows.seat import encode_outcome
from jubako.core.timestamps import EPOCH
from jubako.store import timers
from jubako.store.port import Tx

TIMER = "workflows.sleep"
SHORT = timedelta(seconds=1)


def ensure(tx: Tx, execution: str, effect: Effect) -> None:
    """Have the sleep end in time; one that is set, or has ended already, stays as it is."""
    key = f"{execution} {effect.name}"
    if timers.is_set(tx, TIMER, key) or execution_rows.has_arrived(tx, execution, effect.name):
        return
    timers.schedule(tx, TIMER, key, _end(effect, tx.now))


def is_short(effect: Effect, now: datetime) -> bool:
    """Return whether a sleep that begins now is over so soon that its execution may stay in memory meanwhile."""
    return _end(effect, now) - now < SHORT


def drop(tx: Tx, execution: str, effect: Effect) -> None:
    """Forget the sleep: its execution has ended."""
    timers.cancel(tx, TIMER, f"{execution} {effect.name}")


def wake(tx: Tx, timer: timers.Timer) -> None:
    """Timer handler: the sleep is over."""
    execution, _, name = timer.key.partition(" ")
    execution_rows.arrive(tx, execution, name, encode_outcome(EffectDone(name)))


def _end(effect: Effect, now: datetime) -> datetime:
    if "until" in effect.args:
        return EPOCH + timedelta(seconds=effect.args["until"])
    return now + timedelta(seconds=effect.args["seconds"])
