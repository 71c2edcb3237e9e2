"""Cloud Logging v2, as ``logs read`` uses it: ``entries:list`` over what the boxes have written.

Entries come from sources, one per box; they are merged, sorted and cut into pages here. A page token is the place of
the last entry, so that entries which come meanwhile neither repeat nor hide others. In ascending order the newest
SCANNED_MAX entries are seen.

Source: google/logging/v2/logging.proto.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Protocol

import msgspec

from jubako.core.errors import InvalidArgument
from jubako.telemetry import log_filter
from jubako.telemetry.log_filter import Comparison, Filter
from jubako.wire.codec import invalid
from jubako.wire.method import Api, Caller, Document, DocumentRequest, DocumentRoute

HOSTS = ("logging.googleapis.com",)
PAGE_DEFAULT = 50
PAGE_MAX = 1_000
"""Source: logging.proto, ``page_size``."""
SCANNED_MAX = 20_000
"""Entries held while a page in ascending order is made."""


class EntrySource(Protocol):
    """A box's logs."""

    async def newest(self, project: str, wanted: Filter, limit: int) -> list[Document]:
        """Return at most ``limit`` entries that meet the filter, the newest ones, in any order."""
        ...


class LoggingApi:
    """Answers for logging.googleapis.com."""

    def __init__(self, sources: Sequence[EntrySource]) -> None:
        self._sources = sources

    def api(self) -> Api:
        """Return the API."""
        route = DocumentRoute(
            verb="POST",
            template="/v2/entries:list",
            permission="logging.logEntries.list",
            handler=self.list_entries,
        )
        return Api(name="logging", version="v2", hosts=HOSTS, methods=(), handlers={}, documents=[route])

    async def list_entries(self, request: DocumentRequest, caller: Caller) -> Document:
        """Return a page of entries."""
        del caller
        body = request.body
        projects, size, is_newest_first = _projects(body), _size(body), _is_newest_first(body)
        wanted = log_filter.parse(_text(body, "filter"))
        last = _last(_text(body, "pageToken"))
        if last is not None:
            bound = Comparison(("timestamp",), "<=" if is_newest_first else ">=", last[0])
            wanted = Filter([*wanted.comparisons, bound])
        # One more than the page says whether there is another; entries of the last one's own time may come again.
        limit = size + 1 + SCANNED_MAX if last is not None or not is_newest_first else size + 1
        found = [
            entry
            for project in projects
            for source in self._sources
            for entry in await source.newest(project, wanted, min(limit, SCANNED_MAX))
        ]
        found.sort(key=_place, reverse=is_newest_first)
        if last is not None:
            behind = [entry for entry in found if (_place(entry) < last) is is_newest_first]
            found = [entry for entry in behind if _place(entry) != last]
        reply: Document = {"entries": found[:size]}
        if len(found) > size:
            reply["nextPageToken"] = _token(found[size - 1])
        return reply


def _place(entry: Document) -> tuple[str, str]:
    return _sortable(entry["timestamp"]), entry["insertId"]


def _sortable(time: str) -> str:
    """Return a timestamp that sorts as text: with all six digits of the fraction."""
    whole, _, fraction = time.removesuffix("Z").partition(".")
    return f"{whole}.{fraction:0<6}Z"


def _projects(body: Document) -> list[str]:
    names = body.get("resourceNames") or []
    if not isinstance(names, list) or not names:
        raise invalid("resourceNames", "names no project.")
    projects = []
    for name in names:
        parts = str(name).split("/")
        if parts[0] != "projects" or len(parts) < 2:
            raise invalid("resourceNames", f"{str(name)[:100]!r} is not of the form projects/PROJECT.")
        projects.append(parts[1])
    return list(dict.fromkeys(projects))


def _size(body: Document) -> int:
    size = body.get("pageSize") or PAGE_DEFAULT
    if not isinstance(size, int) or size < 0:
        raise invalid("pageSize", "is not a number of entries.")
    return min(size, PAGE_MAX)


def _is_newest_first(body: Document) -> bool:
    order = _text(body, "orderBy") or "timestamp asc"
    if order not in {"timestamp", "timestamp asc", "timestamp desc"}:
        raise invalid("orderBy", "is neither 'timestamp asc' nor 'timestamp desc'.")
    return order.endswith("desc")


def _text(body: Document, field: str) -> str:
    value = body.get(field) or ""
    if not isinstance(value, str):
        raise invalid(field, "is not a string.")
    return value


def _token(entry: Document) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(_place(entry))).decode()


def _last(token: str) -> tuple[str, str] | None:
    if not token:
        return None
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(token.encode("ascii")), type=tuple[str, str])
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise InvalidArgument("pageToken: is not a token that this server gave out.") from None
