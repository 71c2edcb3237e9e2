"""Instants and durations in the forms that Google's JSON uses, and as stored integers.

Source: protobuf's JSON mapping of google.protobuf.Timestamp and google.protobuf.Duration.
"""

import re
from datetime import UTC, datetime, timedelta

from jubako.core.errors import InvalidArgument

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DURATION = re.compile(r"(-?)(\d{1,12})(?:\.(\d{1,9}))?s\Z")


def to_micros(instant: datetime) -> int:
    """Return microseconds since the epoch: the form in which the store keeps instants."""
    return (instant - EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the instant that ``to_micros`` stored."""
    return EPOCH + timedelta(microseconds=micros)


def format_timestamp(instant: datetime) -> str:
    """Return RFC 3339 in UTC with as many fraction digits as needed (0, 3 or 6), such as 2026-11-24T06:00:00Z."""
    text = instant.astimezone(UTC).replace(tzinfo=None)
    if text.microsecond == 0:
        return text.isoformat() + "Z"
    spec = "milliseconds" if text.microsecond % 1000 == 0 else "microseconds"
    return text.isoformat(timespec=spec) + "Z"


def parse_timestamp(text: str, field: str = "timestamp") -> datetime:
    """Return the instant of an RFC 3339 text with zone.

    Raises:
        InvalidArgument: ``text`` is not RFC 3339, or has no zone; the message names ``field``.

    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidArgument(f"{field}: {text!r} is not an RFC 3339 timestamp.") from None
    if instant.tzinfo is None:
        raise InvalidArgument(f"{field}: {text!r} has no time zone.")
    return instant.astimezone(UTC)


def format_duration(duration: timedelta) -> str:
    """Return seconds with an ``s`` suffix, such as 3.5s."""
    micros = duration // _MICROSECOND
    sign = "-" if micros < 0 else ""
    seconds, fraction = divmod(abs(micros), 1_000_000)
    if fraction == 0:
        return f"{sign}{seconds}s"
    return f"{sign}{seconds}." + f"{fraction:06d}".rstrip("0") + "s"


def parse_duration(text: str, field: str = "duration") -> timedelta:
    """Return the duration of a text such as 3.5s; digits past the microsecond are dropped.

    Raises:
        InvalidArgument: ``text`` has another form; the message names ``field``.

    """
    match = _DURATION.match(text)
    if match is None:
        raise InvalidArgument(f"{field}: {text!r} is not a duration such as 3.5s.")
    sign, seconds, fraction = match.groups()
    micros = int(seconds) * 1_000_000 + int((fraction or "0").ljust(6, "0")[:6])
    return timedelta(microseconds=-micros if sign else micros)
