"""A connector call as data: what of it is done, what comes next, and when.

So a call that waits - for a long-running operation, for child executions, for its next try - is a row and no coroutine,
and whoever has the row can take the next step, today or after a restart.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from jubako.boxes.workflows.language import Effect
from jubako.boxes.workflows.language.values import from_data, to_data
from jubako.boxes.workflows.parameters import Parameters
from jubako.core.names import WORKFLOW_EXECUTION
from jubako.core.timestamps import from_micros, to_micros
from jubako.wire.method import Caller


class Stage(StrEnum):
    """What comes next."""

    CALL = "call"
    """The request itself, for the first time or again."""
    OPERATION = "operation"
    """Look at the long-running operation ``subjects[0]``."""
    DOCUMENT = "document"
    """Look at the Kubernetes-shaped execution whose URL is ``subjects[0]``."""
    CHILDREN = "children"
    """Look at the child executions ``subjects``, from number ``ended`` on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One connector call under way."""

    stage: Stage
    function: str
    args: dict[str, Any]
    """As the effect has them; needed for the call, empty afterwards."""
    principal: str
    """As whom."""
    key: str
    """Idempotency key of the effect."""
    parent: str
    """Full name of the execution that calls."""
    skip_polling: bool
    deadline: datetime
    due: datetime
    """When to take the next step."""
    delay: float
    """Seconds between two looks, now; ``multiplier`` makes it grow up to ``max_delay``."""
    multiplier: float
    max_delay: float
    misses: int = 0
    """How often this step failed in a way that passes."""
    subjects: tuple[str, ...] = ()
    ended: int = 0
    topic: str = ""
    """Topic of the store that is woken when a look will find more."""

    @classmethod
    def of(cls, effect: Effect, caller: Caller, parent: str, parameters: Parameters, now: datetime) -> Self:
        """Return the errand that a CONNECTOR effect asks for."""
        assert caller.idempotency_key is not None
        return cls(
            stage=Stage.CALL,
            function=effect.function,
            args=effect.args,
            principal=caller.principal,
            key=caller.idempotency_key,
            parent=parent,
            skip_polling=parameters.skip_polling,
            deadline=now + parameters.timeout,
            due=now,
            delay=parameters.initial_delay,
            multiplier=parameters.multiplier,
            max_delay=parameters.max_delay,
        )

    @property
    def plain_caller(self) -> Caller:
        """As whom it looks: without the key, which is the call's."""
        return Caller(principal=self.principal)

    def caller(self, part: str = "") -> Caller:
        """As whom it calls; ``part`` tells the calls of one errand apart."""
        owner = WORKFLOW_EXECUTION.parse(self.parent)["execution"]
        return Caller(principal=self.principal, idempotency_key=self.key + part, idempotency_owner=owner)

    def encoded(self) -> str:
        """Return it as text; ``due`` and ``topic`` are kept beside."""
        told = asdict(self)
        del told["due"], told["topic"]
        told |= {"deadline": to_micros(self.deadline), "args": to_data(self.args)}
        return json.dumps(told, ensure_ascii=True, separators=(",", ":"))


def decoded(text: str, due: datetime, topic: str) -> Errand:
    """Return what ``encoded`` wrote."""
    told = json.loads(text)
    told |= {
        "stage": Stage(told["stage"]),
        "args": from_data(told["args"]),
        "deadline": from_micros(told["deadline"]),
        "subjects": tuple(told["subjects"]),
    }
    return Errand(**told, due=due, topic=topic)
