"""Cloud Logging's query language: an expression that chooses log entries. Pure.

``NOT`` (or ``-``) binds tighter than ``OR``, and ``OR`` tighter than ``AND``; between two conditions that stand side by
side, or on two lines, AND is meant. A value without a field is searched for in all of the entry.

Source: Cloud Logging, "Logging query language": syntax summary, Boolean operators, global restrictions, functions.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import quote

from jubako.core.errors import InvalidArgument
from jubako.core.timestamps import parse_timestamp
from jubako.telemetry.log_comparison import Comparison, Test, comparison, contains
from jubako.telemetry.log_words import Kind, Word, path_of, plain, words

LENGTH_MAX = 20_000
"""Source: Cloud Logging, "Quotas and limits", length of a query."""
_DEPTH_MAX = 100
_FUNCTIONS = "log_id and SEARCH"


class Term(Protocol):
    """A part of an expression."""

    def holds(self, entry: Mapping[str, Any]) -> bool:
        """Return whether an entry (its JSON form) meets it."""
        ...


@dataclass(frozen=True, slots=True)
class Every:
    """All must hold."""

    terms: Sequence[Term]

    def holds(self, entry: Mapping[str, Any]) -> bool:
        """See Term."""
        return all(term.holds(entry) for term in self.terms)


@dataclass(frozen=True, slots=True)
class Some:
    """One must hold."""

    terms: Sequence[Term]

    def holds(self, entry: Mapping[str, Any]) -> bool:
        """See Term."""
        return any(term.holds(entry) for term in self.terms)


@dataclass(frozen=True, slots=True)
class Negation:
    """It must not hold."""

    term: Term

    def holds(self, entry: Mapping[str, Any]) -> bool:
        """See Term."""
        return not self.term.holds(entry)


@dataclass(frozen=True, slots=True)
class Anywhere:
    """Any field of the entry passes a test."""

    test: Test

    def holds(self, entry: Mapping[str, Any]) -> bool:
        """See Term."""
        return self.test(entry)


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that all must hold."""

    terms: Sequence[Term]

    def holds(self, entry: Mapping[str, Any]) -> bool:
        """Return whether an entry (its JSON form) meets them all."""
        return all(term.holds(entry) for term in self.terms)

    def equal(self, *path: str) -> str | None:
        """Return the value that the field must have, if the filter says one; letters may be of any case."""
        found = (one.value for one in self._comparisons(path) if one.operator == "=")
        return next(found, None)

    def since(self) -> datetime | None:
        """Return the earliest time that can meet it."""
        return max(self._times({">", ">=", "="}), default=None)

    def until(self) -> datetime | None:
        """Return the latest time that can meet it."""
        return min(self._times({"<", "<=", "="}), default=None)

    def also(self, field: str, word: str, value: str) -> "Filter":
        """Return this filter with one condition more."""
        return Filter([*self.terms, comparison((field,), word, value)])

    def _times(self, operators: Container[str]) -> list[datetime]:
        return [
            parse_timestamp(one.value)
            for one in self._comparisons(("timestamp",))
            if one.operator in operators and "T" in one.value
        ]

    def _comparisons(self, path: tuple[str, ...]) -> list[Comparison]:
        return [term for term in self.terms if isinstance(term, Comparison) and term.path == path]


def parse(text: str) -> Filter:
    """Return the filter.

    Raises:
        InvalidArgument: It cannot be read, or asks for what is not supported.

    """
    if len(text) > LENGTH_MAX:
        raise InvalidArgument(f"filter: has more than {LENGTH_MAX} characters.")
    reader = _Reader(words(text))
    term = reader.every(0) if reader.left else Every([])
    if reader.left:
        raise InvalidArgument(f"filter: {reader.left[0].text[:100]!r} is one too many.")
    return Filter(_conjuncts(term))


def _conjuncts(term: Term) -> list[Term]:
    if isinstance(term, Every):
        return [inner for one in term.terms for inner in _conjuncts(one)]
    return [term]


