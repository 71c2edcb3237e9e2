"""One HTTP/1.1 connection to a server outside: one request at a time, answers bounded while they come in.

1. Callbacks on the socket instead of streams: a workflow's step is mostly this, and its budget is under a millisecond.
2. The server may be hostile: all that it sends is bounded as it arrives; time is the caller's to bound.
3. After anything but exactly one whole answer the connection is not used again.

Why it is our own: docs/explanation/adr/0025-an-http-client-of-our-own.md.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httptools

HEAD_BYTES_MAX = 64 * 1024
"""Of all headers together, trailers included; and of one line that does not end, whatever it is the beginning of."""
INTERIM_MAX = 16
"""Interim answers (1xx) before the real one."""
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_BAD_IN_VALUE = re.compile(rb"[\x00\r\n]|\A[ \t]|[ \t]\Z")


class Broken(Exception):
    """The connection broke off, or what came is no HTTP."""


class TooLarge(Exception):
    """The body is larger than allowed."""


class Unsendable(Exception):
    """The request holds what HTTP cannot carry."""


@dataclass(slots=True)
class Reply:
    """What came back; header names as sent."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def request_head(method: str, target: str, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return the bytes in front of the body.

    Raises:
        Unsendable: Method, a name or a value has characters that HTTP does not allow. Source: RFC 9110, 5.5 and 9.1.

    """
    verb = method.encode("utf-8")
    if not _TOKEN.match(verb):
        raise Unsendable(f"{method[:40]!r} is no method")
    for name, value in headers:
        if not _TOKEN.match(name) or _BAD_IN_VALUE.search(value):
            raise Unsendable(f"header {name[:40]!r} cannot be sent")
    lines = [
        verb + b" " + target.encode("ascii") + b" HTTP/1.1",
        *(name + b": " + value for name, value in headers),
    ]
    return b"\r\n".join([*lines, b"", b""])


Told = Callable[[Reply | Exception], None]
"""Takes a whole answer, or what came instead of it: Broken, or TooLarge."""


class Connection(asyncio.Protocol):
    """See the module; made by ``loop.create_connection``."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._told: Told | None = None
        """Who waits for an answer."""
        self._found: Reply | Exception | None = None
        """What is to be told."""
        self._parser = httptools.HttpResponseParser(self)
        self._method = ""
        self._limit = 0
        self._head_size = 0
        self._unfinished = 0
        """Bytes since the last that meant anything: the parser keeps a line until it ends."""
        self._interim = 0
        self._headers: list[tuple[bytes, bytes]] = []
        self._body = bytearray()
        self._is_open = False
        self._may_stay = True
        self._head_is_whole = False
        self.has_answered = False
        """Whether a part of the answer to the last request came."""

    @property
    def is_usable(self) -> bool:
        """Whether another request may be sent."""
        return self._is_open and self._may_stay and self._told is None

    def begin(self, method: str, request: bytes, limit: int, told: Told) -> None:
        """Send a request; ``told`` is called once, later, unless ``close`` comes first.

        A connection that was not read to the end of the answer is closed.

        Raises:
            Broken: It is closed.

        """
        if self._transport is None or not self._is_open:
            raise Broken("the other side closed it")
        self._begin(method, limit)
        self._told = told
        self._transport.write(request)

    def close(self) -> None:
        """Close at once; who waits is told nothing."""
        self._told = None
        self._shut()

    def _shut(self) -> None:
        self._may_stay = False
        if self._transport is not None:
            self._transport.abort()

    def _begin(self, method: str, limit: int) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._method, self._limit = method, limit
        self._unfinished = self._interim = 0
        self.has_answered, self._found = False, None
        self._forget()

    def _forget(self) -> None:
        self._headers, self._body, self._head_size = [], bytearray(), 0
        self._head_is_whole = False

    # asyncio.Protocol.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._is_open = transport, True

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self._told is None:  # nobody asked: an answer in advance is no answer
            self.close()
            return
        self.has_answered = True
        understood = self._understood()
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(Broken(f"what came is no HTTP/1.1 answer ({error})"))
        self._unfinished = self._unfinished + len(data) if self._understood() == understood else 0
        if self._unfinished > HEAD_BYTES_MAX:
            self._fail(Broken(f"a line of it is longer than {HEAD_BYTES_MAX} bytes"))
        self._tell()

    def _tell(self) -> None:
        """Tell what was found, once all that came was read: what follows an answer counts against the connection."""
        if self._told is not None and self._found is not None:
            told, found = self._told, self._found
            self._told = self._found = None
            told(found)

    def _understood(self) -> tuple[int, int, int]:
        """Return what grows with everything that the parser made sense of."""
        return self._interim, len(self._headers), len(self._body)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol. A body without a length ends with its connection (RFC 9112, 6.3)."""
        self._is_open = False
        if exc is None and self._head_is_whole and not self._has_length():
            self._may_stay = False
            self._finish()
        else:
            self._fail(Broken(str(exc or "the other side closed it before the answer was whole")))
        self._tell()

    def _has_length(self) -> bool:
        names = {name.lower() for name, _ in self._headers}
        return bool(names & {b"content-length", b"transfer-encoding"})

    # What the parser found: httptools' protocol.

    def on_message_begin(self) -> None:
        """A head begins; after an interim answer (1xx) another one, after the real one nothing may."""
        if self._found is not None:
            self._shut()
        self._forget()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        self._head_size += len(name) + len(value)
        if self._head_size > HEAD_BYTES_MAX:
            self._fail(Broken(f"its head is larger than {HEAD_BYTES_MAX} bytes"))
            return
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is whole; an answer to HEAD has no body whatever it says."""
        self._head_is_whole = self._parser.get_status_code() >= 200
        if self._method == "HEAD" and self._head_is_whole:
            self._may_stay = False
            self._finish()

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        if len(self._body) + len(data) > self._limit:
            self._fail(TooLarge())
        else:
            self._body += data

    def on_message_complete(self) -> None:
        """The answer is whole, unless it is an interim one."""
        if self._parser.get_status_code() >= 200:
            self._may_stay = self._may_stay and self._parser.should_keep_alive()
            self._finish()
            return
        self._interim += 1
        if self._interim > INTERIM_MAX:
            self._fail(Broken(f"more than {INTERIM_MAX} interim answers came before it"))

    def _finish(self) -> None:
        if self._found is None:
            self._found = Reply(self._parser.get_status_code(), self._headers, bytes(self._body))
        if not self._may_stay:
            self._shut()

    def _fail(self, error: Exception) -> None:
        if self._found is None:
            self._found = error
        self._shut()
