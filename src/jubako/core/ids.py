"""Where chance enters: names for accepted requests only, everything below is computed."""

from typing import Protocol


class IdSource(Protocol):
    """Fresh identifiers; seeded in tests."""

    def uid(self) -> str:
        """Return a new universally unique id in the form of a version 4 UUID."""
        ...

    def suffix(self, length: int) -> str:
        """Return ``length`` lower-case letters and digits, for generated resource names."""
        ...
