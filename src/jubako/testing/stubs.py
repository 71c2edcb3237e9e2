"""What stands for the outside when a workflow runs in a test."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TAGS = (
    "AuthError",
    "ConnectionError",
    "ConnectionFailedError",
    "HttpError",
    "OperationError",
    "ResourceLimitError",
    "ResponseTypeError",
    "SystemError",
    "TimeoutError",
    "TypeError",
    "ValueError",
)
"""What a call to the outside can raise. Source: Workflows, "Error types"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a stub does."""

    returns: Any = None
    code: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    raises: str | None = None
    """Tag of an error instead: ``ConnectionError``, ``TimeoutError``, ``OperationError``, ..."""
    after: float = 0.0
    """Virtual seconds until it answers."""

    def __post_init__(self) -> None:
        """Refuse a tag that no call raises: a stub of it would test nothing."""
        if self.raises is not None and self.raises not in TAGS:
            raise ValueError(f"raises: {self.raises!r} is no tag of a call; there are {', '.join(TAGS)}")


@dataclass(slots=True)
class Stub:
    """Answers for the calls that match."""

    function: str
    """Pattern of a connector's name, or the method of an HTTP call."""
    url: str
    answers: list[Answer]

    def next(self) -> Answer:
        """Return the next answer."""
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
