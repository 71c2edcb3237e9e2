"""How what is written is said in English: ``1,200`` is "one thousand two hundred" or "twelve hundred"."""

import re
from collections.abc import Iterator
from typing import Final

from jubako_apps.telop.text_en import words

_UNITS: Final = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
    sixteen seventeen eighteen nineteen"""
_ROUND: Final = "zero ten twenty thirty forty fifty sixty seventy eighty ninety"
_ONES: Final = _UNITS.split()
_TENS: Final = _ROUND.split()
_ORDINALS: Final = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip
_SCALES: Final = ((10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))
_ALIKE: Final = (
    *({teen, f"{teen.removesuffix('teen')}ty"} for teen in _ONES[14:20]),
    *({few, many} for few, many in zip(_ONES[4:10], _TENS[4:10], strict=True)),
    {"thirteen", "thirty", "three"}, {"forty", "fourteen", "four"}, {"fifty", "fifteen"}, {"eighty", "eighteen"},
    {"five", "nine", "one"}, {"two", "ten"}, {"six", "sixth"}, {"seven", "eleven"},
)  # fmt: skip
"""Words for numbers that sound alike."""

_LARGEST: Final = 10**12


def wordings(text: str) -> list[list[str]]:
    """Return the ways in which a word or a number is said, each as small words; the first is the usual one."""
    found: list[list[str]] = [[]]
    for token in words(text):
        ways = number_ways(token.key) if token.sort == "number" else [[token.key]]
        found = [before + way for before in found for way in ways]
    return found if found != [[]] else []


def number_ways(key: str) -> list[list[str]]:
    """Return how the number with these digits is said: as a quantity, as a year, as a day."""
    whole, _, fraction = key.partition(".")
    if not whole.isdigit() or (fraction and not fraction.isdigit()) or int(whole) >= _LARGEST:
        return []
    value = int(whole)
    if fraction:
        return [[*_cardinal(value), "point", *(_ONES[int(digit)] for digit in fraction)]]
    ways = [_cardinal(value), *_as_year(value)]
    if value >= 100:
        ways.append(_with_and(value))
    if value < 100:
        ways.append(_ordinal(ways[0]))
    return [list(way) for way in dict.fromkeys(tuple(way) for way in ways)]


def sound_near(one: str, other: str) -> bool:
    """Say whether two numbers may be taken for each other by ear: "fifteen" and "fifty", "five" and "nine"."""
    return any(_near(mine, its) for mine in number_ways(one) for its in number_ways(other))


def _near(one: list[str], other: list[str]) -> bool:
    """Say whether the wordings differ in one word that sounds alike, or in a word of many that one lacks."""
    if len(one) != len(other):
        short, long = sorted((one, other), key=len)
        return len(long) > 2 and any(long[:n] + long[n + 1 :] == short for n in range(len(long)))
    pairs = [(a, b) for a, b in zip(one, other, strict=True) if a != b]
    return len(pairs) == 1 and any(set(pairs[0]) <= group for group in _ALIKE)


def _cardinal(value: int) -> list[str]:
    if value < 20:
        return [_ONES[value]]
    if value < 100:
        tens, ones = divmod(value, 10)
        return [_TENS[tens], *([_ONES[ones]] if ones else [])]
    scale, name = next(scale for scale in _SCALES if value >= scale[0])
    many, rest = divmod(value, scale)
    return [*_cardinal(many), name, *(_cardinal(rest) if rest else [])]


def _with_and(value: int) -> list[str]:
    rest = value % 100
    return [*_cardinal(value - rest), "and", *_cardinal(rest)] if rest else _cardinal(value)


def _as_year(value: int) -> Iterator[list[str]]:
    """Yield "nineteen ninety five", "twenty twenty seven", "twelve hundred"."""
    if not 1100 <= value < 10_000:
        return
    century, rest = divmod(value, 100)
    if rest >= 10:
        yield [*_cardinal(century), *_cardinal(rest)]
    elif rest == 0 and value % 1000:
        yield [*_cardinal(century), "hundred"]


def _ordinal(cardinal: list[str]) -> list[str]:
    last = cardinal[-1]
    ending = _ORDINALS.get(last) or re.sub("y$", "ie", last) + "th"
    return [*cardinal[:-1], ending]
