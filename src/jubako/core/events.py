"""What engines tell the operator: one past-tense name per event and structured fields."""

from typing import Literal, Protocol

Severity = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


class Events(Protocol):
    """Takes events such as ``task.finished``; never fails and never blocks."""

    def emit(self, name: str, severity: Severity = "INFO", **fields: object) -> None:
        """Record the event ``name`` (subject.past_participle) with its fields."""
        ...


class NoEvents:
    """Nobody listens."""

    def emit(self, name: str, severity: Severity = "INFO", **fields: object) -> None:
        """See Events."""
