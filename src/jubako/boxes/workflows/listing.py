"""``filter`` and ``orderBy`` of the lists of this box: AIP-160 and AIP-132 over the fields that a list knows.

A filter is terms ``FIELD OPERATOR VALUE`` joined by AND and OR, turned round by NOT or ``-``, grouped by parentheses.
As AIP-160 has it, OR binds tighter than AND. ``*`` in a text stands for anything.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Generic, TypeVar

from jubako.wire.codec import invalid

T = TypeVar("T")
FILTER_CHARS_MAX = 4096
DEPTH_MAX = 20
_WORD = re.compile(r"\s*(AND\b|OR\b|NOT\b|[()-])")
_TERM = re.compile(
    r"""\s*(?P<field>[A-Za-z_]+(?:\.(?:"[^"]*"|[\w./-]+))?)\s*(?P<sign><=|>=|!=|[=<>:])\s*
        (?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^\s"()]+))""",
    re.VERBOSE,
)
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Listed(Generic[T]):
    """A field of a list; ``read`` gives None where an item has none."""

    read: Callable[[T], Any]
    parse: Callable[[str, str], Any] | None = None
    """Value and name of the field to something that compares; None: a text, which has no more and less."""
    is_ordered: bool = True
    """Whether ``orderBy`` may name it."""
    prefix: str = ""
    """Of an enum's values, if a filter may leave it out: both STATE_FAILED and FAILED are meant."""


Predicate = Callable[[T], bool]


@dataclass(frozen=True, slots=True)
class Filter(Generic[T]):
    """What a filter asks for."""

    labels: Mapping[str, str]
    """Labels that every item must have: a store may have an index for them."""
    terms: Sequence[Predicate[T]]

    def matches(self, item: T) -> bool:
        """Return whether all terms hold; ``labels`` are looked at too."""
        return all(term(item) for term in self.terms)


class _Reader(Generic[T]):
    """Recursive descent; ``labels`` reads an item's labels, None if it has none."""

    def __init__(
        self, text: str, fields: Mapping[str, Listed[T]], labels: Callable[[T], Mapping[str, str]] | None
    ) -> None:
        self.text, self.at = text, 0
        self.fields, self.labels = fields, labels
        self.required: dict[str, str] = {}

    @property
    def rest(self) -> str:
        return self.text[self.at :].strip()

    def every(self, depth: int) -> list[Predicate[T]]:
        """Read what AND joins."""
        terms = [self._some(depth)]
        while self._take("AND"):
            terms.append(self._some(depth))
        return terms

    def _some(self, depth: int) -> Predicate[T]:
        known = dict(self.required)
        terms = [self._one(depth)]
        while self._take("OR"):
            terms.append(self._one(depth))
        if len(terms) == 1:
            return terms[0]
        self.required = known
        return lambda item: any(term(item) for term in terms)

    def _one(self, depth: int) -> Predicate[T]:
        if depth > DEPTH_MAX:
            raise invalid("filter", f"is nested more than {DEPTH_MAX} deep.")
        if self._take("NOT") or self._take("-"):
            known = dict(self.required)
            inner = self._one(depth + 1)
            self.required = known
            return lambda item: not inner(item)
        if self._take("("):
            terms = self.every(depth + 1)
            if not self._take(")"):
                raise invalid("filter", "has a parenthesis that is not closed.")
            return lambda item: all(term(item) for term in terms)
        return self._term()

    def _term(self) -> Predicate[T]:
        match = _TERM.match(self.text, self.at)
        if match is None:
            shown = self.rest[:60]
            raise invalid("filter", f"{shown!r} is not understood; write FIELD=VALUE joined by AND or OR.")
        self.at = match.end()
        quoted = match["quoted"]
        value = match["bare"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        return self._comparison(match["field"], match["sign"], value)

    def _comparison(self, field: str, sign: str, value: str) -> Predicate[T]:
        kind, _, key = field.partition(".")
        if self.labels is not None and kind in {"label", "labels"} and key:
            return self._label(self.labels, key.strip('"'), sign, value)
        found = self.fields.get(plain(field))
        if found is None:
            raise invalid("filter", f"{field!r} is not one of {self._known()}.")
        if found.parse is None:
            full = value if value.startswith((found.prefix, "*")) else found.prefix + value
            return _text(field, sign, full, found.read)
        return _ordered("=" if sign == ":" else sign, found.parse(value, f"filter: {field}"), found.read)

    def _label(
        self, labels: Callable[[T], Mapping[str, str]], key: str, sign: str, value: str
    ) -> Predicate[T]:
        if sign == "=" and "*" not in value:
            self.required[key] = value
        if sign == ":" and value == "*":
            return lambda item: key in labels(item)
        return _text(f"labels.{key}", sign, value, lambda item: labels(item).get(key))

    def _known(self) -> str:
        names = [name_of(name) for name in self.fields]
        return ", ".join([*names, "labels.KEY"] if self.labels is not None else names)

    def _take(self, word: str) -> bool:
        match = _WORD.match(self.text, self.at)
        if match is None or match[1] != word:
            return False
        self.at = match.end()
        return True


def parse_filter(
    text: str, fields: Mapping[str, Listed[T]], labels: Callable[[T], Mapping[str, str]] | None = None
) -> Filter[T]:
    """Return what ``text`` asks for; keys of ``fields`` are as ``plain`` makes them.

    Raises:
        InvalidArgument: It is not of this language.

    """
    if len(text) > FILTER_CHARS_MAX:
        raise invalid("filter", f"is longer than {FILTER_CHARS_MAX} characters.")
    if not text.strip():
        return Filter({}, [])
    reader = _Reader(text, fields, labels)
    terms = reader.every(0)
    if reader.rest:
        raise invalid("filter", f"{reader.rest[:60]!r} does not go on with AND, OR and a term.")
    return Filter(reader.required, terms)


@dataclass(frozen=True, slots=True)
class Order(Generic[T]):
    """One part of an ``orderBy``."""

    field: str
    read: Callable[[T], Any]
    is_descending: bool


def parse_order(text: str, fields: Mapping[str, Listed[T]]) -> list[Order[T]]:
    """Return the parts of ``orderBy``, the first one first; nothing for an empty one.

    Raises:
        InvalidArgument: It names a field that there is not, or that has no order.

    """
    parts = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, direction = " ".join(part.split()).partition(" ")
        found = fields.get(plain(name))
        if found is None or not found.is_ordered or direction.lower() not in {"", "asc", "desc"}:
            known = ", ".join(name_of(key) for key, field in fields.items() if field.is_ordered)
            raise invalid("orderBy", f"{part[:60]!r} is not one of {known}, with asc or desc behind it.")
        parts.append(Order(plain(name), found.read, direction.lower() == "desc"))
    return parts


def in_order(items: Sequence[T], order: Sequence[Order[T]]) -> list[T]:
    """Return ``items`` sorted; those that have no value come first, and equals stay as they were."""
    found = list(items)
    for part in reversed(order):
        found.sort(key=lambda item, read=part.read: _sortable(read(item)), reverse=part.is_descending)  # type: ignore[misc]
    return found


def behind(items: Sequence[T], after: str, id_of: Callable[[T], str]) -> Sequence[T]:
    """Return the items behind the one with the id ``after``; all of them for "".

    Raises:
        InvalidArgument: There is none any more.

    """
    if not after:
        return items
    for at, item in enumerate(items, start=1):
        if id_of(item) == after:
            return items[at:]
    raise invalid("pageToken", "stands at something that has gone meanwhile; list again from the start.")


def plain(field: str) -> str:
    """Return a field's name without its case and underscores: both spellings of JSON are one."""
    return field.replace("_", "").lower()


def name_of(key: str) -> str:
    """Return a field's name for people."""
    return _NAMES.get(key, key)


_NAMES = {
    "entryid": "entryId", "createtime": "createTime", "updatetime": "updateTime", "steptype": "stepType",
    "starttime": "startTime", "endtime": "endTime", "executionid": "executionId",
    "workflowrevisionid": "workflowRevisionId", "stepname": "stepName", "revisionid": "revisionId",
    "revisioncreatetime": "revisionCreateTime", "serviceaccount": "serviceAccount",
    "disableconcurrencyquotaoverflowbuffering": "disableConcurrencyQuotaOverflowBuffering",
}  # fmt: skip


def _sortable(value: Any) -> tuple[bool, Any]:
    return (value is not None, 0 if value is None else value)


def _text(field: str, sign: str, value: str, read: Callable[[T], Any]) -> Predicate[T]:
    if sign not in {"=", "!=", ":"}:
        raise invalid("filter", f"{field} can only be compared with = and !=.")
    is_wanted = sign != "!="
    pattern = value.replace("[", "[[]").replace("?", "[?]")

    def holds(item: T) -> bool:
        found = read(item)
        several = found if isinstance(found, list) else [] if found is None else [found]
        return any(fnmatchcase(str(one), pattern) for one in several) is is_wanted

    return holds


def _ordered(sign: str, wanted: Any, read: Callable[[T], Any]) -> Predicate[T]:
    compare = _COMPARE[sign]

    def holds(item: T) -> bool:
        found = read(item)
        return found is not None and compare(found, wanted)

    return holds
