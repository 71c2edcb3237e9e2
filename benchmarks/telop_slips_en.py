"""Slips of the hand in English telops: every way in which one telop can go wrong, by class."""

import random
import re
from collections.abc import Callable
from itertools import pairwise

from telop_slips import Slip

MONTHS = "January February March April May June July August September October November December".split()  # noqa: SIM905
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()  # noqa: SIM905
_VALUES = "two three four five six seven eight nine ten eleven twelve thirty forty fifty".split()  # noqa: SIM905
_LITTLE = "of to for by with from in on at than that as and into".split()  # noqa: SIM905
_VERBS = "has have had been was were will be is are".split()  # noqa: SIM905

_SOUND_ALIKE = """
    their/there/they're its/it's your/you're whether/weather whose/who's to/too two/too/to than/then
    lose/loose brake/break bare/bear board/bored buy/by cell/sell coarse/course council/counsel
    dairy/diary dear/deer fair/fare find/fined fourth/forth great/grate hair/hare heal/heel hear/here
    heard/herd higher/hire hole/whole hour/our hours/ours idle/idol knew/new knight/night know/no made/maid
    mail/male main/mane meat/meet night/knight one/won pain/pane passed/past patience/patients peace/piece plain/plane
    poor/pour principal/principle rain/reign raise/raze read/red right/write road/rode role/roll root/route
    sail/sale scene/seen sea/see seas/seize sight/site steal/steel steel/steal straight/strait strait/straight
    tail/tale through/threw tide/tied waist/waste wait/weight way/weigh weak/week weather/whether week/weak
    wood/would affect/effect accept/except advice/advise desert/dessert quiet/quite stationary/stationery
    complement/compliment seller/cellar soldiers/solders ceiling/sealing miner/minor mine/mind mined/mind
    bail/bale bell/belle berth/birth blew/blue bough/bow bread/bred chews/choose flour/flower for/four four/for
    free/three grown/groan guessed/guest guest/guessed lead/led led/lead leak/leek missed/mist nets/knits oar/or
    packed/pact peel/peal prey/pray rose/rows rows/rose serial/cereal cereal/serial sewn/sown sole/soul
    some/sum son/sun sun/son wear/where when/wen whole/hole witch/which which/witch won/one wrapped/rapt
    ball/bawl bears/bares crews/cruise days/daze fined/find fur/fir gait/gate height/hight holy/wholly horse/hoarse
    kernel/colonel medal/meddle metal/medal not/knot pair/pear pass/parse please/pleas prophet/profit sauce/source
    sense/cents soup/sup source/sauce tire/tyre toes/tows vote/boat wail/whale ware/wear yolk/yoke
    dye/die die/dye died/dyed buried/berried built/billed cast/caste fisher/fissure sent/scent scent/sent
"""
SOUND_ALIKE = {
    word: others for word, *others in (group.split("/") for group in _SOUND_ALIKE.split()) if others
}
"""A word, and what stands in its place by mistake; near-sounding ones included."""

_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def slips(words: list[str], rng: random.Random, *, is_whole: bool) -> list[Slip]:
    """Return one choice of errors for each word that can carry one."""
    found = [slip for word_slip in _EACH for n in range(len(words)) for slip in word_slip(words, n, rng)]
    found += [
        Slip(kind="doubled", place=n, old=words[n], new=f"{words[n]} {words[n]}") for n in _some(words, rng)
    ]
    if is_whole:
        found += _missing(words, rng) + _extra(words, rng)
    return [slip for slip in found if slip.old != slip.new]


def _split(word: str) -> tuple[str, str, str]:
    """Return what stands before the word proper, the word, and what follows it."""
    match = re.fullmatch(r"([^\w]*)(.*?)([^\w]*)", word)
    assert match is not None, word
    return match[1], match[2], match[3]


def _misspelt(words: list[str], place: int, rng: random.Random) -> list[Slip]:
    before, core, after = _split(words[place])
    if not (core.isalpha() and core.islower() and len(core) >= 5):
        return []
    at = rng.randint(1, len(core) - 3)
    ways = [
        core[:at] + core[at + 1] + core[at] + core[at + 2 :],
        core[:at] + core[at + 1 :],
        core[:at] + core[at] + core[at:],
        core[:at] + _neighbour(core[at], rng) + core[at + 1 :],
    ]
    return [Slip(kind="misspelling", place=place, old=words[place], new=before + rng.choice(ways) + after)]


