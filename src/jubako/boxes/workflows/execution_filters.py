"""The ``filter`` and ``orderBy`` of executions: the part of AIP-160 that their fields need.

``TERM [AND TERM]...``; a term is ``FIELD OPERATOR VALUE`` with ``=``, ``!=``, ``<``, ``<=``, ``>`` or ``>=``.
Source: google/cloud/workflows/executions/v1/executions.proto, ListExecutionsRequest.filter and .order_by.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jubako.boxes.workflows.resources import Execution
from jubako.core.timestamps import parse_duration, parse_timestamp
from jubako.wire.codec import invalid

_TERM = re.compile(
    r"""\s*(?P<field>[A-Za-z_]+(?:\.(?:"[^"]*"|[\w./-]+))?)\s*(?P<operator><=|>=|!=|=|<|>)\s*
        (?:"(?P<quoted>[^"]*)"|(?P<bare>[^\s"()]+))\s*""",
    re.VERBOSE,
)
_AND = re.compile(r"AND\b\s*")
_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_NEWEST_FIRST = frozenset({"", "starttime desc", "start_time desc"})
_OLDEST_FIRST = frozenset({"starttime", "starttime asc", "start_time", "start_time asc"})
FILTER_CHARS_MAX = 4096


@dataclass(frozen=True, slots=True)
class Filter:
    """What a filter asks for."""

    labels: Mapping[str, str]
    """Labels that must have these values: the store has an index for them."""
    terms: Sequence[Callable[[Execution], bool]]

    def matches(self, execution: Execution) -> bool:
        """Return whether all terms hold; labels are not looked at."""
        return all(term(execution) for term in self.terms)


def parse_filter(text: str) -> Filter:
    """Return what ``text`` asks for.

    Raises:
        InvalidArgument: It is not of this language.

    """
    if len(text) > FILTER_CHARS_MAX:
        raise invalid("filter", f"is longer than {FILTER_CHARS_MAX} characters.")
    labels: dict[str, str] = {}
    terms: list[Callable[[Execution], bool]] = []
    at = 0
    while text[at:].strip():
        match = _TERM.match(text, at)
        if match is None:
            raise invalid(
                "filter", f"{text[at:].strip()[:60]!r} is not understood; write FIELD=VALUE joined by AND."
            )
        value = match["bare"] if match["quoted"] is None else match["quoted"]
        kind, _, key = match["field"].partition(".")
        if kind in {"label", "labels"} and key and match["operator"] == "=":
            labels[key.strip('"')] = value
        else:
            terms.append(_term(match["field"], match["operator"], value))
        at = _behind_and(text, match.end())
    return Filter(labels, terms)


def is_oldest_first(order_by: str) -> bool:
    """Return which way ``orderBy`` goes: oldest or newest start first.

    Raises:
        InvalidArgument: It is another order.

    """
    order = " ".join(order_by.lower().split())
    if order in _OLDEST_FIRST:
        return True
    if order in _NEWEST_FIRST:
        return False
    raise invalid("orderBy", "must be startTime, startTime desc or empty (newest first).")


def _behind_and(text: str, at: int) -> int:
    if not text[at:].strip():
        return at
    match = _AND.match(text, at)
    if match is None or not text[match.end() :].strip():
        raise invalid(
            "filter", f"{text[at:][:60]!r} does not go on with AND and a term; OR and NOT are not supported."
        )
    return match.end()


def _term(field: str, sign: str, value: str) -> Callable[[Execution], bool]:
    name = field.replace("_", "").lower()
    compare = _OPERATORS[sign]
    if name in _TEXTS:
        if sign not in {"=", "!="}:
            raise invalid("filter", f"{field} can only be compared with = and !=.")
        return lambda execution: compare(_TEXTS[name](execution), value)
    if name not in _TIMES:
        known = "state, startTime, endTime, duration, executionId, workflowRevisionId and labels.KEY"
        raise invalid("filter", f"{field!r} is not one of {known}.")
    read, parse = _TIMES[name]
    wanted = parse(value, f"filter: {field}")

    def holds(execution: Execution) -> bool:
        found = read(execution)
        return found is not None and compare(found, wanted)

    return holds


_TEXTS: Mapping[str, Callable[[Execution], str]] = {
    "state": lambda execution: execution.state.name,
    "executionid": lambda execution: execution.name.rpartition("/")[2],
    "name": lambda execution: execution.name,
    "workflowrevisionid": lambda execution: execution.workflow_revision_id,
}
_TIMES: Mapping[str, tuple[Callable[[Execution], Any], Callable[[str, str], Any]]] = {
    "starttime": (lambda execution: execution.start_time, parse_timestamp),
    "endtime": (lambda execution: execution.end_time, parse_timestamp),
    "duration": (lambda execution: execution.duration, parse_duration),
}
