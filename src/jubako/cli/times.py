"""Instants and spans as people read them."""

from datetime import UTC, datetime, timedelta

from jubako.core.timestamps import parse_timestamp


def instant(document: dict[str, object], field: str) -> datetime | None:
    """Return the instant in ``field`` of a document, or None."""
    value = document.get(field)
    return parse_timestamp(value, field) if isinstance(value, str) and value else None


def span(start: datetime | None, end: datetime | None, now: datetime | None = None) -> timedelta | None:
    """Return how long something took, or has taken so far; None if it has not begun."""
    if start is None:
        return None
    return max((end or now or datetime.now(UTC)) - start, timedelta())


def clock(duration: timedelta | None) -> str:
    """Return ``0:42``, ``12:05`` or ``1:02:03``; a dash for None."""
    if duration is None:
        return "-"
    seconds = int(duration.total_seconds())
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def seconds(duration: timedelta) -> str:
    """Return ``0.8 s``, ``12.3 s`` or, from two minutes on, ``m:ss``."""
    total = duration.total_seconds()
    return f"{total:.1f} s" if total < 120 else clock(duration)


def local_time(document: dict[str, object], field: str) -> str:
    """Return ``2026-11-24 06:00:05`` in the person's time zone, or nothing."""
    value = instant(document, field)
    return f"{value.astimezone():%Y-%m-%d %H:%M:%S}" if value else ""
