"""One request to the outside on its way: it waits for its place, takes a connection, and tells what came.

Nothing of it is a task, unless a connection has to be made: callbacks from the place to the answer. So a request on an
open connection is written where it is asked for, and answered where the answer is read.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from jubako.wire.connection import Broken, Connection, Reply, Told
from jubako.wire.pool import Pool, Server

_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
"""Source: RFC 9110, 9.2.2."""
Make = Callable[[], Coroutine[Any, Any, Connection]]
"""Makes a connection; raises an Exception that says why there is none."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent."""

    method: str
    content: bytes
    """Head and body."""
    limit: int
    """Bytes that the answer's body may have."""


class Exchange:
    """See the module."""

    def __init__(self, pool: Pool, server: Server, request: Request, make: Make, told: Told) -> None:
        """Say what to send where, and who takes the answer, or the Exception that came instead."""
        self._pool = pool
        self._server = server
        self._request = request
        self._make = make
        self._told = told
        self._connection: Connection | None = None
        self._making: asyncio.Task[Connection] | None = None
        self._has_place = False
        self._is_over = False

    def start(self) -> None:
        """Begin as soon as there is a place; ``told`` is called later, never from here."""
        self._pool.take_place(self._begin)

    def cancel(self) -> None:
        """Give up, if it is not over: nobody is told."""
        self._is_over = True
        if self._making is not None:
            self._making.cancel()
        elif self._connection is not None:
            self._connection.close()
        self._leave()

    def _begin(self) -> bool:
        if self._is_over:
            return False
        self._has_place = True
        self._connection = self._pool.kept(self._server)
        if self._connection is None:
            self._connect()
        else:
            self._send(self._connection, self._answered_by_kept)
        return True

    def _send(self, connection: Connection, told: Told) -> None:
        connection.begin(self._request.method, self._request.content, self._request.limit, told)

    def _connect(self) -> None:
        self._making = asyncio.get_running_loop().create_task(self._make())
        self._making.add_done_callback(self._made)

    def _made(self, making: "asyncio.Task[Connection]") -> None:
        self._making = None
        error = Broken("it was given up") if making.cancelled() else making.exception()
        if isinstance(error, Exception):
            self._end(error)
            return
        self._connection = making.result()
        if self._is_over:
            self._connection.close()
            return
        try:
            self._send(self._connection, self._answered)
        except Broken as broken:
            self._end(broken)

    def _answered_by_kept(self, found: Reply | Exception) -> None:
        """Go on, or once more on a new connection if the other side has closed this one.

        It may do so just when the connection is used again; what may be repeated is sent once more then. Source: RFC
        9112, 9.3.1.
        """
        assert self._connection is not None
        is_unused = isinstance(found, Broken) and not self._connection.has_answered
        if is_unused and self._request.method in _IDEMPOTENT:
            self._connection = None
            self._connect()
        else:
            self._answered(found)

    def _answered(self, found: Reply | Exception) -> None:
        assert self._connection is not None
        self._pool.keep(self._server, self._connection)
        self._end(found)

    def _end(self, found: Reply | Exception) -> None:
        self._connection = None
        self._leave()
        if not self._is_over:
            self._is_over = True
            self._told(found)

    def _leave(self) -> None:
        if self._has_place:
            self._has_place = False
            self._pool.leave_place()
