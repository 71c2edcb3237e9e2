"""Named places where a crash must be survivable; tests make the process die there."""

from typing import Protocol


class Faults(Protocol):
    """Told about every named point that the program passes."""

    def point(self, name: str) -> None:
        """Pass the point ``name``, such as ``jobs.claim.after_commit``; may not return."""
        ...


class NoFaults:
    """Production: nothing happens."""

    def point(self, name: str) -> None:
        """See Faults."""
