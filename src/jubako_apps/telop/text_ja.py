"""Japanese text as comparable pieces: one sign each, but a number is one piece; widths, spaces and numerals made equal.

``四十五億円``, ``45億円`` and ``４５億円`` become the pieces ``45``, ``億``, ``円``. Spaces and
punctuation are left out; every piece knows its place in the text.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

_DIGITS: Final = {char: n for n, char in enumerate("〇一二三四五六七八九")}
_SCALES: Final = {"十": 10, "百": 100, "千": 1000}
_COUNTERS: Final = "人円年月日時分秒歳才件回本台個万億兆%度名番位割倍点頭匹軒棟世社校カヶか階号才ドメキグトセ"
_NUMERAL: Final = re.compile("[〇一二三四五六七八九十百千]+")
_WHOLE: Final = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")
_CLUSTER: Final = re.compile("(?s:.)[\u3099\u309a\uff9e\uff9f]?")
"""One sign with its mark of voicing, which half-width kana carry apart."""

_KANA: Final = re.compile("[ぁ-ゖァ-ヺー]*")
_KANJI: Final = re.compile("[\u3400-\u9fff々]")
_FIXED: Final = ("十分", "一番", "一時", "一部", "一方", "一度", "千人力", "一人")
"""Words that begin like a count and seldom are one; on both sides alike, so nothing is lost."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One sign, or one number; ``start`` and ``end`` are its place in the text it came from."""

    key: str
    start: int
    end: int
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Morpheme:
    """A word as Sudachi cuts it; ``first`` and ``last`` (exclusive) count pieces."""

    surface: str
    reading: str
    normal: str
    part: tuple[str, ...]
    first: int
    last: int


def pieces(text: str) -> list[Piece]:
    """Return the pieces of ``text``."""
    plain, places = _plain(text)
    spans = [(m.start(), m.end(), m.group().replace(",", "")) for m in _WHOLE.finditer(plain)]
    spans += [
        (m.start(), m.end(), str(value))
        for m in _NUMERAL.finditer(plain)
        if _is_count(plain, m.start(), m.end()) and (value := numeral(m.group())) is not None
    ]
    result, position = [], 0
    for start, end, key in [*sorted(spans), (len(plain), len(plain), "")]:
        result += [Piece(plain[n].lower(), *places[n]) for n in range(position, start) if _counts(plain[n])]
        if key:
            result.append(Piece(key, places[start][0], places[end - 1][1], is_number=True))
        position = end
    return result


def numeral(text: str) -> int | None:
    """Return the value of kanji numerals below 10,000 (``二十五`` or ``二五``); None if they are none."""
    if all(char in _DIGITS for char in text):
        return int("".join(str(_DIGITS[char]) for char in text))
    total, current = 0, None
    for char in text:
        if char in _DIGITS:
            if current is not None:
                return None
            current = _DIGITS[char]
        else:
            total += (1 if current is None else current) * _SCALES[char]
            current = None
    return total + (current or 0)


def is_kana(text: str) -> bool:
    """Say whether it holds nothing but kana."""
    return _KANA.fullmatch(text) is not None


def kanji(text: str) -> set[str]:
    """Return the kanji in it."""
    return set(_KANJI.findall(text))


def morphemes(parts: Sequence[Piece]) -> list[Morpheme]:
    """Cut pieces into words."""
    text = "".join(part.key for part in parts)
    # Character positions of the joined keys back to pieces: a number is one piece of several characters.
    owner = [n for n, part in enumerate(parts) for _ in part.key]
    owner.append(len(parts))
    return [
        Morpheme(
            surface=m.surface(),
            reading=m.reading_form(),
            normal=m.normalized_form(),
            part=tuple(m.part_of_speech()),
            first=owner[m.begin()],
            last=owner[m.end()],
        )
        for m in _tokenizer().tokenize(text)
    ]


def reading(text: str) -> str:
    """Return how the text is read, in katakana, as far as Sudachi knows."""
    return "".join(m.reading_form() for m in _tokenizer().tokenize(text))


def cost(text: str) -> int:
    """Return how odd Sudachi finds the text; less is better."""
    total: int = _tokenizer().tokenize(text).get_internal_cost()
    return total


@cache
def _tokenizer() -> Any:  # noqa: ANN401 - untyped library
    from sudachipy import Dictionary  # noqa: PLC0415 - only tasks that compare pay for it

    return Dictionary(dict="core").tokenizer()


def _plain(text: str) -> tuple[str, list[tuple[int, int]]]:
    """Return the text in compatible form, and from where to where each of its characters came."""
    signs: list[str] = []
    places: list[tuple[int, int]] = []
    for cluster in _CLUSTER.finditer(text):
        for sign in unicodedata.normalize("NFKC", cluster.group()):
            signs.append(sign)
            places.append(cluster.span())
    return "".join(signs), places


def _counts(char: str) -> bool:
    return unicodedata.category(char)[0] in "LN" or char in "%々ー〇"


def _is_count(text: str, start: int, end: int) -> bool:
    if any(text.startswith(word, start) for word in _FIXED):
        return False
    return end - start >= 2 or text[end : end + 1] in set(_COUNTERS)
