"""Resident instances: processes that are to stay alive. Their state machine and its decisions; no I/O, no clock.

1. An instance is a place, named by owner and number, that is filled by one attempt after another. Its rows belong to
   the box; this module says how they move.
2. It moves by ``MOVES`` and nothing else. At most one attempt of an instance is under way, and a new one is claimed
   only from ``idle``, so only when the process tree of the one before is gone.
3. One that ends before it listens, or soon after, has failed: the next attempt waits, longer each time, up to
   ``PAUSE_MAX_US``. The first early death of one that had listened is forgiven, so that a single crash costs nobody
   a wait. What was asked to end, or was lost with its owner, has not failed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from jubako.core.errors import FailedPrecondition
from jubako.runtime.port import Ended, Reason

SECOND_US = 1_000_000
PAUSE_MAX_US = 30 * SECOND_US
SETTLED_AFTER_US = 10 * SECOND_US
"""An instance that has listened this long is no crash loop."""


class InstanceState(StrEnum):
    """Where an instance is; the values are stored."""

    IDLE = "idle"
    """No process, and none claimed."""
    QUEUED = "queued"
    """An attempt is claimed durably; its process may be about to start."""
    STARTING = "starting"
    """The process runs and does not listen yet."""
    READY = "ready"
    STOPPING = "stopping"
    """The attempt is to end; the runtime may still have to be told."""


class InstanceEvent(StrEnum):
    """What happens to an instance."""

    CLAIM = "claim"
    START = "start"
    LISTEN = "listen"
    STOP = "stop"
    END = "end"


MOVES: Mapping[InstanceState, Mapping[InstanceEvent, InstanceState]] = {
    InstanceState.IDLE: {InstanceEvent.CLAIM: InstanceState.QUEUED},
    InstanceState.QUEUED: {
        InstanceEvent.START: InstanceState.STARTING,
        InstanceEvent.STOP: InstanceState.STOPPING,
        InstanceEvent.END: InstanceState.IDLE,
    },
    InstanceState.STARTING: {
        InstanceEvent.LISTEN: InstanceState.READY,
        InstanceEvent.STOP: InstanceState.STOPPING,
        InstanceEvent.END: InstanceState.IDLE,
    },
    InstanceState.READY: {
        InstanceEvent.STOP: InstanceState.STOPPING,
        InstanceEvent.END: InstanceState.IDLE,
    },
    InstanceState.STOPPING: {InstanceEvent.END: InstanceState.IDLE},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One instance. Instants are microseconds since the epoch, as stored."""

    number: int = 0
    state: InstanceState = InstanceState.IDLE
    attempt: int = 0
    """Number of the attempt under way or last; 0 = there was none."""
    port: int = 0
    """Loopback port of that attempt; 0 = none."""
    pid: int | None = None
    failures: int = 0
    """Attempts that failed in a row."""
    claimed_us: int = 0
    ready_us: int | None = None
    """When the attempt under way began to listen."""
    not_before_us: int = 0
    """No attempt is claimed before this instant."""
    problem: str = ""
    """How the last attempt ended by itself, as the end of a sentence; "" = it did not."""

    @property
    def is_live(self) -> bool:
        """Whether an attempt is under way."""
        return self.state is not InstanceState.IDLE


def move(state: InstanceState, event: InstanceEvent) -> InstanceState:
    """Return the state after ``event``.

    Raises:
        FailedPrecondition: An instance in ``state`` has no such event.

    """
    after = MOVES[state].get(event)
    if after is None:
        raise FailedPrecondition(f"An instance that is {state} cannot {event}.")
    return after


def claim(instance: Instance, port: int, now_us: int) -> Instance:
    """Return ``instance`` with its next attempt claimed.

    Raises:
        FailedPrecondition: An attempt is under way.

    """
    return replace(
        instance,
        state=move(instance.state, InstanceEvent.CLAIM),
        attempt=instance.attempt + 1,
        port=port,
        pid=None,
        claimed_us=now_us,
        ready_us=None,
        problem="",
    )


def start(instance: Instance, attempt: int, pid: int) -> Instance:
    """Return ``instance`` after the process of ``attempt`` started; its state stays if that is not news."""
    if instance.attempt != attempt or not instance.is_live:
        return instance
    after = MOVES[instance.state].get(InstanceEvent.START, instance.state)
    return replace(instance, state=after, pid=pid)


def listen(instance: Instance, attempt: int, now_us: int) -> Instance:
    """Return ``instance`` after ``attempt`` accepted a connection; unchanged if that is not news."""
    if instance.attempt != attempt or instance.state is not InstanceState.STARTING:
        return instance
    return replace(instance, state=move(instance.state, InstanceEvent.LISTEN), ready_us=now_us)


def stop(instance: Instance) -> Instance:
    """Return ``instance`` with the attempt under way to be ended; unchanged if there is nothing to end."""
    if InstanceEvent.STOP not in MOVES[instance.state]:
        return instance
    return replace(instance, state=move(instance.state, InstanceEvent.STOP))


def give_up(instance: Instance, problem: str, now_us: int) -> Instance:
    """Return ``instance`` with an attempt that does not get ready to be ended, as a failure."""
    return _failed(stop(instance), problem, now_us)


def refuse(instance: Instance, problem: str, now_us: int) -> Instance:
    """Return ``instance`` after it was found that it cannot be started; unchanged if an attempt is under way."""
    return instance if instance.is_live else _failed(instance, problem, now_us)


def end(instance: Instance, attempt: int, ended: Ended, now_us: int) -> Instance:
    """Return ``instance`` after ``attempt`` is over; unchanged if that is not under way (late, told twice)."""
    if instance.attempt != attempt or not instance.is_live:
        return instance
    after = replace(instance, state=move(instance.state, InstanceEvent.END), pid=None)
    if instance.state is InstanceState.STOPPING or ended.reason in {Reason.LOST, Reason.CANCELLED}:
        return after
    if instance.ready_us is not None and now_us - instance.ready_us >= SETTLED_AFTER_US:
        return replace(after, failures=0, not_before_us=0, problem=how(ended))
    return _failed(after, how(ended), now_us)


def pause_us(failures: int, *, had_listened: bool) -> int:
    """Return how long the next attempt waits after ``failures`` failed ones in a row: 1, 2, 4 ... 30 s."""
    charged = failures - had_listened
    if charged <= 0:
        return 0
    return min(SECOND_US << min(charged - 1, 16), PAUSE_MAX_US)


def how(ended: Ended) -> str:
    """Return how an attempt ended, as the end of a sentence."""
    if ended.reason is Reason.NOT_STARTED:
        return f"could not be started: {ended.detail}"
    if ended.reason is Reason.OUT_OF_MEMORY:
        return "ran out of memory"
    if ended.term_signal is not None:
        return f"was ended by signal {ended.term_signal}"
    if ended.exit_code is not None:
        return f"exited with code {ended.exit_code}"
    return f"ended ({ended.reason})"


def _failed(instance: Instance, problem: str, now_us: int) -> Instance:
    failures = instance.failures + 1
    pause = pause_us(failures, had_listened=instance.ready_us is not None)
    return replace(instance, failures=failures, not_before_us=now_us + pause, problem=problem)
