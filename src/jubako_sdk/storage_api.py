"""Calls of Cloud Storage's JSON API, repeated until they are answered.

1. Every call made here may come twice and leave what it leaves once; so no answer, 408, 429 and 5xx are tried again,
   after pauses that grow. Source: Cloud Storage, "Retry strategy", idempotent operations and retryable responses.
2. Where ``STORAGE_EMULATOR_HOST`` is set, calls go there without credentials, as Google's libraries do it. Otherwise
   they carry a token of the metadata server.
"""

import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from http.client import HTTPException
from shutil import copyfileobj
from typing import IO, Any, Final, NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

from jubako_sdk.sink import SinkError

EMULATOR: Final = "STORAGE_EMULATOR_HOST"
GOOGLE: Final = "https://storage.googleapis.com"
PAUSES_S: Final = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Between tries, in seconds, each shortened by chance by up to a half."""
TIMEOUT_S: Final = 60.0
"""For each step of a call: to connect, to send a piece, to hear the next piece."""

_TOKEN_PATH = "computeMetadata/v1/instance/service-accounts/default/token"  # noqa: S105 - a path
_REFRESH_S = 60.0
_PIECE_BYTES = 1 << 16
_PASSING = frozenset({408, 429, *range(500, 600)})


class Upload:
    """The body of an upload, which can be sent again: what is known of the object, and its bytes.

    Source: Cloud Storage, "Upload an object with the JSON API", multipart/related.
    """

    def __init__(self, file: IO[bytes], resource: Mapping[str, object]) -> None:
        """Take a seekable file, all of which is sent, and fields of the object's resource."""
        boundary = secrets.token_hex(16)
        said = json.dumps(resource)
        self._file = file
        self._head = (
            f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{said}\r\n"
            f"--{boundary}\r\nContent-Type: application/octet-stream\r\n\r\n"
        ).encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        length = len(self._head) + file.seek(0, os.SEEK_END) + len(self._tail)
        self.headers = {
            "Content-Type": f"multipart/related; boundary={boundary}",
            "Content-Length": str(length),
        }

    def __iter__(self) -> Iterator[bytes]:
        """Yield the body from its beginning."""
        yield self._head
        self._file.seek(0)
        while piece := self._file.read(_PIECE_BYTES):
            yield piece
        yield self._tail


class Answer(NamedTuple):
    """The last answer to a call."""

    status: int
    body: bytes
    is_repeated: bool
    """Whether an earlier try may have had its effect although nobody heard of it."""

    def json(self) -> dict[str, Any]:
        """Return the body's JSON object; raise ``SinkError`` if it is none."""
        try:
            value: dict[str, Any] = json.loads(self.body)
        except ValueError:
            raise SinkError(f"an answer is not JSON: {self.body[:80]!r}") from None
        return value


class StorageApi:
    """The API at one address."""

    def __init__(
        self,
        base: str,
        *,
        has_token: bool = False,
        pauses_s: Sequence[float] = PAUSES_S,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._base = _address(base)
        self._has_token = has_token
        self._pauses_s = pauses_s
        self._timeout_s = timeout_s
        self._direct = build_opener(ProxyHandler({}))
        self._opener = build_opener() if self._base.startswith("https:") else self._direct
        self._token = ""
        self._token_until = 0.0

    def call(
        self,
        method: str,
        path: str,
        query: dict[str, str],
        *,
        body: Upload | None = None,
        into: IO[bytes] | None = None,
        expected: frozenset[int] = frozenset(),
    ) -> Answer:
        """Return the answer: a success, or one of the ``expected`` statuses.

        Args:
            method: Of HTTP.
            path: Below the address, quoted.
            query: What follows the question mark.
            body: What is sent.
            into: A seekable file that gets the body of a success, from its beginning.
            expected: Errors that the caller understands.

        Raises:
            SinkError: It was refused, or not answered in any of the tries.

        """
        url = f"{self._base}/{path}?{urlencode(query)}"
        headers = body.headers if body else {}
        request = Request(url, body, headers, method=method)  # noqa: S310 - _address checked the scheme
        if self._has_token:
            request.add_unredirected_header("Authorization", f"Bearer {self._current_token()}")
        answer = self._repeat(request, self._opener, into)
        if answer.status >= 300 and answer.status not in expected:
            raise SinkError(f"{method} {url}: {_reason(answer.status, answer.body)}")
        return answer

    def _current_token(self) -> str:
        if time.monotonic() >= self._token_until:
            host = os.environ.get("GCE_METADATA_HOST", "metadata.google.internal")
            request = Request(f"http://{host}/{_TOKEN_PATH}", headers={"Metadata-Flavor": "Google"})
            answer = self._repeat(request, self._direct, None)
            try:
                said = answer.json()
                self._token = said["access_token"]
                self._token_until = time.monotonic() + said["expires_in"] - _REFRESH_S
            except (SinkError, KeyError, TypeError):
                raise SinkError(
                    f"the metadata server at {host} gives no token: {_reason(answer.status, answer.body)}"
                ) from None
        return self._token

    def _repeat(self, request: Request, opener: OpenerDirector, into: IO[bytes] | None) -> Answer:
        reason, cause = "", None
        for number, pause in enumerate((0.0, *self._pauses_s)):
            time.sleep(pause * (0.5 + secrets.randbelow(501) / 1000))
            try:
                status, body = _exchange(opener, request, into, self._timeout_s)
            except (OSError, HTTPException) as error:
                reason, cause = f"no answer ({_text(error)})", error
                continue
            if status not in _PASSING:
                return Answer(status, body, is_repeated=number > 0)
            reason, cause = _reason(status, body), None
        tries = len(self._pauses_s) + 1
        raise SinkError(
            f"{request.get_method()} {request.full_url}: {reason}, tried {tries} times"
        ) from cause


def from_environment() -> StorageApi:
    """Return the API that ``STORAGE_EMULATOR_HOST`` names, or Google's."""
    emulator = os.environ.get(EMULATOR, "")
    return StorageApi(emulator) if emulator else StorageApi(GOOGLE, has_token=True)


def _exchange(
    opener: OpenerDirector, request: Request, into: IO[bytes] | None, timeout_s: float
) -> tuple[int, bytes]:
    try:
        with opener.open(request, timeout=timeout_s) as answer:
            if into is None:
                return answer.status, answer.read()
            into.seek(0)
            into.truncate()
            copyfileobj(answer, into)
            if answer.length:  # read(n) of http.client does not tell of an early end
                raise HTTPException(f"{answer.length} bytes are missing")
            return answer.status, b""
    except HTTPError as error:
        with error:
            return error.code, error.read()


def _address(base: str) -> str:
    """Return the address, which may have been given as ``HOST:PORT`` alone."""
    url = (base if "://" in base else f"http://{base}").rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise SinkError(f"{EMULATOR} is {base!r}; it must be http://HOST:PORT.")
    return url


def _reason(status: int, body: bytes) -> str:
    try:
        message = json.loads(body)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return f"HTTP {status}"
    return f"HTTP {status}, {message}"


def _text(error: Exception) -> str:
    return str(getattr(error, "reason", "") or error) or type(error).__name__
