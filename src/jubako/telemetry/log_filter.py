"""Cloud Logging's filters, the part that clients send: comparisons joined by AND, written out or by a new line. Pure.

``field op value``; op is one of = != > >= < <= : (has, for text: contains). Fields are dotted paths of an entry; keys
with dots or slashes in them are quoted. Severities compare by rank, timestamps by time, the rest as text.
OR, NOT, parentheses and functions are refused by name.

Source: Cloud Logging, "Logging query language".
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jubako.core.errors import InvalidArgument
from jubako.core.timestamps import parse_timestamp

_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
SEVERITIES = ("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY")
LENGTH_MAX = 20_000
"""Source: Cloud Logging, "Quotas and limits", length of a query."""
_TOKEN = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|(>=|<=|!=|[=<>:])|([^\s"=<>!:()]+)|(.))', re.DOTALL)
_COLONS = re.compile(r"[^\s\"=<>!()]+")
_TIMES = frozenset({"timestamp", "receiveTimestamp"})


@dataclass(frozen=True, slots=True)
class Comparison:
    """One condition on an entry."""

    path: tuple[str, ...]
    operator: str
    value: str

    def holds(self, entry: Mapping[str, Any]) -> bool:
        """Return whether the entry meets it; a field that is missing meets only ``!=``."""
        found = _at(entry, self.path)
        if found is None:
            return self.operator == "!="
        if self.operator == ":":
            return self.value.lower() in str(found).lower()
        return _OPERATORS[self.operator](*self._sides(found))

    def _sides(self, found: Any) -> tuple[Any, Any]:  # noqa: ANN401 - any JSON value
        if self.path == ("severity",):
            return SEVERITIES.index(str(found)), SEVERITIES.index(self.value.upper())
        if self.path[0] in _TIMES:
            return parse_timestamp(str(found)), parse_timestamp(self.value)
        return (str(found).lower() if isinstance(found, bool) else str(found)), self.value


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that all must hold."""

    comparisons: Sequence[Comparison]

    def holds(self, entry: Mapping[str, Any]) -> bool:
        """Return whether an entry meets them all."""
        return all(comparison.holds(entry) for comparison in self.comparisons)

    def equal(self, *path: str) -> str | None:
        """Return the value that the field must have, if the filter says one."""
        found = (one.value for one in self.comparisons if one.path == path and one.operator == "=")
        return next(found, None)

    def since(self) -> datetime | None:
        """Return the earliest time that can meet it."""
        times = [
            parse_timestamp(one.value)
            for one in self.comparisons
            if one.path == ("timestamp",) and one.operator in {">", ">=", "="}
        ]
        return max(times, default=None)


def parse(text: str) -> Filter:
    """Return the filter.

    Raises:
        InvalidArgument: It cannot be read, or asks for what is not supported.

    """
    if len(text) > LENGTH_MAX:
        raise InvalidArgument(f"filter: has more than {LENGTH_MAX} characters.")
    words = _words(text)
    comparisons = []
    while words:
        if words[0] == "AND":
            words.pop(0)
        if words and words[0] in {"OR", "NOT", "(", ")", "-"}:
            raise InvalidArgument(f"filter: {words[0]!r} is not supported; conditions are joined by AND.")
        if len(words) < 3:
            raise InvalidArgument(
                f"filter: a condition is FIELD OP VALUE, and this is not: {' '.join(words)!r}."
            )
        comparisons.append(_comparison(*words[:3]))
        del words[:3]
    return Filter(comparisons)


def _comparison(field: str, word: str, value: str) -> Comparison:
    if word not in {*_OPERATORS, ":"}:
        raise InvalidArgument(f"filter: {word[:100]!r} stands where an operator is wanted.")
    path = tuple(part.strip('"') for part in re.findall(r'"[^"]*"|[^.]+', field))
    plain = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
    if path == ("severity",) and plain.upper() not in SEVERITIES:
        raise InvalidArgument(f"filter: severity is none of {', '.join(SEVERITIES)}.")
    if path[0] in _TIMES:
        parse_timestamp(plain, "filter: timestamp")
    return Comparison(path, word, plain)


def _words(text: str) -> list[str]:
    """Cut a filter into fields, operators and values; the parts of a field (``labels."a/b"``) stay together."""
    words: list[str] = []
    at, text = 0, text.strip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        assert match is not None, text[at:]
        word, at = match[0].strip(), match.end()
        if match[4]:
            words.append(word)
            continue
        if words and words[-1].endswith(".") and not match[2]:
            words[-1] += word
        elif match[1] and at < len(text) and text[at] == ".":
            words.append(word)
        elif words and match[3] and word.startswith(".") and words[-1].endswith('"'):
            words[-1] += word
        elif match[3] and _is_value(words):
            # A value without quotes may hold colons, such as a timestamp.
            whole = _COLONS.match(text, match.start(3))
            assert whole is not None
            words.append(whole[0])
            at = whole.end()
        else:
            words.append(word)
    return words


def _is_value(words: Sequence[str]) -> bool:
    return bool(words) and words[-1] in {*_OPERATORS, ":"}


def _at(entry: Mapping[str, Any], path: Sequence[str]) -> Any:  # noqa: ANN401 - any JSON value
    value: Any = entry
    for part in path:
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value
