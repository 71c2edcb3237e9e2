"""What one follower of the log would miss because it is written with a time that has been read already.

It is held in memory, within a bound; what goes beyond is counted. An entry that comes by here is passed over where its
stretch of time is being read, so that nothing comes twice.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from jubako.core import json_text
from jubako.core.timestamps import to_micros
from jubako.telemetry.log_entries import Entry
from jubako.telemetry.log_rows import LogRow
from jubako.wire.logging_types import TailLogEntriesResponse

BYTES_MAX = 16 * 1024 * 1024

Info = TailLogEntriesResponse.SuppressionInfo
_Key = tuple[str, str]


class Inbox:
    """One follower's; as a term of a filter (log_filter.Term) it is met by what does not come by here."""

    def __init__(self, projects: Collection[str], horizon: datetime) -> None:
        self.horizon_us = to_micros(horizon)
        """What is not later has been read, or is being read."""
        self._projects = projects
        self._coming: set[_Key] = set()
        self._rows: dict[_Key, LogRow] = {}
        self._size = 0
        self._dropped = 0

    def holds(self, entry: Mapping[str, Any]) -> bool:
        """See log_filter.Term."""
        key = str(entry.get("logName", "")), str(entry.get("insertId", ""))
        return key not in self._rows and key not in self._coming

    @contextmanager
    def expecting(self, rows: Sequence[LogRow]) -> Iterator[None]:
        """Take in what is late of ``rows`` once the block, which stores them, has ended well."""
        ours = [row for row in rows if row.project in self._projects]
        late = {_key(row) for row in ours if row.time_us <= self.horizon_us}
        self._coming |= late
        try:
            yield
            for row in ours:
                if row.time_us <= self.horizon_us:
                    self._put(row)
        finally:
            self._coming -= late

    def take(self) -> tuple[list[Entry], list[Info]]:
        """Return what came, and how much of it was dropped, since the last time."""
        rows, dropped = self._rows, self._dropped
        self._rows, self._size, self._dropped = {}, 0, 0
        told = [Info(reason=Info.Reason.NOT_CONSUMED, suppressed_count=dropped)] if dropped else []
        return [json_text.decode(row.document) for row in rows.values()], told

    def _put(self, row: LogRow) -> None:
        if self._size + len(row.document) > BYTES_MAX:
            self._dropped += 1
            return
        self._rows[_key(row)] = row
        self._size += len(row.document)


def _key(row: LogRow) -> _Key:
    return f"projects/{row.project}/logs/{row.log_id}", row.insert_id
