"""Regular expressions on text: RE2, leftmost-longest.

1. RE2 has no back-tracking, so one search is linear in the text. What is not linear is bounded here: the size of an
   expression, and the work of finding many matches in one text.
2. The engine is imported with the first expression, not with the language.

Source: cloud.google.com/workflows/docs/reference/stdlib/text/find_all_regex, .../match_regex, .../replace_all_regex;
that an empty match next to a match before it does not count is Go's regexp package, whose words these pages use.
"""

from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module

from jubako.boxes.workflows.language.data import Data
from jubako.boxes.workflows.language.errors import failure, value_error
from jubako.boxes.workflows.language.library.arguments import text
from jubako.boxes.workflows.language.library.registry import pure
from jubako.boxes.workflows.language.limits import STRING_BYTES_MAX
from jubako.boxes.workflows.language.values import bounded_text, string_too_long

REGEXP_CHARS_MAX = 4096
PROGRAM_MEMORY_BYTES = 2**20
"""Memory of a compiled expression, its automaton included."""
SMALL_PROGRAM = 16
"""Instructions up to which the automaton always fits into its memory, so that a character costs one look-up."""
WORK_MAX = 2**30
"""Character steps of one call: about two seconds at the worst, and far less for what people write."""
_STEPS_PER_INSTRUCTION = 5
"""What a character costs for each instruction when the automaton does not fit, in look-ups (measured)."""


@pure("text.match_regex", "source", "regexp")
def match_regex(source: Data, regexp: Data) -> bool:
    """Return whether a part of the text matches."""
    return next(_matches(text(source, "source"), _compiled(text(regexp, "regexp"))), None) is not None


@pure("text.find_all_regex", "source", "regexp")
def find_all_regex(source: Data, regexp: Data) -> list[dict[str, Data]]:
    """Return ``{"index", "match"}`` of every match, none overlapping; the index counts characters."""
    where = text(source, "source")
    found: list[dict[str, Data]] = []
    for start, end in _matches(where, _compiled(text(regexp, "regexp"))):
        found.append({"index": start, "match": where[start:end]})
    return found


@pure("text.replace_all_regex", "source", "regexp", "repl")
def replace_all_regex(source: Data, regexp: Data, repl: Data) -> str:
    """Return the text with every match replaced by ``repl`` as it is written."""
    where, new = text(source, "source"), text(repl, "repl")
    parts, at, length = [], 0, 0
    for start, end in _matches(where, _compiled(text(regexp, "regexp"))):
        parts += [where[at:start], new]
        length += start - at + len(new)
        if length > STRING_BYTES_MAX:
            raise string_too_long()
        at = end
    return bounded_text("".join([*parts, where[at:]]))


def _matches(source: str, expression: Data) -> Iterator[tuple[int, int]]:
    """Yield start and end of every match.

    Raises:
        Raised: ResourceLimitError, before more than WORK_MAX steps are done.

    """
    size = expression.programsize
    cost = 1 if size <= SMALL_PROGRAM else size * _STEPS_PER_INSTRUCTION
    last, work = -1, cost * len(source)
    _check(work)
    for match in expression.finditer(source):
        start, end = match.span()
        if start < end or start != last:
            yield start, end
        last = end
        work += cost * (len(source) - end)
        _check(work)


def _check(work: int) -> None:
    if work > WORK_MAX:
        raise failure(
            "ResourceLimitError",
            "the regular expression is too costly on a text of this length; split the text",
        )


@lru_cache(maxsize=64)
def _compiled(regexp: str) -> Data:
    if len(regexp) > REGEXP_CHARS_MAX:
        raise value_error(f"regexp is longer than {REGEXP_CHARS_MAX} characters")
    re2 = import_module("re2")
    options = re2.Options()
    options.longest_match = True
    options.log_errors = False
    options.max_mem = PROGRAM_MEMORY_BYTES
    try:
        return re2.compile(regexp, options)
    except (re2.error, UnicodeError) as bad:
        told = bad.args[0] if bad.args else ""
        reason = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(bad)
        raise value_error(f"not a valid RE2 regular expression: {reason[:200]}") from None
