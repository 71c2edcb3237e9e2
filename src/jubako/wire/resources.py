"""What a request is about: the resource on which its permission is asked for.

Over HTTP the path says it, over gRPC the field that the method's path takes. In paths of Cloud Run v1 a namespace is a
project, and the location comes from the host name.
"""

import re
from functools import cache
from typing import Any
from urllib.parse import unquote

from jubako.wire.method import Method
from jubako.wire.schema import Message
from jubako.wire.template import split_path

_VARIABLE = re.compile(r"\{(\w[\w.]*)")


def resource_of_path(path: str, location: str | None = None) -> str:
    """Return the resource in a path, percent-encoded as received; "" if there is none.

    Args:
        path: Path of the request.
        location: What the host name says; see documents.location_of.

    """
    return resource_of_segments(split_path(path)[0], location)


def resource_of_segments(segments: tuple[str, ...], location: str | None = None) -> str:
    """Return what ``resource_of_path`` does, of a path that was split already."""
    if any("%" in segment for segment in segments):
        segments = tuple(unquote(segment, errors="replace") for segment in segments)
    for at, segment in enumerate(segments):
        if segment == "projects":
            return "/".join(segments[at:])
        if segment == "namespaces":
            project, *rest = [*segments[at + 1 :], ""]
            return "/".join(["projects", project, "locations", location or "-", *rest]).rstrip("/")
    return ""


def resource_of_request(method: Method, request: Message) -> str:
    """Return the resource that a decoded request names; "" if its method has none in its path."""
    value: Any = request
    for name in _field(method.http[0].path if method.http else ""):
        value = getattr(value, name, None)
    return value if isinstance(value, str) else ""


@cache
def _field(path: str) -> tuple[str, ...]:
    match = _VARIABLE.search(path)
    return tuple(match[1].split(".")) if match else ("name",)
