"""Connections that are kept open, and how many requests may be under way at once."""

import asyncio
from collections import deque
from collections.abc import Callable

from jubako.wire.connection import Connection

CONNECTIONS_MAX = 100
"""Requests under way at once, and servers whose connections are kept."""
IDLE_S = 5.0

Server = tuple[str, str, int]
"""Scheme, host, port."""


class Pool:
    """What all requests share."""

    def __init__(self) -> None:
        self._free = CONNECTIONS_MAX
        self._waiting: deque[Callable[[], bool]] = deque()
        self._idle: dict[Server, list[tuple[float, Connection]]] = {}

    def take_place(self, begin: Callable[[], bool]) -> None:
        """Call ``begin`` once one more request may be under way, now if so; it returns whether it still wants to."""
        self._waiting.append(begin)
        if self._free:
            self._free -= 1
            self.leave_place()

    def leave_place(self) -> None:
        """Let the next one begin."""
        while self._waiting:
            if self._waiting.popleft()():
                return
        self._free += 1

    def kept(self, server: Server) -> Connection | None:
        """Return a connection that is open to this server, the one used last; those idle for long are closed."""
        kept = self._idle.get(server, [])
        oldest = asyncio.get_running_loop().time() - IDLE_S
        while kept:
            since, connection = kept.pop()
            if since > oldest and connection.is_usable:
                return connection
            connection.close()
        return None

    def keep(self, server: Server, connection: Connection) -> None:
        """Take a connection back, if it can be used again."""
        if not connection.is_usable:
            return
        now = asyncio.get_running_loop().time()
        kept = self._idle.setdefault(server, [])
        kept.append((now, connection))
        while kept and kept[0][0] <= now - IDLE_S:
            kept.pop(0)[1].close()
        if len(self._idle) > CONNECTIONS_MAX:  # many servers: forget the one that was met first
            for _, old in self._idle.pop(next(iter(self._idle))):
                old.close()

    def close(self) -> None:
        """Close all connections. Safe to call twice."""
        for kept in self._idle.values():
            for _, connection in kept:
                connection.close()
        self._idle.clear()
