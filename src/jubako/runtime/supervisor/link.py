"""The supervisor's side of the unix socket: JSON lines in, answers and frames of the journal out."""

import contextlib
import json
import os
import select
import selectors
import socket
import struct
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jubako.runtime.supervisor.journal import Journal
from jubako.runtime.supervisor.protocol import (
    FRAME_BYTES,
    LINE_BYTES_MAX,
    VERSION,
    WINDOW_BYTES,
    encode,
    parse_position,
)

Operate = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""``operate(name, message)`` does submit, cancel, reconcile or stop, and returns what to answer."""

_FRAME_PAUSE_S = 0.01
"""Between two frames: the first event is told at once, a stream of them in batches, which costs both sides far less."""


class Connection:
    """One client."""

    def __init__(
        self, sock: socket.socket, journal: Journal, operate: Operate, hello: Mapping[str, Any]
    ) -> None:
        self.sock = sock
        self._journal = journal
        self._operate = operate
        self._hello = hello
        self._inbox = bytearray()
        self._outbox = bytearray()
        self._cursor: str | None = None
        """Where the next frame begins; None = does not follow."""
        self._unacknowledged = 0
        self._framed_at = 0.0
        self._frames: list[tuple[str, int]] = []
        """Position behind each frame that is not acknowledged, and its size."""
        self.is_greeted = False
        self.is_closed = False

    @property
    def wants_to_write(self) -> bool:
        """Whether bytes wait for the socket."""
        return bool(self._outbox)

    def receive(self) -> None:
        """Read what came and answer it."""
        try:
            data = self.sock.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.is_closed = True
            return
        self._inbox += data
        end = self._inbox.rfind(b"\n", max(0, len(self._inbox) - len(data)))
        if end >= 0:
            lines = bytes(self._inbox[:end]).split(b"\n")
            del self._inbox[: end + 1]
            for line in lines:
                self._handle(line)
        self.is_closed = self.is_closed or len(self._inbox) > LINE_BYTES_MAX

    def pump(self, *, is_last: bool = False) -> None:
        """Send what waits, and as much of the journal as the window allows; ``is_last``: do not wait for more."""
        self._send()
        if self._cursor == self._journal.end or not (is_last or self.wait_s() == 0):
            return
        while self._cursor is not None and not self._outbox and self._unacknowledged < WINDOW_BYTES:
            generation, offset, data = self._journal.read(self._cursor, FRAME_BYTES)
            if not data:
                break
            self._outbox += encode({"journal": generation, "offset": offset, "bytes": len(data)}) + data
            self._cursor = f"{generation}:{offset + len(data)}"
            self._frames.append((self._cursor, len(data)))
            self._unacknowledged += len(data)
            self._framed_at = time.monotonic()
            self._send()

    def wait_s(self) -> float | None:
        """Return how long the next frame waits for more lines; None if there is nothing to send."""
        if self._cursor is None or self._outbox or self._cursor == self._journal.end:
            return None
        if self._unacknowledged >= WINDOW_BYTES:
            return None
        return max(0.0, self._framed_at + _FRAME_PAUSE_S - time.monotonic())

    def _send(self) -> None:
        while self._outbox:
            try:
                sent = self.sock.send(self._outbox)
            except BlockingIOError:
                return
            except OSError:
                self.is_closed = True
                self._outbox.clear()
                return
            del self._outbox[:sent]

    def _handle(self, line: bytes) -> None:
        try:
            message = json.loads(line)
            name = message["op"]
            self._dispatch(name, message)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            # Not a client of ours, or of another version: nothing it says can be relied on.
            self._outbox += encode({"error": f"{type(error).__name__}: {error}"})
            self._send()
            self.is_closed = True

    def _dispatch(self, name: str, message: Mapping[str, Any]) -> None:
        if name == "hello":
            self._greet(message)
        elif not self.is_greeted:
            raise ValueError("say hello first")
        elif name == "ack":
            self._acknowledge(message["position"])
        elif name == "follow":
            self._follow(message)
        else:
            self._answer(message, self._operate(name, message))

    def _follow(self, message: Mapping[str, Any]) -> None:
        self._journal.flush()
        self._cursor, self._unacknowledged = self._journal.locate(message["position"]), 0
        self._frames.clear()
        self._answer(message, {"begin": self._cursor, "end": self._journal.end})

    def _answer(self, message: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
        self._outbox += encode({"re": message["n"], **fields})

    def _greet(self, message: Mapping[str, Any]) -> None:
        self.is_greeted = message["version"] == VERSION
        self._outbox += encode({"hello": self._hello})
        if not self.is_greeted:
            raise ValueError(f"version {message['version']} is not {VERSION}")

    def _acknowledge(self, position: str) -> None:
        reached = parse_position(position)
        while self._frames and parse_position(self._frames[0][0]) <= reached:
            self._unacknowledged -= self._frames.pop(0)[1]
        self._journal.acknowledge(position)


class Listener:
    """Accepts clients of the same user and keeps the selector up to date."""

    def __init__(
        self, path: Path, selector: selectors.BaseSelector, make: Callable[[socket.socket], Connection]
    ) -> None:
        self.path = path
        self._selector = selector
        self._make = make
        self.connections: list[Connection] = []
        self._door = select.poll()
        path.unlink(missing_ok=True)  # left by a predecessor: we hold the lock of the state directory
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._sock.bind(os.fspath(path))
        except OSError:
            self._sock.close()
            raise
        path.chmod(0o600)
        self._sock.listen(16)
        self._sock.setblocking(False)
        selector.register(self._sock, selectors.EVENT_READ, self._accept)
        self._door.register(self._sock, select.POLLIN)

    def is_knocking(self) -> bool:
        """Return whether a client has said something that was not read yet, or a new one has come."""
        return bool(self._door.poll(0))

    def wait_s(self) -> float | None:
        """Return when ``pump`` is due even if nothing happens; None = never."""
        waits = [wait for connection in self.connections if (wait := connection.wait_s()) is not None]
        return min(waits, default=None)

    def pump(self, *, is_last: bool = False) -> None:
        """Send to all clients what there is, and drop those that are gone."""
        for connection in list(self.connections):
            if not connection.is_closed:
                connection.pump(is_last=is_last)
            if connection.is_closed:
                self._drop(connection)
            else:
                write = selectors.EVENT_WRITE if connection.wants_to_write else 0
                self._selector.modify(connection.sock, selectors.EVENT_READ | write, connection.receive)

    def close(self) -> None:
        """Close all, and remove the socket."""
        self.path.unlink(missing_ok=True)
        self._selector.unregister(self._sock)
        self._sock.close()
        for connection in list(self.connections):
            self._drop(connection)

    def _accept(self) -> None:
        try:
            sock, _ = self._sock.accept()
        except OSError:  # it left again, or no descriptor is free
            return
        if _peer_uid(sock) != os.geteuid():
            sock.close()
            return
        sock.setblocking(False)
        connection = self._make(sock)
        self.connections.append(connection)
        self._selector.register(sock, selectors.EVENT_READ, connection.receive)
        self._door.register(sock, select.POLLIN)

    def _drop(self, connection: Connection) -> None:
        self.connections.remove(connection)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(connection.sock)
            self._door.unregister(connection.sock)
        connection.sock.close()


def _peer_uid(sock: socket.socket) -> int:
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:  # the directory's mode keeps others out
        return os.geteuid()
    _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i")))
    return int(uid)
