"""Crashes at named points: first one run records which there are, then a process is killed at each."""

import os
from collections import Counter

EXIT_CODE = 86
"""Of a process that ``DieAt`` ended, so that a test can tell it from any other end."""


class Recorder:
    """See Faults; counts the visits of each point."""

    def __init__(self) -> None:
        self.visits: Counter[str] = Counter()

    def point(self, name: str) -> None:
        """See Faults."""
        self.visits[name] += 1


class DieAt:
    """See Faults; ends the process at a point as a kill would: no clean-up, no flush."""

    def __init__(self, name: str, visit: int = 1) -> None:
        """Name the point and at which visit, counted from 1, the process dies."""
        self._name = name
        self._left = visit

    def point(self, name: str) -> None:
        """See Faults."""
        if name == self._name:
            self._left -= 1
            if self._left == 0:
                os._exit(EXIT_CODE)
