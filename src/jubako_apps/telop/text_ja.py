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
KANJI_DIGITS: Final = frozenset("〇一二三四五六七八九十百千")
_SCALES: Final = {"十": 10, "百": 100, "千": 1000}
_COUNTERS: Final = "人円年月日時分秒歳才件回本台個万億兆%度名番位割倍点頭匹軒棟世社校カヶか階号才ドメキグトセ"
_NUMERAL: Final = re.compile("[〇一二三四五六七八九十百千]+")
_WHOLE: Final = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?")
_DECIMAL: Final = re.compile("([〇一二三四五六七八九十]+)[・.]([〇一二三四五六七八九]+)")
_CLUSTER: Final = re.compile("(?s:.)[\u3099\u309a\uff9e\uff9f]?")
"""One sign with its mark of voicing, which half-width kana carry apart."""

_KANA: Final = re.compile("[ぁ-ゖァ-ヺー]*")
_ALIKE: Final = ({"1", "7", "8"}, {"3", "4"}, {"2", "4"}, {"4", "7"}, {"6", "9"})
"""Digits that sound alike."""

_LARGE: Final = dict(
    zip("ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ", "あいうえおつやゆよわアイウエオツヤユヨワ", strict=True)
)
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
        (m.start(), m.end(), ".".join(str(numeral(part)) for part in m.groups()))
        for m in _DECIMAL.finditer(plain)
    ]
    taken = {n for start, end, _ in spans for n in range(start, end)}
    spans += [
        (m.start(), m.end(), str(value))
        for m in _NUMERAL.finditer(plain)
        if m.start() not in taken
        and _is_count(plain, m.start(), m.end())
        and (value := numeral(m.group())) is not None
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


def sound_near(one: str, other: str) -> bool:
    """Say whether two numbers may be taken for each other by ear: ``いち`` and ``しち``, ``さん`` and ``よん``."""
    if len(one) != len(other) or not (one.isdigit() and other.isdigit()):
        return {one, other} == {"9", "10"}
    pairs = [{a, b} for a, b in zip(one, other, strict=True) if a != b]
    return len(pairs) == 1 and any(pairs[0] <= group for group in _ALIKE)


def is_kana(text: str) -> bool:
    """Say whether it holds nothing but kana."""
    return _KANA.fullmatch(text) is not None


def is_slip(one: str, other: str) -> bool:
    """Say whether two kana differ in no more than a mark of voicing, or in size (``っ`` and ``つ``)."""
    return one != other and _bare_kana(one) == _bare_kana(other)


def voiced(kana: str) -> list[str]:
    """Return the other kana that differ from it in no more than the mark of voicing."""
    bare = _bare_kana(kana)
    signs = [bare, *(unicodedata.normalize("NFC", bare + mark) for mark in ("\u3099", "\u309a"))]
    return [sign for sign in signs if len(sign) == 1 and sign != kana]


def _bare_kana(text: str) -> str:
    plain = "".join(_LARGE.get(sign, sign) for sign in text)
    return "".join(sign for sign in unicodedata.normalize("NFD", plain) if sign not in "\u3099\u309a")


def kanji(text: str) -> set[str]:
    """Return the kanji in it."""
    return set(_KANJI.findall(text))


def morphemes(parts: Sequence[Piece], *, short: bool = False) -> list[Morpheme]:
    """Cut pieces into words, compounds too if ``short``."""
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
        for m in _tokenizer().tokenize(text, _mode(short=short))
    ]


def is_word(text: str) -> bool:
    """Say whether the dictionary has it as one word."""
    found = _tokenizer().tokenize(text)
    return len(found) == 1 and not found[0].is_oov()


def normal(text: str) -> str:
    """Return the text in the spelling that the dictionary prefers."""
    return "".join(m.normalized_form() for m in _tokenizer().tokenize(text))


def reading(text: str) -> str:
    """Return how the text is read, in katakana, as far as Sudachi knows."""
    return "".join(m.reading_form() for m in _tokenizer().tokenize(text))


def cost(text: str) -> int:
    """Return how odd Sudachi finds the text; less is better."""
    total: int = _tokenizer().tokenize(text).get_internal_cost()
    return total


def _mode(*, short: bool) -> Any:  # noqa: ANN401 - untyped library
    from sudachipy import SplitMode  # noqa: PLC0415

    return SplitMode.A if short else SplitMode.C


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