def _neighbour(letter: str, rng: random.Random) -> str:
    row = next(row for row in _KEYS if letter in row)
    at = row.index(letter)
    return rng.choice([row[n] for n in (at - 1, at + 1) if 0 <= n < len(row)])


def _homophone(words: list[str], place: int, rng: random.Random) -> list[Slip]:
    before, core, after = _split(words[place])
    others = SOUND_ALIKE.get(core.lower())
    if others is None or core in MONTHS:
        return []
    other = rng.choice(others)
    new = other.capitalize() if core[0].isupper() else other
    return [Slip(kind="homophone", place=place, old=words[place], new=before + new + after)]


def _number(words: list[str], place: int, rng: random.Random) -> list[Slip]:
    before, core, after = _split(words[place])
    ordinal = re.sub(r"(st|nd|rd|th)$", "", core)
    is_day = ordinal != core or (words[place - 1 : place] and words[place - 1] in MONTHS)
    kind = "date" if is_day or re.fullmatch(r"(1[0-9]|20)\d\d", core) else "number"
    if core.lower() in _VALUES:
        other = rng.choice([value for value in _VALUES if value != core.lower()])
        return [Slip(kind="number", place=place, old=words[place], new=before + other + after)]
    if not re.fullmatch(r"\d[\d,.]*", ordinal):
        return []
    return [
        Slip(kind=kind, place=place, old=words[place], new=before + new + core[len(ordinal) :] + after)
        for new in [_digits(ordinal, rng)]
        if float(new.replace(",", "")) != float(ordinal.replace(",", ""))
    ]


def _digits(number: str, rng: random.Random) -> str:
    """Return it with a digit changed, or two exchanged."""
    places = [n for n, char in enumerate(number) if char.isdigit()]
    pairs = [(a, b) for a, b in pairwise(places) if number[a] != number[b] != "0"]
    if pairs and rng.random() < 0.4:
        a, b = rng.choice(pairs)
        return number[:a] + number[b] + number[a + 1 : b] + number[a] + number[b + 1 :]
    at = rng.choice(places)
    low = 1 if at == 0 else 0
    return (
        number[:at] + rng.choice([str(n) for n in range(low, 10) if str(n) != number[at]]) + number[at + 1 :]
    )


def _date(words: list[str], place: int, rng: random.Random) -> list[Slip]:
    before, core, after = _split(words[place])
    for group in (MONTHS, DAYS):
        if core in group:
            other = rng.choice([one for one in group if one != core])
            return [Slip(kind="date", place=place, old=words[place], new=before + other + after)]
    return []


def _name(words: list[str], place: int, rng: random.Random) -> list[Slip]:
    before, core, after = _split(words[place])
    if place == 0 or not core[:1].isupper() or core in MONTHS + DAYS or not core.isalpha() or len(core) < 4:
        return []
    at = rng.randint(1, len(core) - 2)
    ways = [
        core[:at] + rng.choice("aeinorst") + core[at + 1 :],
        core[:at] + core[at + 1] + core[at] + core[at + 2 :],
        core[:at] + core[at + 1 :],
    ]
    return [Slip(kind="name", place=place, old=words[place], new=before + rng.choice(ways) + after)]


_EACH: tuple[Callable[[list[str], int, random.Random], list[Slip]], ...] = (
    _misspelt, _homophone, _number, _date, _name,
)  # fmt: skip


def _some(words: list[str], rng: random.Random) -> list[int]:
    plain = [n for n in range(1, len(words) - 1) if words[n].isalpha()]
    return rng.sample(plain, min(2, len(plain)))


def _missing(words: list[str], rng: random.Random) -> list[Slip]:
    """Leave out a word that the sentence cannot do without."""
    places = [n for n in range(2, len(words) - 2) if words[n] in _LITTLE[:9] or words[n] in _VERBS[:3]]
    places += [
        n for n in range(2, len(words) - 2) if words[n].islower() and words[n - 1] in {"the", "a", "of", "to"}
    ]
    return [
        Slip(kind="missing", place=n, old=words[n], new="") for n in rng.sample(places, min(1, len(places)))
    ]


def _extra(words: list[str], rng: random.Random) -> list[Slip]:
    """Leave behind a little word of an earlier wording."""
    places = [n for n in range(2, len(words) - 1) if words[n] in _LITTLE or words[n] in _VERBS]
    if not places:
        return []
    at = rng.choice(places)
    group = _VERBS if words[at] in _VERBS else _LITTLE
    other = rng.choice([word for word in group if word != words[at]])
    return [Slip(kind="extra", place=at, old=words[at], new=f"{words[at]} {other}")]
