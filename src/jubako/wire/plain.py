"""An ASGI application made of a plain function of the request; the request's body is not read."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from jubako.wire.http import HttpRequest, HttpResponse

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Plain:
    """See the module."""

    def __init__(self, answer: Callable[[HttpRequest], HttpResponse]) -> None:
        """``answer`` never raises."""
        self._answer = answer

    async def __call__(self, scope: MutableMapping[str, Any], receive: object, send: Send) -> None:
        """Answer one request."""
        del receive
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        reply = self._answer(
            HttpRequest(
                method=scope["method"],
                path=scope["raw_path"].decode("ascii"),
                query=scope["query_string"].decode("latin-1"),
                headers=headers,
            )
        )
        sent = {**reply.headers, "content-length": str(len(reply.body))}
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in sent.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": encoded})
        await send({"type": "http.response.body", "body": reply.body})
