"""Instants as text and as seconds.

Source: cloud.google.com/workflows/docs/reference/stdlib/time.
"""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jubako.boxes.workflows.language.data import Data
from jubako.boxes.workflows.language.errors import value_error
from jubako.boxes.workflows.language.library.arguments import number, text
from jubako.boxes.workflows.language.library.registry import pure
from jubako.core.timestamps import EPOCH

_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[-+]\d\d:\d\d)\Z",
)
_ZONE = re.compile(r"[A-Za-z0-9_+\-]{1,32}(/[A-Za-z0-9_+\-]{1,32}){0,2}\Z")


@pure("time.format", "seconds", ("timezone", "UTC"))
def time_format(seconds: Data, timezone: Data) -> str:
    """Return an instant as ISO 8601 with six digits of fraction; ``Z`` for UTC (or "" for it), else the offset."""
    zone = _zone(text(timezone, "timezone"))
    try:
        instant = (EPOCH + timedelta(seconds=number(seconds, "seconds"))).astimezone(zone)
    except (OverflowError, ValueError):
        raise value_error(f"{seconds} seconds are outside of the calendar") from None
    written = instant.replace(tzinfo=None).isoformat(timespec="microseconds")
    offset = instant.isoformat(timespec="microseconds")[len(written) :]
    return written + ("Z" if zone is UTC else offset)


def _zone(name: str) -> tzinfo:
    if name in ("", "UTC", "GMT"):
        return UTC
    if not _ZONE.match(name):
        raise value_error(f"unknown time zone {name[:40]!r}")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise value_error(f"unknown time zone {name!r}") from None


@pure("time.parse", "value")
def time_parse(value: Data) -> float:
    """Return the seconds since 1970 of an RFC 3339 text with zone."""
    return (parse_instant(text(value, "value")) - EPOCH).total_seconds()


def parse_instant(written: str) -> datetime:
    """Return the instant of an RFC 3339 text with zone; digits past the microsecond are dropped.

    Raises:
        Raised: ValueError, it is none.

    """
    match = _RFC3339.match(written)
    if match is None:
        raise value_error(f"{written[:40]!r} is not an RFC 3339 timestamp with a time zone")
    day, clock, fraction, zone = match.groups()
    micros = (fraction or "0").ljust(6, "0")[:6]
    try:
        return datetime.fromisoformat(f"{day}T{clock}.{micros}{zone.upper().replace('Z', '+00:00')}")
    except ValueError:
        raise value_error(f"{written!r} is not a date of the calendar") from None
