"""What the reception service says about itself: receptions as JSON, links, errors in Google's shape."""

import json
import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from jubako_apps.telop import receptions
from jubako_apps.telop.desk import FINAL, Status
from jubako_apps.telop.receptions import Reception
from jubako_apps.telop.wishes import Refused
from jubako_sdk import Sink

JSON_BYTES_MAX = 64 * 1024
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+\Z")


def view(place: Sink, reception: Reception, status: Status, prefix: str) -> dict[str, Any]:
    """Return a reception as clients see it; ``prefix`` begins its links."""
    counts = receptions.branches(place, reception)
    own = f"{prefix}receptions/{reception.id}"
    links = {"self": own, "events": f"{own}/events"}
    missing: list[str] = []
    if status.state == "SUCCEEDED":
        missing = [one.reason for one in receptions.missing(place, reception)]
        links |= {"report_json": f"{own}/report.json", "report_html": f"{own}/report.html"}
    if status.state in FINAL - {"SUCCEEDED"} or missing:
        links["rerun"] = f"{own}/rerun"
    return {
        "id": reception.id,
        "state": status.state,
        "cancelling": status.cancelling,
        "reason": status.reason,
        "missing": missing,
        "progress": receptions.progress(counts, reception),
        "branches": counts,
        "seconds": receptions.seconds(place, reception.id),
        "name": reception.name,
        "language": reception.language,
        "mode": reception.mode,
        "speech": reception.speech.partition(":")[0],
        "duration": reception.duration,
        "segments": reception.segments,
        "links": links,
    }


def prefix(request: Request, up: str = "") -> str:
    """Return what links begin with; ``up`` leads from the request's place to the root of the service."""
    given = request.headers.get("x-forwarded-prefix", "").rstrip("/")
    return f"{given}/" if _PREFIX.match(given) else up


def length(request: Request) -> int:
    """Return how many bytes the body says it has, 0 if it does not."""
    text = request.headers.get("content-length", "0")
    return int(text) if text.isascii() and text.isdigit() else 0


async def json_body(request: Request) -> dict[str, Any]:
    """Read a small JSON object.

    Raises:
        Refused: It is too large, or none.

    """
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > JSON_BYTES_MAX:
            raise Refused(413, f"The JSON is larger than {JSON_BYTES_MAX} bytes.")
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        raise Refused(400, "The body is not JSON.") from None
    if not isinstance(body, dict):
        raise Refused(400, "The body must be a JSON object.")
    return body


def error(code: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an error as Google's APIs write it."""
    return JSONResponse({"error": {"code": code, "message": message}}, status_code=code, headers=headers)
