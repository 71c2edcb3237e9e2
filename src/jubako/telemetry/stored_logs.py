"""The entries of the store, as a source."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial

from jubako.core import json_text
from jubako.core.timestamps import to_micros
from jubako.store.port import Store
from jubako.telemetry import log_rows
from jubako.telemetry.log_entries import Entry
from jubako.telemetry.log_filter import Filter
from jubako.telemetry.log_rows import Part

_CHUNK_ROWS = 1_000


class StoredLogs:
    """See EntrySource."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def first(self, project: str, wanted: Filter, limit: int, *, newest_first: bool) -> list[Entry]:
        """See EntrySource."""
        found: list[Entry] = []
        async with aclosing(self._chunks(project, wanted, newest_first=newest_first)) as chunks:
            async for chunk in chunks:
                found += chunk
                if len(found) >= limit:
                    break
        return found[:limit]

    async def ascending(self, project: str, wanted: Filter) -> AsyncGenerator[Entry, None]:
        """See EntrySource."""
        async with aclosing(self._chunks(project, wanted, newest_first=False)) as chunks:
            async for chunk in chunks:
                for entry in chunk:
                    yield entry

    async def _chunks(
        self, project: str, wanted: Filter, *, newest_first: bool
    ) -> AsyncGenerator[list[Entry], None]:
        since, until = wanted.since(), wanted.until()
        part = Part(
            project=project,
            since_us=to_micros(since) if since else 0,
            until_us=to_micros(until) if until else 2**62,
            resource_type=wanted.equal("resource", "type"),
            newest_first=newest_first,
        )
        after: tuple[int, str, str] | None = None
        while True:
            rows = await self._store.read(partial(log_rows.read, part=part, after=after, limit=_CHUNK_ROWS))
            # Off the loop: a filter may look through a month of entries and find nothing.
            yield await asyncio.to_thread(_chosen, [row[3] for row in rows], wanted)
            if len(rows) < _CHUNK_ROWS:
                return
            after = rows[-1][:3]

    async def log_ids(self, project: str) -> set[str]:
        """See EntrySource."""
        return set(await self._store.read(partial(log_rows.log_ids, project=project)))


def _chosen(documents: Sequence[str], wanted: Filter) -> list[Entry]:
    entries: list[Entry] = [json_text.decode(document) for document in documents]
    return [entry for entry in entries if wanted.holds(entry)]
