"""English text as comparable words: case, signs and spelled-out numbers made equal, positions kept.

``two hundred and five`` and ``205`` become the same token; so do ``nineteen ninety-five`` and ``1995``, ``3rd`` and
``third``.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

Sort = Literal["word", "number", "month", "weekday"]

_MONTHS = "january february march april may june july august september october november december"
_WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday"
_UNITS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen"""
_ORDINALS = """zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth
    fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ORDINAL_TENS = "twentieth thirtieth fortieth fiftieth sixtieth seventieth eightieth ninetieth"

MONTHS: Final = frozenset(_MONTHS.split())
WEEKDAYS: Final = frozenset(_WEEKDAYS.split())
_VALUES: Final = (
    {word: n for n, word in enumerate(_UNITS.split())}
    | {word: 20 + 10 * n for n, word in enumerate(_TENS.split())}
    | {word: n for n, word in enumerate(_ORDINALS.split())}
    | {word: 20 + 10 * n for n, word in enumerate(_ORDINAL_TENS.split())}
)
_SCALES: Final = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_CENTURIES: Final = frozenset({17, 18, 19, 20})
_SPELLED: Final = {
    "%": "percent", "&": "and", "$": "dollars", "€": "euros", "£": "pounds", "dr": "doctor", "mr": "mister",
    "mrs": "missus", "prof": "professor", "gov": "governor", "sen": "senator", "vs": "versus", "ok": "okay",
}  # fmt: skip
"""What is said where this is written."""

_TOKEN: Final = re.compile(
    r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?(?:st|nd|rd|th)?(?![a-z])|[a-z](?:\.[a-z])+\.?|[^\W_]+(?:'[^\W_]+)*|[%&$€£]",
    re.IGNORECASE,
)
_QUOTES: Final = str.maketrans("’‘ʼ`´", "'''''")


_ENDINGS: Final = ("ing", "er", "es", "ed", "ly", "'s", "s", "d")
_IRREGULAR = """
    be is are was were been am/begin began begun/break broke broken/bring brought/build built/buy bought/catch
    caught/choose chose chosen/come came/cut/do does did done/draw drew drawn/drive drove driven/eat ate
    eaten/fall fell fallen/feel felt/fight fought/find found/fly flew flown/forget forgot forgotten/get got
    gotten/give gave given/go goes went/gone/grow grew grown/have has had/hear heard/hide hid hidden/hold
    held/keep kept/know knew known/lead led/leave left/lend lent/lose lost/make made/mean meant/meet met/pay
    paid/rise rose risen/run ran/say said/see saw seen/sell sold/send sent/shake shook shaken/shoot shot/show
    shown/sing sang sung/sink sank sunk/sit sat/sleep slept/speak spoke spoken/spend spent/stand stood/steal
    stole stolen/swim swam swum/take took taken/teach taught/tell told/think thought/throw threw thrown/wake
    woke woken/wear wore worn/win won/write wrote written/child children/man men/woman women/strike struck/tear
    tore torn/freeze froze frozen/draw drew drawn/ring rang rung/bear bore born/beat beaten
