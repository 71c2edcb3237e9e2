"""Wake-ups inside one process: topics, and those who wait for them."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from jubako.core.clock import Clock


class Wakes:
    """Topics and their watches; used from the event loop's thread only."""

    def __init__(self) -> None:
        self._watches: dict[str, set[TopicWatch]] = {}
        self._gatherings: list[TopicGathering] = []

    @contextmanager
    def watch(self, topic: str) -> Iterator["TopicWatch"]:
        """Subscribe to ``topic`` for the length of the block."""
        watch = TopicWatch()
        watches = self._watches.setdefault(topic, set())
        watches.add(watch)
        try:
            yield watch
        finally:
            watches.discard(watch)
            if not watches:
                self._watches.pop(topic, None)

    @contextmanager
    def gather(self, prefix: str) -> Iterator["TopicGathering"]:
        """Collect the topics that begin with ``prefix`` for the length of the block."""
        gathering = TopicGathering(prefix)
        self._gatherings.append(gathering)
        try:
            yield gathering
        finally:
            self._gatherings.remove(gathering)

    def wake(self, topics: Mapping[str, object]) -> None:
        """Wake whoever watches one of ``topics``, with the news of each."""
        for topic, news in topics.items():
            for watch in self._watches.get(topic, ()):
                watch.set(news)
            for gathering in self._gatherings:
                gathering.offer(topic, news)


class TopicWatch:
    """See Watch."""

    def __init__(self) -> None:
        self._stirred = asyncio.Event()
        self._is_woken = False
        self.news: object = None

    def set(self, news: object) -> None:
        """Mark the topic as woken."""
        self._is_woken, self.news = True, news
        self._stirred.set()

    async def wait(self) -> None:
        """See Watch."""
        await self._stirred.wait()
        self._take()

    async def wait_until(self, clock: Clock, deadline: datetime | None) -> bool:
        """See Watch."""
        if deadline is None:
            await self.wait()
            return True
        slept = asyncio.ensure_future(clock.sleep_until(deadline))
        slept.add_done_callback(self._stir)
        try:
            await self._stirred.wait()
        finally:
            slept.remove_done_callback(self._stir)
            slept.cancel()
        return self._take()

    def _stir(self, _: object) -> None:
        self._stirred.set()

    def _take(self) -> bool:
        """Return whether the topic was woken since the last time."""
        was_woken, self._is_woken = self._is_woken, False
        self._stirred.clear()
        return was_woken


class TopicGathering:
    """See Gathering."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._rests: dict[str, object] = {}
        self._woken = asyncio.Event()

    def offer(self, topic: str, news: object) -> None:
        """Keep the rest of ``topic`` and its news if it begins with the prefix."""
        if topic.startswith(self._prefix):
            self._rests[topic.removeprefix(self._prefix)] = news
            self._woken.set()

    async def take(self) -> Mapping[str, object]:
        """See Gathering."""
        await self._woken.wait()
        self._woken.clear()
        rests, self._rests = self._rests, {}
        return rests
