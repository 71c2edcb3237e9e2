"""Who starts next: attempts queue per group, and a group runs at most ``parallelism`` of them at once.

Attempts that ask for memory start only while what the live ones ask for, and they, fit together. Groups whose next
attempt does not fit wait in order, and nobody who asks for memory overtakes them: so a large one gets its turn. One
that asks for more than there is starts when no other one that asks for memory lives.
"""

from collections import deque
from collections.abc import Iterator

from jubako.runtime.supervisor.attempt import Attempt, Phase


class _Group:
    __slots__ = ("live", "parallelism", "queue")

    def __init__(self) -> None:
        self.queue: deque[Attempt] = deque()
        self.live = 0
        self.parallelism = 1


class Groups:
    """Queues of attempts; every operation costs the same however many there are."""

    def __init__(self, memory_bytes: int) -> None:
        """Take how much all live attempts may ask for together."""
        self._memory_bytes = memory_bytes
        self._asked_bytes = 0
        """By those that are live."""
        self._short: deque[str] = deque()
        """Groups whose next attempt waits for memory; while there is one, something that asks for memory lives."""
        self._groups: dict[str, _Group] = {}
        self._ready: deque[str] = deque()
        """Names of groups that may start something; a name may be there in vain, never missing."""

    def add(self, attempt: Attempt) -> None:
        """Queue ``attempt``; the parallelism named last holds for its group."""
        group = self._groups.setdefault(attempt.group, _Group())
        group.parallelism = attempt.parallelism
        group.queue.append(attempt)
        self._ready.append(attempt.group)

    def take(self, count_max: int) -> Iterator[Attempt]:
        """Yield up to ``count_max`` attempts that may start now, and count them as live; groups take turns."""
        taken = 0
        while self._ready and taken < count_max:
            name = self._ready.popleft()
            attempt = self._next(name)
            if attempt is not None:
                taken += 1
                self._ready.append(name)
                yield attempt

    def release(self, attempt: Attempt) -> None:
        """Note that ``attempt``, once taken, is over."""
        group = self._groups[attempt.group]
        group.live -= 1
        if attempt.memory_bytes:
            self._asked_bytes -= attempt.memory_bytes
            self._ready.extend(list(self._short)[:1])
        if group.queue:
            self._ready.append(attempt.group)
        elif group.live == 0:
            del self._groups[attempt.group]

    def has(self, name: str) -> bool:
        """Whether something of the group ``name`` is queued or live."""
        return name in self._groups

    @property
    def has_ready(self) -> bool:
        """Whether ``take`` may yield something; True may be in vain."""
        return bool(self._ready)

    def _next(self, name: str) -> Attempt | None:
        group = self._groups.get(name)
        if group is None:
            self._not_short(name)
            return None
        while group.queue and group.queue[0].phase is Phase.ENDED:  # revoked while it waited
            group.queue.popleft()
        if not group.queue and group.live == 0:
            del self._groups[name]
        if not group.queue or group.live >= group.parallelism:
            self._not_short(name)
            return None
        if not self._has_memory(name, group.queue[0]):
            return None
        group.live += 1
        return group.queue.popleft()

    def _has_memory(self, name: str, attempt: Attempt) -> bool:
        """Give ``attempt`` the memory that it asks for; else its group waits for it."""
        asked = attempt.memory_bytes
        if not asked:
            return True
        is_next = not self._short or self._short[0] == name
        if is_next and (self._asked_bytes == 0 or self._asked_bytes + asked <= self._memory_bytes):
            self._asked_bytes += asked
            self._not_short(name)
            return True
        if name not in self._short:
            self._short.append(name)
        return False

    def _not_short(self, name: str) -> None:
        """Note that the group ``name`` does not wait for memory, and let the next one try."""
        if name in self._short:
            self._short.remove(name)
            self._ready.extend(list(self._short)[:1])
