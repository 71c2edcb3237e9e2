"""HTTP as the language sees it: arguments to a request, a reply to a map, failures to error maps.

Source: cloud.google.com/workflows/docs/http-requests ("Make an HTTP request", "Access HTTP response data").
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from jubako.core.errors import InvalidArgument
from jubako.wire.http import HttpResponse
from jubako.wire.outbound import (
    CallTimeout,
    ConnectionBroken,
    ConnectionFailed,
    EgressError,
    InvalidCall,
    RefusedAddress,
    ResponseTooLarge,
)

USER_AGENT = "GoogleCloudWorkflows; (+https://cloud.google.com/workflows/docs)"
_JSON = frozenset({"", "application/json"})
_TAGS: Mapping[type[Exception], tuple[str, ...]] = {
    ConnectionFailed: ("ConnectionFailedError", "ConnectionError"),
    ConnectionBroken: ("ConnectionError",),
    CallTimeout: ("TimeoutError",),
    ResponseTooLarge: ("ResourceLimitError", "ResultSizeLimitExceededError"),
    RefusedAddress: ("ConnectionFailedError", "ConnectionError"),
    InvalidCall: ("ValueError",),
    InvalidArgument: ("TypeError",),
}
"""Source: cloud.google.com/workflows/docs/reference/syntax/error-types. That a connection which never came about is a
ConnectionError too is ours: an ``except`` for either then catches it."""


def url_of(args: Mapping[str, Any]) -> str:
    """Return the URL with the ``query`` map appended."""
    query = args.get("query")
    if not query:
        return str(args["url"])
    joint = "&" if "?" in args["url"] else "?"
    pairs = [(key, _text(item)) for key, value in query.items() for item in _items(value)]
    return f"{args['url']}{joint}{urlencode(pairs)}"


def body_of(args: Mapping[str, Any]) -> tuple[str | None, bytes]:
    """Return ``(default content type, body)``.

    Raises:
        InvalidArgument: The body's type does not fit the Content-Type given.

    """
    body = args.get("body")
    if body is None:
        return None, b""
    if isinstance(body, bytes):
        return "application/octet-stream", body
    given = _content_type(args)
    if given in _JSON or given.endswith("+json"):
        return "application/json; charset=utf-8", _json(body, "body").encode()
    if given == "application/x-www-form-urlencoded" and isinstance(body, dict):
        return None, urlencode({key: _text(value) for key, value in body.items()}).encode()
    if not isinstance(body, str):
        raise InvalidArgument(f"body must be a string or bytes for the content type {given}.")
    return None, body.encode()


def headers_of(args: Mapping[str, Any], content_type: str | None) -> dict[str, str]:
    """Return the headers to send, names in lower case."""
    headers = {key.lower(): _text(value) for key, value in (args.get("headers") or {}).items()}
    if content_type is not None:
        headers.setdefault("content-type", content_type)
    own = headers.get("user-agent")
    headers["user-agent"] = f"{own} {USER_AGENT}" if own else USER_AGENT
    return headers


def result_of(response: HttpResponse) -> dict[str, Any]:
    """Return ``{body, code, headers}``: JSON types parsed, text as string, anything else as bytes."""
    return {
        "body": parsed_body(response.headers, response.body),
        "code": response.status,
        "headers": {canonical(name): value for name, value in response.headers.items()},
    }


def error_of(error: EgressError | InvalidArgument) -> dict[str, Any]:
    """Return the error map of a request that got no reply."""
    tag, *wider = _TAGS[type(error)]
    told = failure_map(tag, str(error))
    told["tags"].extend(wider)
    return told


def failure_map(tag: str, message: str, **fields: Any) -> dict[str, Any]:
    """Return an error map of the language."""
    return {"message": message, "tags": [tag], **fields}


def parsed_body(headers: Mapping[str, str], body: bytes) -> Any:
    """Return a body by its content type: JSON types parsed, text as string, anything else as bytes."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        try:
            return json.loads(body or b"null")
        except (ValueError, RecursionError):
            return body.decode("utf-8", "replace")
    if kind.startswith("text/") or not body:
        return body.decode("utf-8", "replace")
    return body


def _content_type(args: Mapping[str, Any]) -> str:
    for name, value in (args.get("headers") or {}).items():
        if name.lower() == "content-type":
            return str(value).partition(";")[0].strip().lower()
    return ""


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _json(value, "a header or query value")


def _json(value: Any, name: str) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except TypeError:
        raise InvalidArgument(f"{name} must not hold bytes inside a map or list.") from None


@lru_cache(maxsize=1024)
def canonical(name: str) -> str:
    """Return a header name as Google shows it: ``Content-Type``."""
    return "-".join(part.capitalize() for part in name.split("-"))
