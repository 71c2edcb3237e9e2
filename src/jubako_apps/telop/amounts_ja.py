"""Japanese amounts: numbers with their scales as one piece, and what makes two of them comparable.

``2万3000``, ``2.3万``, ``二万三千`` and ``23,000`` are one amount. Two numbers that differ are evidence of a slip only
where they count the same thing in the same way: 2021年 is no error for 五年前, nor 15時 for 午後三時, nor 20% for 二割.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from rapidfuzz.distance import OSA

from jubako_apps.telop.text_ja import Piece, numeral, pieces

_SCALES: Final = {"万": 10**4, "億": 10**8, "兆": 10**12}
_TENS: Final = {"百": 100, "千": 1000}
_UNITS: Final = (
    ("パーセント", "%"), ("km", "キロ"), ("kg", "キロ"), ("cm", "センチ"), ("mm", "ミリ"), ("ml", "ミリ"),
    ("ヶ月", "か月"), ("カ月", "か月"), ("ヵ月", "か月"), ("ヶ所", "か所"), ("カ所", "か所"), ("ヵ所", "か所"),
    ("ヶ国", "か国"), ("カ国", "か国"), ("ヵ国", "か国"), ("m", "メートル"), ("g", "グラム"), ("t", "トン"),
    ("l", "リットル"), ("c", "度"), ("歳", "才"),
)  # fmt: skip
"""Units that are written in two ways; compared by their first sign, so ``キログラム`` is ``キロ``."""

_ROUGHLY: Final = re.compile("約|およそ|ほぼ|超|余|強|弱|以上|近|あまり|ほど|前後|程度|台")
_AROUND: Final = 3
_CALENDAR: Final = 1000


def amounts(text: str) -> list[Piece]:
    """Return the pieces of ``text``, each number together with its scales."""
    result: list[Piece] = []
    parts = pieces(text)
    place = 0
    while place < len(parts):
        end = _run_end(parts, place)
        value = _value(parts[place:end], text) if end - place > 1 else None
        if value is None:
            result.append(parts[place])
            place += 1
        else:
            result.append(Piece(value, parts[place].start, parts[end - 1].end, is_number=True))
            place = end
    return result


def unit(parts: Sequence[Piece], place: int) -> str:
    """Return the first sign of the unit behind the number at ``place``; of both ends of a range it is the same."""
    after = place + 1
    while after < len(parts) and parts[after].is_number:
        after += 1
    following = "".join(part.key for part in parts[after : after + 5])
    for written, means in _UNITS:
        if following.startswith(written):
            return means[0]
    return following[:1]


def are_comparable(shown: str, said: str, unit: str, around: str) -> bool:
    """Say whether ``shown`` must be wrong if ``said`` was said, both of the same unit.

    Args:
        shown: The digits of the telop.
        said: Those of the speech.
        unit: As `unit` gives it.
        around: What stands beside the number in the telop.

    """
    if "." in shown or "." in said:
        return True
    one, other = int(shown), int(said)
    if unit == "年" and (one >= _CALENDAR) != (other >= _CALENDAR):
        return False  # a year, and a number of years
    if unit == "時" and one % 12 == other % 12:
        return False
    return not (_ROUGHLY.search(around) and _is_rounded(shown, said))


def beside(text: str, part: Piece) -> str:
    """Return what stands right before and behind a number."""
    return text[max(0, part.start - _AROUND) : part.start] + text[part.end : part.end + _AROUND]


def is_slip(shown: str, said: str) -> bool:
    """Say whether a finger slipped: one digit is another one, too few, too many or changed places, or a scale is.

    A decimal point alone is none: it gets lost on the way from the sound to the digits.
    """
    if shown.replace(".", "") == said.replace(".", ""):
        return False
    if OSA.distance(shown, said) == 1 and max(len(shown), len(said)) > 1:
        return True
    scales = len(shown.rstrip("0")), len(said.rstrip("0"))
    return scales[0] == scales[1] and shown.rstrip("0") == said.rstrip("0") and shown != said


def _run_end(parts: Sequence[Piece], place: int) -> int:
    """Return behind which piece the amount that begins at ``place`` ends."""
    if not parts[place].is_number:
        return place + 1
    end = place + 1
    while end < len(parts) and parts[end].start == parts[end - 1].end:
        if not (parts[end].is_number or parts[end].key in _SCALES):
            break
        end += 1
    return end


def _value(run: Sequence[Piece], text: str) -> str | None:
    """Return the digits of an amount; None if it is none, such as two numbers that only stand side by side."""
    total, current, last = Decimal(0), None, Decimal("Infinity")
    for part in run:
        sign = text[part.start : part.end]
        scale = _SCALES.get(part.key)
        if scale is not None:
            if current is None or scale >= last:
                return None
            total, current, last = total + current * scale, None, Decimal(scale)
        elif current is None:
            current = Decimal(part.key)
            if current >= last:
                return None
        elif sign in _TENS and numeral(sign) is not None:
            current *= _TENS[sign]
        else:
            return None
    whole = total + (current or 0)
    return str(int(whole)) if whole == int(whole) else str(whole.normalize())


def _is_rounded(shown: str, said: str) -> bool:
    """Say whether ``shown`` is ``said`` in fewer digits."""
    digits = len(shown.rstrip("0"))
    if len(shown) != len(said) or not digits or digits >= len(said.rstrip("0")):
        return False
    step = 10 ** (len(said) - digits)
    return bool(abs(int(shown) - int(said)) < step)
