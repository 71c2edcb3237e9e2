"""The words of Cloud Logging's query language. Pure.

A field is a path whose parts are joined by dots; a part with dots or slashes in it is quoted
(``labels."run.googleapis.com/task_index"``). A value without quotes may hold colons and dashes.
``--`` begins a comment.

Source: Cloud Logging, "Logging query language": syntax notation, field path identifiers, comments.
"""

import re
from dataclasses import dataclass
from enum import Enum, auto

from jubako.core.errors import InvalidArgument

_STRING = r'"(?:[^"\\]|\\.)*"'
_PART = r"[^\s\"=<>!:().~,]+"
_PATH = rf"(?:{_STRING}|{_PART})(?:\.(?:{_STRING}|{_PART}))*"
_SPACE = re.compile(r"(?:[\s,]+|--[^\n]*)+")
_OPERATOR = re.compile(r"=~|!~|>=|<=|!=|=|<|>|:")
_NAME = re.compile(_PATH)
_VALUE = re.compile(rf"{_STRING}|[^\s\"=<>!()]+")
_PARTS = re.compile(rf"{_STRING}|[^.]+")


class Kind(Enum):
    """What a word is."""

    NAME = auto()
    """A path, a value without quotes, or one of AND, OR, NOT and the minus sign."""
    TEXT = auto()
    """A quoted value, still in its quotes."""
    OPERATOR = auto()
    OPEN = auto()
    CLOSE = auto()


@dataclass(frozen=True, slots=True)
class Word:
    """One word."""

    kind: Kind
    text: str
    is_tight: bool
    """Whether it follows the word before it without a space."""


def words(text: str) -> list[Word]:
    """Return the words of an expression.

    Raises:
        InvalidArgument: Something is no word.

    """
    found: list[Word] = []
    at = 0
    while at < len(text):
        space = _SPACE.match(text, at)
        if space is not None:
            at = space.end()
            continue
        word = _word(text, at, found)
        # The space before it was passed over in the round before.
        is_tight = at == 0 or not (text[at - 1].isspace() or text[at - 1] == ",")
        found.append(Word(word[0], word[1], is_tight))
        at += len(word[1])
    return found


def path_of(text: str) -> tuple[str, ...]:
    """Return the parts of a path."""
    return tuple(plain(part) for part in _PARTS.findall(text))


def plain(text: str) -> str:
    """Return a value without its quotes, if it has any."""
    if len(text) < 2 or not (text.startswith('"') and text.endswith('"')):
        return text
    return re.sub(r"\\(.)", _escaped, text[1:-1], flags=re.DOTALL)


def _escaped(found: re.Match[str]) -> str:
    """Return what an escape stands for; a backslash before any other character stays, as expressions need it."""
    return {'"': '"', "\\": "\\", "n": "\n", "t": "\t", "r": "\r"}.get(found[1], found[0])


def _word(text: str, at: int, before: list[Word]) -> tuple[Kind, str]:
    if text[at] in "()":
        return (Kind.OPEN if text[at] == "(" else Kind.CLOSE), text[at]
    operator = _OPERATOR.match(text, at)
    if operator is not None:
        return Kind.OPERATOR, operator[0]
    is_value = bool(before) and before[-1].kind is Kind.OPERATOR
    if text[at] == "-" and not is_value:
        return Kind.NAME, "-"
    match = (_VALUE if is_value else _NAME).match(text, at)
    if match is None:
        raise InvalidArgument(f"filter: {text[at : at + 40]!r} cannot be read.")
    quoted = match[0].startswith('"') and re.fullmatch(_STRING, match[0], re.DOTALL)
    return (Kind.TEXT if quoted else Kind.NAME), match[0]
