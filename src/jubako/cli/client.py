"""A small client of the REST API: one connection, Google's errors, long-running operations, patience.

1. What may be repeated (GET, or a call with an idempotency key) is repeated when the connection breaks or the server
   says 502, 503 or 504. Everything else is sent once: a second ``:run`` would start a second execution.
2. A refused connection means that nothing was received, so any call may wait for it. ``patience_s`` says how long: 0
   for a command that a person waits for, more while following something that survives a restart of the server.
"""

import json
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from jubako.cli.errors import ApiError, CliError, ServerUnreachable

if TYPE_CHECKING:
    from http.client import HTTPResponse

HICCUP_S = 1.5
"""How long a repeatable call is tried again in any case."""

RETRIED_STATUSES = frozenset({502, 503, 504})
REPLY_BYTES_MAX = 256 * 1024 * 1024
Query = Mapping[str, str | int | None]
Document = Any
"""JSON of any shape."""


class _Request(NamedTuple):
    verb: str
    target: str
    headers: dict[str, str]
    data: bytes | None
    is_repeatable: bool


class Client:
    """Talks to one server. Not for several threads at once."""

    def __init__(
        self,
        server: str,
        *,
        timeout_s: float = 60.0,
        patience_s: float = 0.0,
        hiccup_s: float = HICCUP_S,
        sleep: Callable[[float], None] = time.sleep,
        token: str | None = None,
    ) -> None:
        parts = urllib.parse.urlsplit(server)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise CliError(
                f"{server!r} is not the address of a server.", "It looks like http://127.0.0.1:8123.", 2
            )
        self.server = server.rstrip("/")
        self.patience_s = patience_s
        self.page_size: int | None = None
        self._listed = ""
        """Path of the newest list."""
        self._token = token
        self._hiccup_s = hiccup_s
        self.sleep = sleep
        import http.client  # noqa: PLC0415 - it loads ssl, and the help and completion connect to nothing

        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._broken = (OSError, http.client.HTTPException)
        self._connection = kind(parts.hostname, parts.port, timeout=timeout_s)

    def get(self, path: str, query: Query | None = None) -> dict[str, Any]:
        """Return the JSON at ``path`` (unquoted, with its leading slash). Raises as ``call``."""
        return self.call("GET", path, query=query)

    def find(self, path: str) -> dict[str, Any] | None:
        """Return the JSON at ``path``, or None where nothing is."""
        try:
            return self.get(path)
        except ApiError as error:
            if error.code != 404:
                raise
            return None

    def list(self, path: str, key: str, query: Query | None = None) -> Iterator[dict[str, Any]]:
        """Yield the items under ``key`` of every page at ``path``."""
        token, self._listed = "", path
        while True:
            page = self.get(path, {"pageSize": self.page_size, **(query or {}), "pageToken": token or None})
            yield from page.get(key, [])
            token = page.get("nextPageToken", "")
            if not token:
                return

    def address_of(self, name: str) -> str:
        """Return where a resource of the newest list is, by its full name."""
        return f"{self.server}{self._listed.partition('projects/')[0]}{name}"

    def call(
        self,
        verb: str,
        path: str,
        *,
        query: Query | None = None,
        body: Document = None,
        idempotency_key: str | None = None,
        is_repeatable: bool = False,
    ) -> dict[str, Any]:
        """Send one request and return the JSON object of the reply.

        Args:
            verb: HTTP method.
            path: Unquoted, with its leading slash.
            query: Parameters; None leaves one out.
            body: What is sent as JSON, if anything.
            idempotency_key: Sent along; makes the call repeatable.
            is_repeatable: Whether sending it twice is as good as once, though it is no GET.

        Raises:
            ApiError: The server refused it.
            ServerUnreachable: No reply within the client's patience.

        """
        headers = {"accept": "application/json", **self._credentials()}
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        if data is not None:
            headers["content-type"] = "application/json"
        if idempotency_key is not None:
            headers["idempotency-key"] = idempotency_key
        may_repeat = is_repeatable or verb == "GET" or idempotency_key is not None
        return self._decode(*self._send(_Request(verb, _target(path, query), headers, data, may_repeat)))

    def open(
        self,
        verb: str,
        path: str,
        *,
        query: Query | None = None,
        headers: Mapping[str, str],
        body: Document = None,
    ) -> "HTTPResponse":
        """Send one request, once, and return the open reply; ``body`` may be bytes or a binary file."""
        self.close()
        try:
            self._connection.request(verb, _target(path, query), body, {**self._credentials(), **headers})
            return self._connection.getresponse()
        except self._broken as error:
            raise self._unreachable(error) from error

    def wait(self, operation: dict[str, Any], version: str) -> dict[str, Any]:
        """Poll a long-running operation of API ``version`` (``v1``, ``v2``) and return its response.

        Raises:
            ApiError: It ended in an error.

        """
        delay = 0.05
        while not operation.get("done"):
            self.sleep(delay)
            delay = min(delay * 1.5, 1.0)
            operation = self.get(f"/{version}/{operation['name']}")
        error = operation.get("error")
        if error:
            raise ApiError(500, "", str(error.get("message", "the operation failed")))
        response: dict[str, Any] = operation.get("response", {})
        return response

    def _credentials(self) -> dict[str, str]:
        return {} if self._token is None else {"authorization": f"Bearer {self._token}"}

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        self._connection.close()

    def _send(self, request: "_Request") -> tuple[int, str, bytes]:
        if not request.is_repeatable:
            self.close()  # a kept connection may be dead already, which would only show after sending
        waited, delay = 0.0, 0.1
        while True:
            try:
                status, kind, reply = self._exchange(request)
            except self._broken as error:
                self.close()
                if waited >= self._allowance_s(request, error):
                    raise self._unreachable(error) from error
            else:
                if status not in RETRIED_STATUSES or waited >= self._allowance_s(request, None):
                    return status, kind, reply
            self.sleep(delay)
            waited, delay = waited + delay, min(delay * 2, 1.0)

    def _allowance_s(self, request: "_Request", error: Exception | None) -> float:
        """Return for how many seconds in all this request may be tried again."""
        if isinstance(error, ConnectionRefusedError):
            return self.patience_s
        return max(self.patience_s, self._hiccup_s) if request.is_repeatable else 0.0

    def _exchange(self, request: "_Request") -> tuple[int, str, bytes]:
        self._connection.request(request.verb, request.target, request.data, request.headers)
        response = self._connection.getresponse()
        reply = response.read(REPLY_BYTES_MAX)
        return response.status, response.headers.get_content_type(), reply

    def _decode(self, status: int, kind: str, reply: bytes) -> dict[str, Any]:
        try:
            value = json.loads(reply) if reply else {}
        except ValueError:
            value = None
        if status >= 400:
            raise ApiError.from_body(status, value) or self._strange(f"HTTP {status}, {kind}")
        if not isinstance(value, dict):
            raise self._strange(f"{kind} in place of JSON")
        return value

    def _unreachable(self, error: Exception) -> ServerUnreachable:
        if isinstance(error, ConnectionRefusedError):
            hint = "Start one with `jubako up`, or name another with --server URL."
            return ServerUnreachable(f"No server at {self.server}.", hint)
        reason = str(error) or type(error).__name__
        return ServerUnreachable(
            f"The server at {self.server} did not answer: {reason}.", "Is it still running?"
        )

    def _strange(self, what: str) -> CliError:
        return CliError(
            f"{self.server} does not answer as Jubako does ({what}).",
            "Another program may be listening on that port.",
        )


def _target(path: str, query: Query | None) -> str:
    given = {name: value for name, value in (query or {}).items() if value is not None}
    encoded = urllib.parse.quote(path, safe="/:@-._~")
    return f"{encoded}?{urllib.parse.urlencode(given)}" if given else encoded
