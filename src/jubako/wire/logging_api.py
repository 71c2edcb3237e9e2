"""Cloud Logging v2 over the entries that programs wrote and those of the boxes.

Entries come from sources; they are merged, sorted and cut into pages here. A page token is the place of the last entry,
so that entries which come meanwhile neither repeat nor hide others. For streams see wire/log_tail.py.

Source: google/logging/v2/logging.proto.
"""

import base64
import binascii
from collections.abc import AsyncGenerator, Mapping, Sequence
from functools import partial

import msgspec

from jubako.core.clock import Clock
from jubako.core.errors import FailedPrecondition, InvalidArgument, NotFound
from jubako.core.ids import IdSource
from jubako.store.port import Store
from jubako.telemetry import log_filter, log_rows
from jubako.telemetry.log_entries import EntrySource, Place, place
from jubako.telemetry.log_rows import LogRow
from jubako.wire import codec
from jubako.wire.codec import invalid
from jubako.wire.google_types import Empty, LabelDescriptor, MonitoredResourceDescriptor
from jubako.wire.log_tail import Tails
from jubako.wire.log_writes import log_of, row_of
from jubako.wire.logging_methods import LOGGING
from jubako.wire.logging_types import (
    DeleteLogRequest,
    ListLogEntriesRequest,
    ListLogEntriesResponse,
    ListLogsRequest,
    ListLogsResponse,
    ListMonitoredResourceDescriptorsRequest,
    ListMonitoredResourceDescriptorsResponse,
    LogEntry,
    TailLogEntriesRequest,
    TailLogEntriesResponse,
    WriteLogEntriesRequest,
    WriteLogEntriesResponse,
)
from jubako.wire.method import Api, Caller, Handler, Resources
from jubako.wire.paging import cut, page_of

HOSTS = ("logging.googleapis.com",)
PAGE_DEFAULT = 50
PAGE_MAX = 1_000
"""Source: logging.proto, ``page_size``."""
SAME_TIME_MAX = 1_000
"""Entries of one instant that a page boundary can fall between."""
_SERVICE = "google.logging.v2.LoggingServiceV2"
RESOURCES: Mapping[str, Sequence[str]] = {
    "cloud_run_job": ("project_id", "job_name", "location"),
    "cloud_run_revision": ("project_id", "service_name", "revision_name", "location", "configuration_name"),
    "workflows.googleapis.com/Workflow": ("project_id", "location", "workflow_id"),
    "global": ("project_id",),
}
"""Labels of the monitored resources that the boxes here are, and of who is none. Source: Cloud Logging, "Monitored
resources and services"."""


RESOURCES_OF: Mapping[str, Resources] = {
    f"{_SERVICE}.WriteLogEntries": lambda request: (
        [_owner(entry.log_name or request.log_name) for entry in request.entries]
    ),
    f"{_SERVICE}.ListLogEntries": lambda request: request.resource_names,
    f"{_SERVICE}.TailLogEntries": lambda request: request.resource_names,
    f"{_SERVICE}.ListMonitoredResourceDescriptors": lambda _: ["projects/-"],
}
"""On what the permission for a request is asked that has no resource in its path."""