class _Reader:
    """Recursive descent over the words."""

    def __init__(self, found: Sequence[Word]) -> None:
        self.left = list(found)

    def every(self, depth: int) -> Term:
        """Read what is joined by AND, or stands side by side."""
        terms = [self._some(depth)]
        while self.left and self.left[0].kind is not Kind.CLOSE:
            self._take("AND")
            terms.append(self._some(depth))
        return terms[0] if len(terms) == 1 else Every(terms)

    def _some(self, depth: int) -> Term:
        terms = [self._one(depth)]
        while self._take("OR"):
            terms.append(self._one(depth))
        return terms[0] if len(terms) == 1 else Some(terms)

    def _one(self, depth: int) -> Term:
        if depth > _DEPTH_MAX:
            raise InvalidArgument(f"filter: is nested more than {_DEPTH_MAX} deep.")
        if self._take("NOT") or self._take("-"):
            return Negation(self._one(depth + 1))
        word = self._next("a condition")
        if word.kind is Kind.OPEN:
            inner = self.every(depth + 1)
            self._close()
            return inner
        if word.kind not in {Kind.NAME, Kind.TEXT}:
            raise InvalidArgument(f"filter: a condition is wanted where {word.text!r} stands.")
        if self.left and self.left[0].kind is Kind.OPEN and word.kind is Kind.NAME and self.left[0].is_tight:
            return self._function(word)
        if self.left and self.left[0].kind is Kind.OPERATOR:
            return self._comparison(path_of(word.text), depth)
        if word.text in {"AND", "OR"}:
            raise InvalidArgument(f"filter: {word.text} joins two conditions.")
        return Anywhere(contains(plain(word.text)))

    def _comparison(self, path: tuple[str, ...], depth: int) -> Term:
        operator = self._next("an operator").text
        if self.left and self.left[0].kind is Kind.OPEN:
            self.left.pop(0)
            inner = self._values(path, operator, depth + 1)
            self._close()
            return inner
        return comparison(path, operator, self._value())

    def _values(self, path: tuple[str, ...], operator: str, depth: int) -> Term:
        """Read the values of ``field=(A OR B AND NOT C)``."""
        every: list[Term] = []
        while True:
            some: list[Term] = [self._value_term(path, operator, depth)]
            while self._take("OR"):
                some.append(self._value_term(path, operator, depth))
            every.append(some[0] if len(some) == 1 else Some(some))
            if not self.left or self.left[0].kind is Kind.CLOSE:
                return every[0] if len(every) == 1 else Every(every)
            self._take("AND")

    def _value_term(self, path: tuple[str, ...], operator: str, depth: int) -> Term:
        if depth > _DEPTH_MAX:
            raise InvalidArgument(f"filter: is nested more than {_DEPTH_MAX} deep.")
        if self._take("NOT") or self._take("-"):
            return Negation(self._value_term(path, operator, depth + 1))
        if self.left and self.left[0].kind is Kind.OPEN:
            self.left.pop(0)
            inner = self._values(path, operator, depth + 1)
            self._close()
            return inner
        return comparison(path, operator, self._value())

    def _value(self) -> str:
        word = self._next("a value")
        if word.kind not in {Kind.NAME, Kind.TEXT}:
            raise InvalidArgument(f"filter: a value is wanted where {word.text!r} stands.")
        return plain(word.text)

    def _function(self, name: Word) -> Term:
        self.left.pop(0)
        arguments = []
        while self.left and self.left[0].kind is not Kind.CLOSE:
            arguments.append(self._value())
        self._close()
        if name.text == "log_id" and len(arguments) == 1:
            return Anywhere(_has_log_id(arguments[0]))
        if name.text.upper() == "SEARCH" and arguments:
            words = arguments[-1].split()
            found = [contains(word) for word in words]
            if len(arguments) == 1:
                return Every([Anywhere(test) for test in found])
            path = path_of(arguments[0])
            return Every([comparison(path, ":", word) for word in words])
        raise InvalidArgument(
            f"filter: the functions are {_FUNCTIONS}; not {name.text[:100]!r} as it is used."
        )

    def _close(self) -> None:
        if self._next("a closing parenthesis").kind is not Kind.CLOSE:
            raise InvalidArgument("filter: a parenthesis is not closed.")

    def _take(self, word: str) -> bool:
        is_next = bool(self.left) and self.left[0].kind is not Kind.TEXT and self.left[0].text == word
        if is_next:
            self.left.pop(0)
        return is_next

    def _next(self, what: str) -> Word:
        if not self.left:
            raise InvalidArgument(f"filter: {what} is wanted at the end.")
        return self.left.pop(0)


def _has_log_id(log_id: str) -> Test:
    """Return the test of ``log_id("...")``: the log's name without its project."""
    ends = {f"/logs/{log_id}".casefold(), f"/logs/{quote(log_id, safe='')}".casefold()}
    return lambda entry: any(str(entry.get("logName", "")).casefold().endswith(end) for end in ends)
