"""Numbers in the notation of the telop that gets them wrong: what an editor can type over it.

``forty five million`` said under ``54 million`` is ``45 million``; ``十五`` said under ``１６日`` is ``１５``.
"""

import re
from decimal import Decimal
from typing import Final

from jubako_apps.telop.spoken_en import number_ways

_SCALES: Final = {"thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_SUFFIXES: Final = {1: "st", 2: "nd", 3: "rd"}
_KANJI: Final = "〇一二三四五六七八九"
_PLACES: Final = ((1000, "千"), (100, "百"), (10, "十"))
_KANJI_MAX: Final = 10_000
_MYRIADS: Final = (("兆", 10**12), ("億", 10**8), ("万", 10**4))
_FULL_WIDTH: Final = str.maketrans("0123456789.,", "０１２３４５６７８９．，")
_ORDINAL: Final = re.compile(r"\d(st|nd|rd|th)\Z", re.IGNORECASE)


def english(key: str, like: str) -> str:
    """Return the number with the digits ``key`` in the notation of ``like``."""
    if not any(char.isdigit() for char in like):
        ways = number_ways(key)
        return (
            " ".join(ways[-1] if like.endswith(("th", "first", "second", "third")) else ways[0])
            if ways
            else key
        )
    scale = next((word for word in like.lower().split() if word in _SCALES), None)
    if scale is not None:
        many = float(key) / _SCALES[scale]
        return f"{many:g} {scale}" if round(many, 2) == many else _grouped(key)
    if _ORDINAL.search(like) and key.isdigit():
        return key + _suffix(int(key))
    return _grouped(key) if "," in like or len(key) > len("9999") else key


def japanese(key: str, like: str) -> str:
    """Return the number with the digits ``key`` in the notation of ``like``: kanji, full or half width, with 万."""
    scale = next((size for sign, size in _MYRIADS if sign in like), None)
    if scale is None or not key.isdigit() or int(key) < _KANJI_MAX:
        return _plain(key, like)
    if re.search("[・.．]", like):
        scale = next(size for _, size in _MYRIADS if size <= int(key))
        sign = next(sign for sign, size in _MYRIADS if size == scale)
        return _plain(f"{Decimal(key) / scale:f}", like) + sign
    result, rest = "", int(key)
    for sign, size in (*_MYRIADS, ("", 1)):
        many, rest = divmod(rest, size)
        result += _plain(str(many), like, by_place=True) + sign if many else ""
    return result


def _plain(key: str, like: str, *, by_place: bool = False) -> str:
    if re.search("[０-９]", like):
        return key.translate(_FULL_WIDTH)
    if re.search("[0-9]", like) or not key.replace(".", "").isdigit():
        return key
    whole, _, fraction = key.partition(".")
    by_place = by_place or re.search("[十百千]", like) is not None or len(whole) < 2
    kanji = _by_place(int(whole)) if by_place and int(whole) < _KANJI_MAX else _digit_by_digit(whole)
    return f"{kanji}・{_digit_by_digit(fraction)}" if fraction else kanji


def _grouped(key: str) -> str:
    whole, point, fraction = key.partition(".")
    return f"{int(whole):,}{point}{fraction}" if whole.isdigit() else key


def _suffix(value: int) -> str:
    return "th" if value % 100 in {11, 12, 13} else _SUFFIXES.get(value % 10, "th")


def _digit_by_digit(digits: str) -> str:
    return "".join(_KANJI[int(digit)] for digit in digits)


def _by_place(value: int) -> str:
    if value == 0:
        return _KANJI[0]
    result = ""
    for place, sign in _PLACES:
        many, value = divmod(value, place)
        result += ("" if many == 1 else _KANJI[many]) + sign if many else ""
    return result + (_KANJI[value] if value else "")
