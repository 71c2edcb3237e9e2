"""One HTTP/1.1 request to an instance and its reply, both streamed, over a connection of its own.

1. Neither body is ever held: a piece is read when the other side has taken the one before.
2. The reply is read while the request's body is still being sent, so an instance may answer early (413) or talk both
   ways. What it has not read of the body by the end of its reply is dropped.
3. A connection is used once. A kept one that the instance closes just then could not be told from a crash, and the
   request could not be sent again.
"""

import asyncio
from http import HTTPStatus

import httptools

from jubako.boxes.services.forwarding import Framing, Headers, Outgoing
from jubako.core.errors import Unavailable
from jubako.runtime.loopback import HOST

PIECE_BYTES = 64 * 1024
HEAD_BYTES_MAX = 256 * 1024
_PATIENCE_S = 0.05
_PATIENCE_S_MAX = 1.0
"""An overfull backlog drops what asks to connect, and the kernel asks again only after 1 s: we ask anew before."""


class Refused(Exception):
    """Nobody accepts connections there; nothing of the request was sent."""


class Broken(Unavailable):
    """The instance closed the connection or sent what is not HTTP before its reply was complete."""


class Exchange:
    """One connection to an instance."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._reply = _Reply()
        self._sending: asyncio.Task[None] | None = None
        self._is_head = False

    @classmethod
    async def open(cls, port: int) -> "Exchange":
        """Connect, however long it takes the instance to accept: its backlog may be full.

        Raises:
            Refused: Nobody listens.

        """
        patience = _PATIENCE_S
        while True:
            try:
                async with asyncio.timeout(patience):
                    return cls(*await asyncio.open_connection(HOST, port, limit=PIECE_BYTES))
            except TimeoutError:
                patience = min(patience * 2, _PATIENCE_S_MAX)
            except OSError as error:
                raise Refused(str(error)) from error

    def send(self, request: Outgoing) -> None:
        """Begin to send the request; what its body raises, ``status`` and ``read`` raise."""
        self._is_head = request.head.startswith(b"HEAD ")
        self._sending = asyncio.create_task(self._send(request), name="service.send")

    async def status(self) -> int:
        """Return the status of the reply, once its headers are complete.

        Raises:
            Broken: There is no reply.

        """
        while not self._reply.has_head:
            await self._feed()
            if self._reply.head_bytes > HEAD_BYTES_MAX:
                raise Broken("the headers of its reply are too long")
        if self._is_head:
            self._reply.is_complete = True
            self._reply.pieces.clear()
        return self._reply.status

    @property
    def headers(self) -> Headers:
        """The headers of the reply."""
        return self._reply.headers

    async def read(self) -> bytes:
        """Return the next piece of the reply's body; b"" at its end.

        Raises:
            Broken: The instance closed the connection before the end.

        """
        while not self._reply.pieces:
            if self._reply.is_complete:
                return b""
            await self._feed()
        piece = b"".join(self._reply.pieces)
        self._reply.pieces.clear()
        return piece

    def abort(self) -> None:
        """Drop the connection, whatever is under way. Safe to call twice."""
        self._writer.transport.abort()
        if self._sending is not None:
            self._sending.cancel()

    async def wait_closed(self) -> None:
        """Return when nothing of the request is under way any more; ``abort`` came first."""
        if self._sending is not None:
            await asyncio.gather(self._sending, return_exceptions=True)

    async def _feed(self) -> None:
        try:
            data = await self._reader.read(PIECE_BYTES)
        except ConnectionError as error:
            self._raise_sending()
            raise Broken("it broke the connection before its reply was complete") from error
        if not data:
            self._end()
            return
        self._reply.head_bytes += len(data)
        try:
            self._reply.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self._reply.is_complete:  # else it is what follows the reply, and does not matter
                raise Broken("its reply is not valid HTTP") from error

    def _end(self) -> None:
        """Take the end of the connection, which ends a body that has no length."""
        if self._reply.has_head and not self._reply.has_length:
            self._reply.is_complete = True
            return
        self._raise_sending()
        raise Broken("it closed the connection before its reply was complete")

    def _raise_sending(self) -> None:
        """Raise what the request's body raised, if it was that which ended the connection."""
        if self._sending is not None and self._sending.done() and not self._sending.cancelled():
            self._sending.result()

    async def _send(self, request: Outgoing) -> None:
        try:
            self._writer.write(request.head)
            # Read to its end even if it is empty: only then is a client that leaves noticed.
            async for piece in request.body:
                await self._send_piece(piece, request.framing)
            if request.framing is Framing.CHUNKED:
                self._writer.write(b"0\r\n\r\n")
            await self._writer.drain()
        except ConnectionError:
            return  # the instance reads no more; its reply, if there is one, says why
        except BaseException:
            # The body did not come to its end, and an instance must not take it for complete.
            self._writer.transport.abort()
            raise

    async def _send_piece(self, piece: bytes, framing: Framing) -> None:
        if piece and framing is Framing.CHUNKED:
            self._writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        elif piece:
            self._writer.write(piece)
        await self._writer.drain()


class _Reply:
    """What the parser has found so far; its methods are httptools' protocol."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.pieces: list[bytes] = []
        self.head_bytes = 0
        self.has_head = False
        self.has_length = False
        self.is_complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.has_head:
            self.headers.append((name.decode("latin-1").lower(), value.decode("latin-1").strip()))

    def on_headers_complete(self) -> None:
        if self.has_head:
            return
        self.status = self.parser.get_status_code()
        if self.status < HTTPStatus.OK:  # 100 Continue and the like come before the reply
            self.headers.clear()
            return
        self.has_length = any(name in {"content-length", "transfer-encoding"} for name, _ in self.headers)
        self.has_head = True

    def on_body(self, body: bytes) -> None:
        if not self.is_complete:
            self.pieces.append(body)

    def on_message_complete(self) -> None:
        self.is_complete = self.has_head
