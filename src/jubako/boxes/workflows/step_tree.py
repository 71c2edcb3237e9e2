"""The newest steps of an execution as a tree: what a screen of a few rows has room for."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from jubako.boxes.workflows.history import History
from jubako.boxes.workflows.step_entries import IN_PROGRESS, Entry
from jubako.core.timestamps import to_micros

MICROS = 1_000_000
ROWS_MAX = 1_000


def newest(history: History | None, rows: int, now: datetime) -> list[dict[str, Any]]:
    """Return at most about ``rows`` entries, those around them too, in the order of the tree with their depths.

    What is under way is always among them, however long ago it began.
    """
    if history is None:
        return []
    entries = history.steps.entries
    wanted = {entry.id for entry in entries[-max(1, min(rows, ROWS_MAX)) :]}
    wanted |= {entry.id for entry in history.steps.under_way()}
    for number in list(wanted):
        while (number := entries[number - 1].parent) and number not in wanted:
            wanted.add(number)
    inside: dict[int, list[Entry]] = {}
    for number in sorted(wanted):
        inside.setdefault(entries[number - 1].parent, []).append(entries[number - 1])
    until = to_micros(now)
    return [_row(entry, depth, until) for entry, depth in _in_order(inside, 0, 0)]


def _in_order(inside: dict[int, list[Entry]], parent: int, depth: int) -> Iterator[tuple[Entry, int]]:
    for entry in inside.get(parent, []):
        yield entry, depth
        yield from _in_order(inside, entry.id, depth + 1)


def _row(entry: Entry, depth: int, until: int) -> dict[str, Any]:
    end = until if entry.state == IN_PROGRESS else entry.updated
    return {
        "step": entry.step,
        "type": entry.type,
        "state": entry.state,
        "depth": depth,
        "number": entry.progress[1] if entry.progress else 0,
        "seconds": round(max(0, end - entry.created) / MICROS, 6),
    }
