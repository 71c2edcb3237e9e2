"""The states of a workflow execution and what moves it.

Source: google/cloud/workflows/executions/v1/executions.proto, Execution.State.
"""

from collections.abc import Mapping
from enum import StrEnum

from jubako.core.errors import FailedPrecondition


class State(StrEnum):
    """Where an execution stands."""

    QUEUED = "QUEUED"
    """Waits until fewer are active."""
    ACTIVE = "ACTIVE"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class Event(StrEnum):
    """What can happen to an execution."""

    BEGIN = "begin"
    RETURN = "return"
    RAISE = "raise"
    CANCEL = "be cancelled"


TRANSITIONS: Mapping[State, Mapping[Event, State]] = {
    State.QUEUED: {
        Event.BEGIN: State.ACTIVE,
        Event.CANCEL: State.CANCELLED,
    },
    State.ACTIVE: {
        Event.RETURN: State.SUCCEEDED,
        Event.RAISE: State.FAILED,
        Event.CANCEL: State.CANCELLED,
    },
    State.SUCCEEDED: {},
    State.FAILED: {},
    State.CANCELLED: {},
}
FINAL = frozenset(state for state, moves in TRANSITIONS.items() if not moves)


def after(state: State, event: Event, name: str) -> State:
    """Return the state that follows; ``name`` is the execution's, for the message.

    Raises:
        FailedPrecondition: ``event`` cannot happen in ``state``.

    """
    follows = TRANSITIONS[state].get(event)
    if follows is None:
        raise FailedPrecondition(f"Execution {name} is {state}; it cannot {event} any more.")
    return follows
