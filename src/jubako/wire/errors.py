"""Errors on the wire: canonical codes to HTTP status and numbers, and Google's JSON shape.

Source: the comments of google/rpc/code.proto.
"""

import traceback
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

import msgspec

from jubako.core.errors import Internal, JubakoError
from jubako.core.events import Events
from jubako.wire.http import HttpResponse, serialised

R = TypeVar("R")
JSON_TYPE = "application/json; charset=UTF-8"

HTTP_STATUS: Mapping[str, int] = {
    "OK": 200,
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "UNAUTHENTICATED": 401,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
}
CODE_NUMBER: Mapping[str, int] = {
    "OK": 0,
    "CANCELLED": 1,
    "UNKNOWN": 2,
    "INVALID_ARGUMENT": 3,
    "DEADLINE_EXCEEDED": 4,
    "NOT_FOUND": 5,
    "ALREADY_EXISTS": 6,
    "PERMISSION_DENIED": 7,
    "RESOURCE_EXHAUSTED": 8,
    "FAILED_PRECONDITION": 9,
    "ABORTED": 10,
    "OUT_OF_RANGE": 11,
    "UNIMPLEMENTED": 12,
    "INTERNAL": 13,
    "UNAVAILABLE": 14,
    "DATA_LOSS": 15,
    "UNAUTHENTICATED": 16,
}
"""``Status.code`` of a finished operation and of gRPC."""


def error_response(error: JubakoError, status: int | None = None) -> HttpResponse:
    """Return Google's error reply; ``status`` where HTTP has a better one than the code's own (405, 413, 431)."""
    number = status or HTTP_STATUS[error.code]
    shape: dict[str, Any] = {"code": number, "message": error.message, "status": error.code}
    if error.details:
        shape["details"] = error.details
    headers = {"content-type": JSON_TYPE}
    if error.code == "UNAUTHENTICATED":
        headers["www-authenticate"] = 'Bearer realm="https://accounts.google.com/"'
    return HttpResponse(status=number, headers=headers, body=msgspec.json.encode({"error": shape}))


def last_words(error: JubakoError, status: int | None = None) -> bytes:
    """Return an error reply as it goes over a connection that has no request to answer, and is closed after it."""
    return serialised(error_response(error, status), {"connection": "close"})


async def supervised(events: Events, where: str, reply: Awaitable[R]) -> R | HttpResponse:
    """Return ``reply``, or the error reply if it raises; ``where`` names the method for the operator.

    This is the request handler's supervision point: a bug in one request must not end the server. The operator gets
    the traceback, the caller gets no text of it.
    """
    try:
        return await reply
    except JubakoError as error:
        return error_response(error)
    except Exception as error:  # noqa: BLE001 - see above
        text = "".join(traceback.format_exception(error))
        events.emit("request.failed", "ERROR", method=where, error=repr(error), traceback=text)
        return error_response(Internal("Internal error; the server's log says more."))
