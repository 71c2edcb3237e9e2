"""``--filter``: the part of gcloud's filter language that scripts use.

``TERM [AND|OR TERM]...``, ``NOT TERM``, parentheses; a term is ``PATH OPERATOR VALUE`` with ``=``, ``!=``, ``<``,
``<=``, ``>``, ``>=``, ``:`` (contains; with ``*`` behind it: begins with), ``~`` or ``!~`` (regular expression).
Several values, as in ``state=(FAILED CANCELLED)``, are any of them. AND binds tighter than OR. Paths are those of
``--format``.
Source: ``gcloud topic filters``.
"""

import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from jubako.cli.errors import UsageError
from jubako.cli.paths import parse_path, scalar

Predicate = Callable[[Any], bool]
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<mark>[()])
      | (?P<operator><=|>=|!=|!~|=|<|>|:|~)
      | "(?P<double>(?:[^"\\]|\\.)*)"
      | '(?P<single>(?:[^'\\]|\\.)*)'
      | (?P<word>[^\s()<>=!:~"']+(?:\((?:'[^']*'|-?\d+)?\))?(?:\.[^\s()<>=!:~"']+(?:\((?:'[^']*'|-?\d+)?\))?)*)
    )""",
    re.VERBOSE,
)
DEPTH_MAX = 50
Token = tuple[str, str]
"""Kind (mark, operator, word, text) and text."""


def parse_filter(text: str) -> Predicate:
    """Return what decides whether a document passes.

    Raises:
        UsageError: The filter is not of this language.

    """
    reader = _Reader(list(_tokens(text)))
    predicate = reader.either(0)
    reader.end()
    return predicate


def _tokens(text: str) -> Iterator[Token]:
    position = 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None:
            raise UsageError(
                f"--filter: {text[position:].strip()[:40]!r} is not understood.",
                "It looks like state=ACTIVE.",
            )
        kind = str(match.lastgroup)
        value = match[kind]
        quoted = kind in {"double", "single"}
        yield ("text" if quoted else kind), (re.sub(r"\\(.)", r"\1", value) if quoted else value)
        position = match.end()


class _Reader:
    """Recursive descent over the tokens."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens

    def either(self, depth: int) -> Predicate:
        """Read ``A OR B``."""
        options = [self._both(depth)]
        while self._take("word", "OR"):
            options.append(self._both(depth))
        return lambda document: any(option(document) for option in options)

    def end(self) -> None:
        """Refuse what is left over."""
        if self._tokens:
            raise UsageError(f"--filter: {self._tokens[0][1]!r} is one too many.")

    def _both(self, depth: int) -> Predicate:
        needed = [self._one(depth)]
        while self._take("word", "AND") or (
            self._tokens and self._tokens[0] not in {("mark", ")"), ("word", "OR")}
        ):
            needed.append(self._one(depth))
        return lambda document: all(one(document) for one in needed)

    def _one(self, depth: int) -> Predicate:
        if depth > DEPTH_MAX:
            raise UsageError("--filter: too many parentheses.")
        if self._take("word", "NOT"):
            inner = self._one(depth + 1)
            return lambda document: not inner(document)
        if self._take("mark", "("):
            inside = self.either(depth + 1)
            if not self._take("mark", ")"):
                raise UsageError("--filter: a parenthesis is not closed.")
            return inside
        return self._term()

    def _term(self) -> Predicate:
        path = parse_path(self._next("word", "a path"), "--filter")
        operator = self._next("operator", "an operator such as =")
        is_negated = operator.startswith("!")
        compare, values = OPERATORS[operator.removeprefix("!")], self._values()
        if operator.endswith("~"):
            for wanted in values:
                _checked_pattern(wanted)

        def passes(document: Any) -> bool:  # noqa: ANN401 - JSON
            value = path.read(document)
            return any(_compare_any(compare, value, wanted) for wanted in values) is not is_negated

        return passes

    def _values(self) -> list[str]:
        """Read one value, or several in parentheses."""
        if not self._take("mark", "("):
            return [self._value()]
        values = [self._value()]
        while not self._take("mark", ")"):
            self._take("word", "OR")
            values.append(self._value())
        return values

    def _value(self) -> str:
        if self._tokens and self._tokens[0][0] in {"word", "text"}:
            return self._tokens.pop(0)[1]
        return self._next("text", "a value")

    def _take(self, kind: str, text: str) -> bool:
        if self._tokens and self._tokens[0] == (kind, text):
            self._tokens.pop(0)
            return True
        return False

    def _next(self, kind: str, what: str) -> str:
        if not self._tokens or self._tokens[0][0] != kind:
            found = repr(self._tokens[0][1]) if self._tokens else "the end"
            raise UsageError(
                f"--filter: {what} is needed where {found} stands.", "It looks like state=ACTIVE."
            )
        return self._tokens.pop(0)[1]


def _compare_any(compare: Callable[[str, str], bool], value: object, wanted: str) -> bool:
    if isinstance(value, list):
        return any(_compare_any(compare, item, wanted) for item in value)
    return compare(scalar(value), wanted)


def _checked_pattern(pattern: str) -> None:
    try:
        with warnings.catch_warnings(action="ignore"):  # of what Python may one day read in another way
            re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(f"--filter: {pattern[:100]!r} is not a regular expression: {error}.") from None


def _order(value: str, wanted: str) -> int:
    """Return the sign of a comparison: of numbers where both are numbers, of texts otherwise (so times work too)."""
    try:
        difference = float(value) - float(wanted)
    except ValueError:
        return (value > wanted) - (value < wanted)
    return (difference > 0) - (difference < 0)


def _has(value: str, wanted: str) -> bool:
    if wanted == "*":
        return bool(value)
    return value.startswith(wanted[:-1]) if wanted.endswith("*") else wanted in value


OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "=": lambda value, wanted: value.casefold() == wanted.casefold(),
    ":": lambda value, wanted: _has(value.casefold(), wanted.casefold()),
    "~": lambda value, wanted: re.search(wanted, value) is not None,
    "<": lambda value, wanted: bool(value) and _order(value, wanted) < 0,
    "<=": lambda value, wanted: bool(value) and _order(value, wanted) <= 0,
    ">": lambda value, wanted: bool(value) and _order(value, wanted) > 0,
    ">=": lambda value, wanted: bool(value) and _order(value, wanted) >= 0,
}
