"""Who this task is among its siblings, and which part of the work is its own.

The rules that make a re-execution converge:

1. The share of a task depends on ``CLOUD_RUN_TASK_INDEX`` and ``CLOUD_RUN_TASK_COUNT`` alone, never on chance,
   so a retry does the same items again and siblings never overlap.
2. Ids are ``index * stride + local_id``: unique over all tasks and the same after every retry.

Source of the variables: Cloud Run, "Container runtime contract", environment variables for jobs.
"""

import os
from collections.abc import Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")

STRIDE = 100_000
"""Room for the local ids of one task."""


class Task:
    """The identity of the running task; outside a job it is the only task of an unnamed one.

    A plain class: importing ``dataclasses`` would cost as much as all of this package.
    """

    __slots__ = ("attempt", "count", "execution", "index", "job")

    def __init__(
        self, *, job: str = "", execution: str = "", index: int = 0, count: int = 1, attempt: int = 0
    ) -> None:
        if not 0 <= index < count:
            raise ValueError(
                f"CLOUD_RUN_TASK_INDEX is {index}; it must be in 0..{count - 1}, below the task count."
            )
        self.job = job
        self.execution = execution
        self.index = index
        self.count = count
        self.attempt = attempt

    def __repr__(self) -> str:
        return f"Task({self.job}/{self.execution} {self.index} of {self.count}, attempt {self.attempt})"


def current_task(environ: Mapping[str, str] | None = None) -> Task:
    """Return the task that Cloud Run's environment variables describe.

    Args:
        environ: The environment to read; ``os.environ`` if None.

    Raises:
        ValueError: A variable is no number, or the index is outside 0 .. count - 1.

    """
    env = os.environ if environ is None else environ
    return Task(
        job=env.get("CLOUD_RUN_JOB", ""),
        execution=env.get("CLOUD_RUN_EXECUTION", ""),
        index=_number(env, "CLOUD_RUN_TASK_INDEX", 0),
        count=_number(env, "CLOUD_RUN_TASK_COUNT", 1),
        attempt=_number(env, "CLOUD_RUN_TASK_ATTEMPT", 0),
    )


def shard(items: Sequence[T], task: Task | None = None) -> Sequence[T]:
    """Return the items that are this task's: every ``count``-th, beginning with number ``index``.

    Over all tasks each item comes exactly once, provided that every task is given the same items in the same
    order; that is why a set is no good here.
    """
    own = task or current_task()
    return items[own.index :: own.count]


def shard_range(length: int, task: Task | None = None) -> range:
    """Return this task's neighbouring part of ``range(length)``; parts differ in size by one at most."""
    own = task or current_task()
    if length < 0:
        raise ValueError(f"length is {length}; it cannot be negative.")
    return range(length * own.index // own.count, length * (own.index + 1) // own.count)


def global_id(local_id: int, *, stride: int = STRIDE, index: int | None = None) -> int:
    """Return an id that no other task gives out: ``index * stride + local_id``.

    Args:
        local_id: The id within this task's share, 0 .. stride - 1.
        stride: Room for each task's ids; every task must use the same.
        index: The share's number; this task's index if None.

    Raises:
        ValueError: ``local_id`` is outside ``[0, stride)`` and would collide with another task's ids.

    """
    own = current_task().index if index is None else index
    if stride <= 0 or own < 0:
        raise ValueError(f"stride ({stride}) must be positive and index ({own}) not negative.")
    if not 0 <= local_id < stride:
        raise ValueError(
            f"local id {local_id} is outside 0..{stride - 1} and would collide with the ids of another task; "
            "use a larger stride."
        )
    return own * stride + local_id


def _number(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name)
    if text is None or text == "":
        return default
    # int() alone would also take "1_0", "+1" and full-width digits, which Cloud Run never writes.
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{name} is {text!r}; it must be a whole number that is not negative.")
    return int(text)
