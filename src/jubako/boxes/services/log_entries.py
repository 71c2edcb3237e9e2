"""The output of instances as Cloud Logging's entries: what ``entries:list`` finds.

What there is, is what lies on the disk: the newest attempts of each instance (services/outputs.py).
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from jubako.boxes.services import instance_rows
from jubako.boxes.services.rows import ServiceKey
from jubako.core.timestamps import format_timestamp, from_micros
from jubako.store.port import Store, Tx
from jubako.telemetry import log_lines
from jubako.telemetry.log_entries import Best, Entry, merged
from jubako.telemetry.log_filter import Filter
from jubako.telemetry.outputs import STREAMS, Line, Outputs, Source, log_id

RESOURCE = "cloud_run_revision"


@dataclass(frozen=True, slots=True)
class _Service:
    key: ServiceKey
    uid: str


@dataclass(frozen=True, slots=True)
class _Revision:
    service: _Service
    name: str
    sources: Sequence[Source]


class ServiceLogEntries:
    """See EntrySource."""

    def __init__(self, store: Store, root: Path) -> None:
        """Take the directory that LaunchSettings names ``output_root``."""
        self._store = store
        self._root = root
        self._outputs = Outputs(root)

    async def first(self, project: str, wanted: Filter, limit: int, *, newest_first: bool) -> list[Entry]:
        """See EntrySource."""
        best = Best(limit, newest_first=newest_first)
        for found in await self._revisions(project, wanted):
            async for entry in self._entries(found, wanted):
                best.add(entry)
        return best.entries()

    async def ascending(self, project: str, wanted: Filter) -> AsyncGenerator[Entry, None]:
        """See EntrySource."""
        revisions = await self._revisions(project, wanted)
        async with aclosing(merged([self._entries(found, wanted) for found in revisions])) as entries:
            async for entry in entries:
                yield entry

    async def _revisions(self, project: str, wanted: Filter) -> list[_Revision]:
        """Return the revisions that may have such entries."""
        if (wanted.equal("resource", "type") or RESOURCE).lower() != RESOURCE:
            return []
        services, live = await self._store.read(lambda tx: (_services(tx, project, wanted), _live(tx)))
        name = (wanted.equal("resource", "labels", "revision_name") or "").lower()
        found = await asyncio.to_thread(_revisions, self._root, services, live)
        return [one for one in found if name in {"", one.name}]

    async def _entries(self, found: _Revision, wanted: Filter) -> AsyncGenerator[Entry, None]:
        async for line in self._outputs.between(found.sources, wanted.since(), wanted.until()):
            entry = _entry(found, line)
            if wanted.holds(entry):
                yield entry

    async def log_ids(self, project: str) -> set[str]:
        """See EntrySource."""
        found = await self._store.read(lambda tx: tx.one("SELECT 1 FROM services WHERE project = ?", project))
        return {log_id(stream) for stream in STREAMS} if found else set()


def _services(tx: Tx, project: str, wanted: Filter) -> list[_Service]:
    """Return the services that may have such entries."""
    rows = tx.all("SELECT location, service, uid FROM services WHERE project = ?", project)
    location, name = (wanted.equal("resource", "labels", label) for label in ("location", "service_name"))
    return [
        _Service(ServiceKey(project, row[0], row[1]), row[2])
        for row in rows
        if (location or row[0]).lower() == row[0] and (name or row[1]).lower() == row[1]
    ]


def _live(tx: Tx) -> set[str]:
    """Return the output directories that are still written."""
    return {
        f"{one.place.service_uid}/{one.place.revision}/{one.place.number}-{one.instance.attempt}"
        for one in instance_rows.live(tx)
    }


def _revisions(root: Path, services: Sequence[_Service], live: set[str]) -> list[_Revision]:
    return [
        _Revision(service, folder.name, [_source(root, attempt, live) for attempt in _folders(folder)])
        for service in services
        for folder in _folders(root / service.uid)
    ]


def _source(root: Path, folder: Path, live: set[str]) -> Source:
    name = str(folder.relative_to(root))
    number, _, attempt = folder.name.partition("-")
    return Source(
        folder=name,
        index=int(number),
        attempt=int(attempt),
        started_us=None,
        ended_us=None if name in live else _changed_us(folder / "index"),
    )


def _folders(parent: Path) -> list[Path]:
    try:
        return sorted(folder for folder in parent.iterdir() if folder.is_dir())
    except OSError:  # never made, or swept meanwhile
        return []


def _changed_us(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns // 1000
    except OSError:
        return 0


def _entry(found: _Revision, line: Line) -> Entry:
    at, key, content = line.position, found.service.key, log_lines.read(line.data)
    what = {"textPayload": content.text} if content.payload is None else {"jsonPayload": content.payload}
    # A line whose time nobody has noted yet was written just now.
    timestamp = format_timestamp(from_micros(at.time_us))
    return {
        "insertId": f"{found.name}-{at.index}-{at.attempt}-{at.stream}-{at.offset}",
        "logName": f"projects/{key.project}/logs/{log_id(at.stream)}",
        "timestamp": timestamp,
        "receiveTimestamp": timestamp,
        "severity": content.severity,
        **what,
        "labels": {**content.labels, "instanceId": f"{found.name}-{at.index}-{at.attempt}"},
        "resource": {
            "type": RESOURCE,
            "labels": {
                "project_id": key.project,
                "location": key.location,
                "service_name": key.service,
                "revision_name": found.name,
                "configuration_name": key.service,
            },
        },
        **({"trace": content.trace} if content.trace else {}),
    }
