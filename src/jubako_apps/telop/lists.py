"""A programme's own words: its glossary, and what must not be shown; CSV as spreadsheets write it.

Glossary: one term a line, in the first column. NG words: the word, what to write instead (may be empty). Lines that
begin with ``#`` and a first line of headings (`HEADINGS`) are left out. Encodings are those of scripts.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from jubako_apps.telop.script import ScriptError, decode

HEADINGS: Final = frozenset({"term", "word", "ng", "ng word", "用語", "単語", "語", "禁止語", "ng語", "表記"})
TERMS_MAX: Final = 20_000
TERM_LENGTH_MAX: Final = 100


class ListError(Exception):
    """The list cannot be used; the message is one sentence for the person who sent it."""


@dataclass(frozen=True, slots=True)
class Forbidden:
    """A word that must not be shown, and what to write instead, if anything."""

    text: str
    instead: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lists:
    """The lists of one programme."""

    glossary: tuple[str, ...] = ()
    forbidden: tuple[Forbidden, ...] = ()


NO_LISTS: Final = Lists()


def glossary_from(data: bytes, language: str) -> tuple[str, ...]:
    """Return the terms of a glossary.

    Raises:
        ListError: It is no text, or no list of terms.

    """
    return tuple(dict.fromkeys(row[0] for row in _rows(data, language)))


def forbidden_from(data: bytes, language: str) -> tuple[Forbidden, ...]:
    """Return the words of an NG list. Raises as `glossary_from` does."""
    rows = ((row[0], row[1] if len(row) > 1 and row[1] else None) for row in _rows(data, language))
    return tuple(dict.fromkeys(Forbidden(text, instead) for text, instead in rows))


def _rows(data: bytes, language: str) -> Iterator[list[str]]:
    try:
        text = decode(data, language)
        rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text))]
    except ScriptError as error:
        raise ListError(str(error).replace("script", "list")) from error
    except csv.Error as error:
        raise ListError(f"The list is no CSV: {error}.") from error
    kept = [row for row in rows if row and row[0] and not row[0].startswith("#")]
    if kept and kept[0][0].casefold() in HEADINGS:
        del kept[0]
    if not kept:
        raise ListError("The list holds no words: one a line is wanted, in the first column.")
    if len(kept) > TERMS_MAX:
        raise ListError(f"The list holds {len(kept)} words; {TERMS_MAX} are the most.")
    longest = max((row[0] for row in kept), key=len)
    if len(longest) > TERM_LENGTH_MAX:
        raise ListError(
            f"The list holds a word of {len(longest)} characters; {TERM_LENGTH_MAX} are the most."
        )
    yield from kept
