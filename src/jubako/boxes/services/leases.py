"""Which instances serve requests right now. In memory: the requests end with the server that carries them."""

import asyncio
from collections import Counter


class Leases:
    """Counts the requests of every attempt; used from the event loop's thread only."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._released = asyncio.Event()

    def take(self, attempt_id: str) -> None:
        """Count one more request."""
        self._counts[attempt_id] += 1

    def release(self, attempt_id: str) -> None:
        """Count one request less."""
        self._counts[attempt_id] -= 1
        if self._counts[attempt_id] <= 0:
            del self._counts[attempt_id]
            self._released.set()

    def count(self, attempt_id: str) -> int:
        """Return how many requests the attempt serves."""
        return self._counts[attempt_id]

    async def wait_released(self) -> None:
        """Return when an attempt was left by its last request since the last wait."""
        await self._released.wait()
        self._released.clear()
