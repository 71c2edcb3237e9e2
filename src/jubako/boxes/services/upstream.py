"""One HTTP/1.1 request to an instance and its reply, both streamed, over a connection of its own.

1. Neither body is ever held: a piece is read when the other side has taken the one before.
2. The reply is read while the request's body is still being sent, so an instance may answer early (413) or talk both
   ways. What it has not read of the body by the end of its reply is dropped.
3. A connection is used once. A kept one that the instance closes just then could not be told from a crash, and the
   request could not be sent again.
"""

import asyncio
import socket
from contextlib import suppress
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
    """One connection to an instance.

    On a bare socket: asyncio's streams drop what was received and not read yet as soon as a write fails, and with it
    the reply of an instance that refuses a body and closes.
    """

    def __init__(self, sock: socket.socket) -> None:
        """Take over a connected socket; ``open`` makes one."""
        self._sock = sock
        self._reply = _Reply()
        self._sending: asyncio.Task[None] | None = None
        self._is_head = False
        self._is_reading = False
        self._is_aborted = False

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
                    return cls(await _connected(port))
            except TimeoutError:
                patience = min(patience * 2, _PATIENCE_S_MAX)
            except OSError as error:
                raise Refused(str(error)) from error

    def send(self, request: Outgoing) -> None:
        """Begin to send the request; what its body raises, ``status`` and ``read`` raise."""
        self._is_head = request.head.startswith(b"HEAD ")
        self._reply.may_upgrade = request.is_upgrade
        self._sending = asyncio.create_task(self._send(request), name="service.send")
        self._sending.add_done_callback(lambda _: self._close_if_unused())

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
        if self._is_aborted:
            return
        self._is_aborted = True
        if self._sending is not None:
            self._sending.cancel()
        self._shut()
        self._close_if_unused()

    async def wait_closed(self) -> None:
        """Return when nothing of the request is under way any more; ``abort`` came first."""
        if self._sending is not None:
            await asyncio.gather(self._sending, return_exceptions=True)

    def _shut(self) -> None:
        """End both directions, so that whoever waits for the socket wakes; it stays open until nobody uses it."""
        with suppress(OSError):  # the instance did so already
            self._sock.shutdown(socket.SHUT_RDWR)

    def _close_if_unused(self) -> None:
        is_sending = self._sending is not None and not self._sending.done()
        if self._is_aborted and not self._is_reading and not is_sending:
            self._sock.close()

    async def _feed(self) -> None:
        try:
            data = await self._receive()
        except OSError as error:
            self._raise_sending()
            raise Broken("it broke the connection before its reply was complete") from error
        if not data:
            self._end()
            return
        try:
            self._reply.feed(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self._reply.is_complete:  # else it is what follows the reply, and does not matter
                raise Broken("its reply is not valid HTTP") from error

    async def _receive(self) -> bytes:
        if self._is_aborted:
            return b""
        self._is_reading = True
        try:
            return await asyncio.get_running_loop().sock_recv(self._sock, PIECE_BYTES)
        finally:
            self._is_reading = False
            self._close_if_unused()

    def _end(self) -> None:
        """Take the end of the connection, which ends a body that has no length."""
        if self._reply.has_head and not self._reply.has_length and not self._is_aborted:
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
            await self._write(request.head)
            # Read to its end even if it is empty: only then is a client that leaves noticed.
            async for piece in request.body:
                if piece and request.framing is Framing.CHUNKED:
                    await self._write(b"%x\r\n%b\r\n" % (len(piece), piece))
                elif piece:
                    await self._write(piece)
            if request.framing is Framing.CHUNKED:
                await self._write(b"0\r\n\r\n")
        except OSError:
            return  # the instance reads no more; its reply, if there is one, says why
        except BaseException:
            # The body did not come to its end, and an instance must not take it for complete.
            self._shut()
            raise

    async def _write(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self._sock, data)


async def _connected(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, (HOST, port))
    except BaseException:
        sock.close()
        raise
    return sock


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
        self.may_upgrade = False
        self.is_upgraded = False

    def feed(self, data: bytes) -> None:
        """Take what came; after the head of a 101 all of it is body."""
        if self.is_upgraded:
            self.pieces.append(data)
        else:
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        self.head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as error:
            if not self.is_upgraded:
                raise
            if rest := data[error.args[0] :]:
                self.pieces.append(rest)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.has_head:
            self.headers.append((name.decode("latin-1").lower(), value.decode("latin-1").strip()))

    def on_headers_complete(self) -> None:
        if self.has_head:
            return
        self.status = self.parser.get_status_code()
        self.is_upgraded = self.may_upgrade and self.status == HTTPStatus.SWITCHING_PROTOCOLS
        if (
            self.status < HTTPStatus.OK and not self.is_upgraded
        ):  # 100 Continue and the like come before the reply
            self.headers.clear()
            return
        lengths = {"content-length", "transfer-encoding"}
        self.has_length = not self.is_upgraded and any(name in lengths for name, _ in self.headers)
        self.has_head = True

    def on_body(self, body: bytes) -> None:
        if not self.is_complete:
            self.pieces.append(body)

    def on_message_complete(self) -> None:
        self.is_complete = self.has_head and not self.is_upgraded