"""
_SAME_WORD: Final = {form: group.split()[0] for group in _IRREGULAR.split("/") for form in group.split()}


def stem(word: str) -> str:
    """Return what the forms of a word have in common: ``throws``, ``threw`` and ``thrown`` become one."""
    word = _SAME_WORD.get(word, word)
    for ending in _ENDINGS:
        is_past = ending != "d" or word.endswith("ed")  # "find" is no past of "fin"
        if word.endswith(ending) and is_past and len(word) - len(ending) >= 3:
            return word.removesuffix(ending).rstrip("e")
    return word.rstrip("e")


@dataclass(frozen=True, slots=True)
class Word:
    """One token: ``key`` compares, ``text`` is shown, ``start`` and ``end`` are its place in the text."""

    key: str
    text: str
    start: int
    end: int
    sort: Sort = "word"

    @property
    def is_capitalised(self) -> bool:
        """Whether it is written with a capital (and not only capitals)."""
        return self.text[:1].isupper() and not self.text.isupper()


def words(text: str) -> list[Word]:
    """Return the tokens of ``text``, numbers joined (``twenty five`` is one token)."""
    # NFKC may change the length; what must keep its place is compared only if it does not.
    plain = unicodedata.normalize("NFKC", text)
    if len(plain) != len(text):
        text = plain
    plain = plain.translate(_QUOTES)
    found = [_word(match.group(), match.start(), text) for match in _TOKEN.finditer(plain)]
    return _dates_ordered(_numbers_joined(found, text))


def _word(token: str, start: int, text: str) -> Word:
    shown = text[start : start + len(token)]
    key = _SPELLED.get(token.lower(), token.lower())
    if key[0].isdigit():
        key = key.replace(",", "")
        key = re.sub(r"(st|nd|rd|th)\Z", "", key)
        key = re.sub(r"\.0+\Z", "", key)
        sort: Sort = "number" if key.replace(".", "").isdigit() else "word"
        return Word(key, shown, start, start + len(token), sort)
    if "." in key:
        key = key.replace(".", "")
    return Word(key, shown, start, start + len(token), _sort(key, shown))


def _sort(key: str, shown: str) -> Sort:
    if key in WEEKDAYS:
        return "weekday"
    # A recogniser writes everything small: there "may" and "march" stay words.
    is_month = key in MONTHS and (shown[:1].isupper() or key not in {"may", "march"})
    return "month" if is_month else "word"


def _numbers_joined(tokens: Sequence[Word], text: str) -> list[Word]:
    result: list[Word] = []
    index = 0
    while index < len(tokens):
        value, length = _number(tokens, index)
        if length == 0:
            result.append(tokens[index])
            index += 1
            continue
        first, last = tokens[index], tokens[index + length - 1]
        shown = text[first.start : last.end]
        result.append(replace(first, key=value, text=shown, end=last.end, sort="number"))
        index += length
    return result


def _dates_ordered(tokens: Sequence[Word]) -> list[Word]:
    """Bring ``the 2nd of April`` and ``2 April`` into the order of ``April 2``; places stay with their words."""
    result: list[Word] = []
    for token in tokens:
        result.append(token)
        if token.sort != "month":
            continue
        of = len(result) >= 3 and result[-2].key == "of"
        day = -3 if of else -2
        if len(result) >= -day and result[day].sort == "number" and len(result[day].key) <= 2:
            first = day - 1 if of and len(result) > 3 and result[day - 1].key == "the" else day
            result[first:] = [token, result[day]]
    return result


def _number(tokens: Sequence[Word], index: int) -> tuple[str, int]:
    """Return the number that begins at ``index`` and how many tokens it takes; 0 if there is none."""
    if tokens[index].sort == "number" and "." in tokens[index].key:
        scale = _SCALES.get(tokens[index + 1].key) if index + 1 < len(tokens) else None
        return (f"{round(float(tokens[index].key) * scale)}", 2) if scale else (tokens[index].key, 1)
    total, current, previous, length = 0, 0, -1, 0
    position = index
    while position < len(tokens):
        key = tokens[position].key
        value = int(key) if tokens[position].sort == "number" and key.isdigit() else _VALUES.get(key)
        if value is not None and _fits(value, current, previous):
            current = current + value if not _is_year(previous, value, current) else current * 100 + value
            previous = value
        elif key in _SCALES and previous >= 0:
            total, current = _scaled(total, current, _SCALES[key])
            previous = _SCALES[key]
        elif not (key == "and" and previous >= 100 and _goes_on(tokens, position + 1)):
            break
        position += 1
        length = position - index
    return (str(total + current), length) if length else ("", 0)


def _fits(value: int, current: int, previous: int) -> bool:
    if previous < 0:
        return True
    if _is_year(previous, value, current):
        return True
    if previous >= 100:
        return value < previous and (current == 0 or current % 100 == 0)
    return 20 <= previous <= 90 and previous % 10 == 0 and 0 < value < 10


def _is_year(previous: int, value: int, current: int) -> bool:
    return previous in _CENTURIES and current == previous and 10 <= value <= 99


def _scaled(total: int, current: int, scale: int) -> tuple[int, int]:
    if scale == 100:
        return total, current * 100
    return total + current * scale, 0


def _goes_on(tokens: Sequence[Word], position: int) -> bool:
    if position >= len(tokens):
        return False
    return tokens[position].key in _VALUES or tokens[position].sort == "number"
