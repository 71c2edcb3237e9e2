"""What working in parallel brought: the wall time of a run beside the sum of its parts, by its attempts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from jubako.cli.client import Client
from jubako.cli.errors import ApiError
from jubako.cli.times import instant

Interval = tuple[datetime, datetime]
Document = Mapping[str, Any]
INTERRUPTION = timedelta(seconds=5)
"""Longer than starting the next part takes."""
TASKS_ASKED_MAX = 500
"""Of more tasks the attempts are not asked for; their own times do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When what was worked on."""

    whole: Interval | None
    """From the start of the workflow's execution to its end."""
    parts: Sequence[Interval]
    """The last attempt of every task: the work itself."""
    attempts: Sequence[Interval]
    """All attempts, those included that were ended or lost on the way."""

    def one_after_another(self) -> timedelta:
        """Return how long the parts took together."""
        return sum((end - start for start, end in self.parts), timedelta())

    def at_work(self) -> timedelta:
        """Return how long at least one attempt lived."""
        total, reached = timedelta(), None
        for start, end in sorted(self.attempts):
            begin = start if reached is None else max(start, reached)
            total += max(end - begin, timedelta())
            reached = end if reached is None else max(reached, end)
        return total

    def was_interrupted(self) -> bool:
        """Say whether there was a time in which nothing was worked on."""
        return self.whole is None or self.whole[1] - self.whole[0] - self.at_work() > INTERRUPTION


def timing_of(client: Client, tasks: Sequence[Document], whole: Interval | None) -> Timing:
    """Ask for the attempts of every task (``/jubako/v1/TASK/attempts``) and return the run's timing."""
    by_task = [_attempts(client, task, is_asking=len(tasks) <= TASKS_ASKED_MAX) for task in tasks]
    return Timing(
        whole=whole,
        parts=[intervals[-1] for intervals in by_task if intervals],
        attempts=[interval for intervals in by_task for interval in intervals],
    )


def _attempts(client: Client, task: Document, *, is_asking: bool) -> list[Interval]:
    documents: list[Document] = []
    if is_asking:
        try:
            documents = client.get(f"/jubako/v1/{task['name']}/attempts").get("attempts", [])
        except ApiError:
            documents = []  # another server than ours: the task's own times must do
    intervals = [interval(document, "startTime", "completionTime") for document in documents or [task]]
    return [one for one in intervals if one is not None]


def interval(document: Document, start: str, end: str) -> Interval | None:
    """Return the time between two fields of a document, or None while it is not over."""
    began, ended = instant(dict(document), start), instant(dict(document), end)
    return (began, ended) if began and ended else None
