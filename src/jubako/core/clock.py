"""The clock as a port: deadlines are instants, so they survive a restart."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """What time it is, and waiting until an instant."""

    def now(self) -> datetime:
        """Return the present instant, aware, in UTC."""
        ...

    async def sleep_until(self, deadline: datetime) -> None:
        """Return at ``deadline``, or at once if it has passed."""
        ...
