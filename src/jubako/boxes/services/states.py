"""What a request does that comes to a service, and how revisions are named. No I/O, no clock.

How instances move is ``runtime.instances``.
"""

from enum import StrEnum

from jubako.core.limits import SERVICE_STARTUP_MAX
from jubako.core.timestamps import format_duration
from jubako.runtime.instances import Instance, InstanceState

STARTUP_MAX_US = int(SERVICE_STARTUP_MAX.total_seconds()) * 1_000_000
SUFFIX_LENGTH = 3


class Step(StrEnum):
    """What a request does next."""

    GO = "go"
    """Use the instance."""
    CLAIM = "claim"
    """Have the next attempt started."""
    WAIT = "wait"
    """Until the instance changes."""
    REFUSE = "refuse"
    """The start that it waited for failed, or failed starts forbid another one yet."""


def on_request(instance: Instance, awaited: int | None, now_us: int) -> Step:
    """Return what a request does.

    Args:
        instance: As it is now.
        awaited: The attempt that this request has seen being started; None if it has not waited yet.
        now_us: The present instant.

    """
    if is_ready(instance):
        return Step.GO
    has_failed = bool(instance.problem) and instance.attempt == awaited
    if instance.state in {InstanceState.IDLE, InstanceState.STOPPING} and has_failed:
        return Step.REFUSE
    if instance.is_live:
        return Step.WAIT
    return Step.CLAIM if now_us >= instance.not_before_us else Step.REFUSE


def is_ready(instance: Instance) -> bool:
    """Return whether requests can be sent to the instance."""
    return instance.state is InstanceState.READY


def deadline_us(instance: Instance) -> int:
    """Return until when the attempt under way must listen."""
    return instance.claimed_us + STARTUP_MAX_US


def startup_problem(instance: Instance) -> str:
    """Return why an instance that did not get ready in time was given up, as the end of a sentence."""
    limit = format_duration(SERVICE_STARTUP_MAX)
    return f"did not listen on PORT={instance.port} within {limit}"


def retry_after_s(instance: Instance, now_us: int) -> int:
    """Return after how many whole seconds another request is worth while: 1 or more."""
    return max(1, -(-(instance.not_before_us - now_us) // 1_000_000))


def revision_name(service: str, serial: int, suffix: str) -> str:
    """Return a generated revision name, such as ``telop-00001-x7q``."""
    return f"{service}-{serial:05d}-{suffix}"
