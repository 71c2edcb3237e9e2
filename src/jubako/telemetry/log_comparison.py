"""One comparison of Cloud Logging's query language: a field of an entry, an operator, a value. Pure.

1. Text compares without regard to case, severities by rank, times and durations by length, numbers as numbers.
2. A missing field of a payload or a label meets nothing; one that LogEntry defines has its default value.
3. Of a list one element is enough. ``:`` also looks inside objects, and ``field:*`` asks whether the field is there.

Source: Cloud Logging, "Logging query language": comparisons, missing fields, values and conversions.
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import partial
from importlib import import_module
from typing import Any

from jubako.core.errors import InvalidArgument
from jubako.core.timestamps import parse_duration, parse_timestamp

Test = Callable[[Any], bool]
"""Tells of one value whether it meets a comparison."""
Compare = Callable[[Any, Any], bool]

ORDERS: Mapping[str, Compare] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
OPERATORS = frozenset({*ORDERS, ":", "=~", "!~"})
SEVERITIES = ("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY")
"""From the least to the most severe."""
FIELDS = frozenset(
    {
        "logName", "resource", "timestamp", "receiveTimestamp", "severity", "insertId", "httpRequest", "labels",
        "operation", "trace", "spanId", "traceSampled", "sourceLocation", "split", "textPayload", "jsonPayload",
        "protoPayload", "metadata", "errorGroups", "apphub",
    }
)  # fmt: skip
"""Of a LogEntry."""
_FREE = ("jsonPayload", "protoPayload", "labels", "resource", "metadata")
"""Fields below which anything may be, or nothing."""
_TIMES = frozenset({("timestamp",), ("receiveTimestamp",)})
_DURATIONS = frozenset({("httpRequest", "latency")})
_NUMBERS = frozenset(
    {("httpRequest", name) for name in ("status", "requestSize", "responseSize", "cacheFillBytes")}
    | {("sourceLocation", "line"), ("split", "index"), ("split", "totalSplits")}
)
"""Fields that are numbers, whatever their JSON form."""
_BOOLEANS = frozenset(
    {("traceSampled",), ("operation", "first"), ("operation", "last")}
    | {("httpRequest", name) for name in ("cacheLookup", "cacheHit", "cacheValidatedWithOriginServer")}
)
_EVERY_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_REGEXP_CHARS_MAX = 4096
_PROGRAM_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Comparison:
    """One condition on an entry."""

    path: tuple[str, ...]
    operator: str
    value: str
    test: Test

    def holds(self, entry: Mapping[str, Any]) -> bool:
        """Return whether the entry meets it."""
        return any(self.test(value) for value in _at(entry, self.path))


def comparison(path: tuple[str, ...], word: str, value: str) -> Comparison:
    """Return a comparison.

    Raises:
        InvalidArgument: LogEntry has no such field, or no value of it can be compared so.

    """
    path = (_camel(path[0]), *path[1:])
    if path[0] not in FIELDS:
        raise InvalidArgument(f"filter: a log entry has no field {path[0][:100]!r}.")
    return Comparison(path, word, value, _test(path, word, value))


def leaves(value: Any) -> Iterator[Any]:  # noqa: ANN401 - any JSON value
    """Yield the plain values in a JSON value."""
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    elif value is not None:
        yield value


def contains(part: str) -> Test:
    """Return the test whether a value, or anything in it, contains ``part``."""
    folded = part.casefold()
    return lambda value: any(folded in shown(leaf).casefold() for leaf in leaves(value))


def shown(value: Any) -> str:  # noqa: ANN401 - a plain value
    """Return a plain value as text."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _at(entry: Mapping[str, Any], path: tuple[str, ...]) -> list[Any]:
    """Return the values at a path: none if a free field is missing, the default if another one is."""
    values: list[Any] = [entry]
    for part in path:
        values = [inner for value in values for inner in _below(value, part)]
    if not values and path[0] not in _FREE:
        return [_default(path)]
    return [inner for value in values for inner in (value if isinstance(value, list) else [value])]


def _below(value: Any, part: str) -> list[Any]:  # noqa: ANN401
    if isinstance(value, list):
        return [found for inner in value for found in _below(inner, part)]
    if isinstance(value, Mapping) and value.get(part) is not None:
        return [value[part]]
    return []


def _default(path: tuple[str, ...]) -> Any:  # noqa: ANN401
    if path in _TIMES:
        return _EVERY_TIME.isoformat()
    if path in _DURATIONS:
        return "0s"
    if path in _NUMBERS:
        return 0
    return False if path in _BOOLEANS else ""


def _test(path: tuple[str, ...], word: str, value: str) -> Test:
    if word in {"=~", "!~"}:
        found = _regexp(value)
        return (lambda one: found(shown(one))) if word == "=~" else (lambda one: not found(shown(one)))
    if word == ":":
        is_there = (lambda _: True) if path[0] in _FREE else bool
        return is_there if value == "*" else contains(value)
    return _ordered(path, ORDERS[word], value)


def _ordered(path: tuple[str, ...], compare: Compare, value: str) -> Test:
    if path == ("severity",):
        return partial(_by_severity, compare, severity(value))
    if path in _TIMES:
        return partial(_by_time, compare, _instant(value))
    if path in _DURATIONS:
        return partial(_by_duration, compare, parse_duration(value, "filter: httpRequest.latency"))
    return partial(_by_kind, compare, value.casefold(), _number(value), path in _NUMBERS)


def severity(value: str) -> int:
    """Return the rank of a severity.

    Raises:
        InvalidArgument: It is none.

    """
    if value.upper() not in SEVERITIES:
        raise InvalidArgument(f"filter: severity {value[:100]!r} is none of {', '.join(SEVERITIES)}.")
    return SEVERITIES.index(value.upper())


def _by_severity(compare: Compare, wanted: int, found: Any) -> bool:  # noqa: ANN401
    return compare(SEVERITIES.index(found or SEVERITIES[0]), wanted)


def _by_time(compare: Compare, wanted: datetime, found: Any) -> bool:  # noqa: ANN401
    return compare(parse_timestamp(found), wanted)


def _by_duration(compare: Compare, wanted: Any, found: Any) -> bool:  # noqa: ANN401
    return compare(parse_duration(found), wanted)


def _by_kind(
    compare: Compare,
    text: str,
    number: float | None,
    is_number: bool,  # noqa: FBT001
    found: Any,  # noqa: ANN401
) -> bool:
    """Compare as the found value's own kind says; a value that cannot be of that kind is only unequal."""
    if is_number or (isinstance(found, int | float) and not isinstance(found, bool)):
        return compare is operator.ne if number is None else compare(float(found), number)
    if isinstance(found, Mapping):
        return False
    return compare(shown(found).casefold(), text)


def _regexp(pattern: str) -> Callable[[str], bool]:
    """Return the search of RE2 for a pattern: linear in the text, whatever the pattern."""
    re2 = import_module("re2")
    options = re2.Options()
    options.max_mem, options.log_errors = _PROGRAM_BYTES, False
    if len(pattern) > _REGEXP_CHARS_MAX:
        raise InvalidArgument(f"filter: a regular expression has more than {_REGEXP_CHARS_MAX} characters.")
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        raise InvalidArgument(f"filter: {pattern[:100]!r} is not a regular expression: {error}.") from None
    return lambda text: compiled.search(text) is not None


def _instant(value: str) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(value), time(), UTC)
    except ValueError:
        return parse_timestamp(value, "filter: timestamp")


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)
