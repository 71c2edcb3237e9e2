"""Answers that were given: encoded, with the rows that they were made of.

Asked the same again, we read the same rows again and send the same bytes if nothing in them changed: that takes a
fraction of making and encoding the resource. It is right whoever changed a row, and needs no word from him.
Why: docs/explanation/adr/0029-an-answer-is-kept-with-its-rows.md.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from jubako.store.readings import Query, is_unchanged
from jubako.wire.method import Method, Read

ANSWERS_MAX = 1_024
BYTES_MAX = 4 * 1024 * 1024
"""Of all answers and their rows together, about."""
ANSWER_BYTES_MAX = 64 * 1024
"""Of one; larger ones are not kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer, and what is needed to give it again to somebody else."""

    method: Method
    resource: str
    """On which the caller needs the method's permission."""
    body: bytes
    read: Read[Any, Any]
    queries: Sequence[Query]
    outside: object

    def is_right(self) -> bool:
        """Return whether a new answer would be the same."""
        store = self.read.store
        return (
            store.is_at_hand
            and self.read.outside() == self.outside
            and store.glance(partial(is_unchanged, queries=self.queries))
        )

    def size(self) -> int:
        """Return how many bytes it holds, about."""
        found = (value for query in self.queries for row in query.found for value in row)
        return len(self.body) + sum(len(value) if isinstance(value, str | bytes) else 8 for value in found)


class Answers:
    """A bounded number of them, by what was asked; the oldest go first."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[Answer, int]] = {}
        self._size = 0

    def find(self, asked: Hashable) -> Answer | None:
        """Return the answer that was given last, right or not."""
        kept = self._kept.get(asked)
        return None if kept is None else kept[0]

    def keep(self, asked: Hashable, answer: Answer) -> None:
        """Keep an answer instead of an earlier one."""
        self.drop(asked)
        size = answer.size()
        if size > ANSWER_BYTES_MAX:
            return
        self._kept[asked] = answer, size
        self._size += size
        while self._size > BYTES_MAX or len(self._kept) > ANSWERS_MAX:
            self.drop(next(iter(self._kept)))

    def drop(self, asked: Hashable) -> None:
        """Forget an answer."""
        kept = self._kept.pop(asked, None)
        if kept is not None:
            self._size -= kept[1]