class LoggingApi:
    """Answers for logging.googleapis.com."""

    def __init__(
        self, store: Store, clock: Clock, ids: IdSource, sources: Sequence[EntrySource], tails: Tails
    ) -> None:
        """Take the ports; ``sources`` are all of them, that of the store among them, and ``tails`` follow them."""
        self._store = store
        self._clock = clock
        self._ids = ids
        self._sources = sources
        self._tails = tails

    def api(self) -> Api:
        """Return the API."""
        handlers: Mapping[str, Handler] = {
            f"{_SERVICE}.WriteLogEntries": self.write,
            f"{_SERVICE}.ListLogEntries": self.list_entries,
            f"{_SERVICE}.TailLogEntries": self.tail,
            f"{_SERVICE}.ListLogs": self.list_logs,
            f"{_SERVICE}.DeleteLog": self.delete,
            f"{_SERVICE}.ListMonitoredResourceDescriptors": self.list_resources,
        }
        return Api(
            name="logging",
            version="v2",
            hosts=HOSTS,
            methods=LOGGING,
            handlers=handlers,
            resources=RESOURCES_OF,
        )

    async def write(self, request: WriteLogEntriesRequest, caller: Caller) -> WriteLogEntriesResponse:
        """Store entries: all, or with ``partialSuccess`` those that can be.

        Raises:
            InvalidArgument: An entry cannot be stored; the first such one is named.

        """
        del caller
        now, batch = self._clock.now(), self._ids.uid()
        rows: list[LogRow] = []
        refusals: list[InvalidArgument] = []
        for at in range(len(request.entries)):
            try:
                rows.append(row_of(request, at, now, batch))
            except InvalidArgument as refusal:
                refusals.append(refusal)
        if refusals and not request.partial_success:
            raise refusals[0]
        if rows and not request.dry_run:
            with self._tails.expecting(rows):
                await self._store.write(partial(log_rows.insert, rows=rows))
        if refusals:
            raise refusals[0]
        return WriteLogEntriesResponse()

    async def list_entries(self, request: ListLogEntriesRequest, caller: Caller) -> ListLogEntriesResponse:
        """Return a page of entries."""
        del caller
        if request.page_size < 0:
            raise invalid("pageSize", "must not be negative.")
        projects = _projects(request.resource_names)
        size, newest_first = (
            min(request.page_size or PAGE_DEFAULT, PAGE_MAX),
            _is_newest_first(request.order_by),
        )
        wanted = log_filter.parse(request.filter)
        last = _last(request.page_token)
        if last is not None:
            wanted = wanted.also("timestamp", "<=" if newest_first else ">=", last[0])
        # One more than the page says whether there is another; entries of the last one's own time come again.
        limit = size + 1 + (SAME_TIME_MAX if last is not None else 0)
        found = [
            entry
            for project in projects
            for source in self._sources
            for entry in await source.first(project, wanted, limit, newest_first=newest_first)
        ]
        found.sort(key=place, reverse=newest_first)
        if last is not None:
            found = [
                entry for entry in found if (place(entry) < last if newest_first else place(entry) > last)
            ]
        token = _token(place(found[size - 1])) if len(found) > size else ""
        entries = [codec.from_json(LogEntry, dict(entry)) for entry in found[:size]]
        return ListLogEntriesResponse(entries=entries, next_page_token=token)

    async def tail(
        self, request: TailLogEntriesRequest, caller: Caller
    ) -> AsyncGenerator[TailLogEntriesResponse, None]:
        """Return entries as they come."""
        del caller
        return self._tails.follow(request, _projects(request.resource_names))

    async def list_logs(self, request: ListLogsRequest, caller: Caller) -> ListLogsResponse:
        """Return a page of the names of the logs that have entries."""
        del caller
        projects = dict.fromkeys(_project(name) for name in request.resource_names or [request.parent])
        page = page_of(request.page_size, request.page_token)
        names = sorted(
            {
                f"projects/{project}/logs/{log_id}"
                for project in projects
                for source in self._sources
                for log_id in await source.log_ids(project)
            }
        )
        shown, token = cut([name for name in names if name > page.after][: page.size + 1], page, str)
        return ListLogsResponse(log_names=shown, next_page_token=token)

    async def delete(self, request: DeleteLogRequest, caller: Caller) -> Empty:
        """Forget the entries of a log that programs wrote.

        Raises:
            FailedPrecondition: It is the output of tasks or instances, which goes with them.
            NotFound: There is no such log.

        """
        del caller
        project, log_id = log_of(request.log_name, "logName")
        if await self._store.write(partial(log_rows.delete_log, project=project, log_id=log_id)):
            return Empty()
        if any([log_id in await source.log_ids(project) for source in self._sources]):
            raise FailedPrecondition(
                f"{request.log_name} is output; it goes with the executions and services."
            )
        raise NotFound(f"Log {request.log_name[:200]!r} has no entries.")

    async def list_resources(
        self, request: ListMonitoredResourceDescriptorsRequest, caller: Caller
    ) -> ListMonitoredResourceDescriptorsResponse:
        """Return the monitored resources that entries here have, in one page."""
        del request, caller
        descriptors = [
            MonitoredResourceDescriptor(
                type=name,
                name=f"monitoredResourceDescriptors/{name}",
                labels=[LabelDescriptor(key=label) for label in labels],
            )
            for name, labels in RESOURCES.items()
        ]
        return ListMonitoredResourceDescriptorsResponse(resource_descriptors=descriptors)


def _owner(log_name: str) -> str:
    return log_name.partition("/logs/")[0]


def _projects(names: Sequence[str]) -> list[str]:
    """Return the projects that a request names, each once.

    Raises:
        InvalidArgument: It names none, or something else.

    """
    if not names:
        raise invalid("resourceNames", "names no project.")
    return list(dict.fromkeys(_project(name) for name in names))


def _project(name: str) -> str:
    """Return the project of a resource name: of the project itself, or of a bucket's view below it."""
    parts = name.split("/")
    if parts[0] != "projects" or len(parts) < 2 or not parts[1]:
        raise invalid("resourceNames", f"{name[:100]!r} is not of the form projects/PROJECT.")
    return parts[1]


def _is_newest_first(order: str) -> bool:
    if order not in {"", "timestamp", "timestamp asc", "timestamp desc"}:
        raise invalid("orderBy", "is neither 'timestamp asc' nor 'timestamp desc'.")
    return order.endswith("desc")


def _token(last: Place) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(last)).decode()


def _last(token: str) -> Place | None:
    if not token:
        return None
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(token.encode("ascii")), type=tuple[str, str])
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise InvalidArgument("pageToken: is not a token that this server gave out.") from None
