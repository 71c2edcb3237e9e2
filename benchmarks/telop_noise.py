"""What a recogniser makes of a sentence: words taken for others that sound alike, left out, or put in.

A mishearing differs from a slip of the hand: it is a word of the dictionary, it sounds like what was said, and of
several such words it is the one that is usual there. Numbers are misheard as numbers that sound alike.

``rate`` is the part of the words (English) or of the signs (Japanese) that come out wrong, about.
"""

import random
import re
from collections import defaultdict
from functools import cache

from jubako_apps.telop.lexicon_en import lexicon
from telop_readings import Said, cut, near_sound, same_sound

_USUAL_NATS = -14.5
_CHOICES = 4
_LITTLE = "a an the and of to in on at for is was it that".split()  # noqa: SIM905
_TEENS = dict(zip(range(13, 20), range(30, 100, 10), strict=True))
_NEAR = {1: 9, 2: 10, 3: 30, 4: 40, 5: 9, 6: 60, 7: 11, 8: 80, 9: 5}
_ALIKE_JA = dict(zip("1234678一二三四六七八九", "7443981七四四三九八一十", strict=True))
"""Digits that sound alike in Japanese; nothing sounds like five."""

_PARTICLES = {
    "は": "が",
    "が": "は",
    "を": "も",
    "に": "で",
    "で": "に",
    "も": "の",
    "と": "の",
    "へ": "で",
    "の": "も",
}


def noisy(text: str, language: str, rate: float, rng: random.Random) -> str:
    """Return ``text`` as a poor recogniser would have it."""
    return (_english if language == "en" else _japanese)(text, rate, rng)


def _english(text: str, rate: float, rng: random.Random) -> str:
    plain = re.sub(r"(?<!\d)[.,]|[.,](?!\d)|[\"!?;:]", "", text.lower()).split()
    heard: list[str] = []
    for word in plain:
        if rng.random() >= rate:
            heard.append(word)
        else:
            heard += _misheard_en(word, heard, rng)
    return " ".join(heard)


def _misheard_en(word: str, before: list[str], rng: random.Random) -> list[str]:
    way = rng.random()
    if re.match(r"\d", word):
        return [_misheard_number(word)]
    if way < 0.15 or (way < 0.4 and word in _LITTLE):
        return []
    if way < 0.3:
        return [word, rng.choice(_LITTLE)]
    near = [one for one in _neighbours(word) if one != word]
    if not near:
        return [] if len(word) < 4 else [word, rng.choice(_LITTLE)]
    some = rng.sample(near, min(_CHOICES, len(near)))
    history = before[-2:]
    return [max(some, key=lambda one: (lexicon().log_probability([*history, one]), one))]


def _neighbours(word: str) -> list[str]:
    """Return usual words of the same sound, or with one sound more, less or other."""
    known = _sounds()
    found: set[str] = set()
    for sound in known.get(word, ()):
        for key in _slips(sound):
            found |= _words_by_slip().get(key, set())
    return sorted(found)


def _slips(sound: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the sound with each one of its parts unknown: two sounds one part apart share one of these."""
    return [(*sound[:n], "?", *sound[n + 1 :]) for n in range(len(sound))] + [
        (*sound[:n], "?", *sound[n:]) for n in range(len(sound) + 1)
    ]


@cache
def _sounds() -> dict[str, list[tuple[str, ...]]]:
    known = lexicon()
    usual = (word for word in known.entries() if known.frequency(word) > _USUAL_NATS)
    return {word: [tuple(sound.split()) for sound in sorted(known.sounds(word))] for word in usual}


@cache
def _words_by_slip() -> dict[tuple[str, ...], set[str]]:
    found: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for word, sounds in _sounds().items():
        for sound in sounds:
            for key in _slips(sound):
                found[key].add(word)
    return dict(found)


def _misheard_number(word: str) -> str:
    """Return a number that sounds alike: fifteen for fifty, forty for four, five for nine."""
    match = re.match(r"[\d,]+", word)
    assert match is not None, word
    digits, rest = match.group().replace(",", ""), word[match.end() :]
    value = int(digits)
    low = value % 100
    tens = {many: few for few, many in _TEENS.items()}
    if low in _TEENS or low in tens:
        return f"{value - low + (_TEENS.get(low) or tens[low])}{rest}"
    if value % 10:
        return f"{value - value % 10 + _NEAR[value % 10]}{rest}"
    return f"{value + 1}{rest}" if value < 10 else f"{value + _NEAR[1]}{rest}"


def _japanese(text: str, rate: float, rng: random.Random) -> str:
    heard: list[str] = []
    place = 0
    for word in cut(text):
        heard.append(re.sub("[、。！？・]", "", text[place : word.start]))
        place = word.start + len(word.text)
        # A misheard word has about two wrong signs in three, and particles only one.
        odds = rate * (1.0 if len(word.text) == 1 else 1.2)
        heard.append(_misheard_ja(word, rng) if rng.random() < odds else re.sub("[、。]", "", word.text))
    return "".join(heard)


def _misheard_ja(word: Said, rng: random.Random) -> str:
    if word.text in "、。":
        return ""
    if word.part[1] == "数" or word.text[0].isdigit():
        return "".join(_ALIKE_JA.get(sign, sign) for sign in word.text)
    if word.part[0] == "助詞":
        return rng.choice(["", _PARTICLES.get(word.text, "")])
    if word.part[0] == "名詞" and word.part[1] != "接尾":
        near = near_sound(word.reading) if len(word.reading) > 2 else []
        choices = [*_other(word, same_sound(word.reading, word.part))[:3], *_other(word, near)[:3]]
        if choices:
            return rng.choice(choices)
    return rng.choice([word.text[:-1], word.text + "の", word.reading and _hiragana(word.reading)])


def _other(word: Said, choices: list[str]) -> list[str]:
    """Return the choices that are other words, written in kanji as a recogniser would."""
    return [one for one in choices if one != word.text and re.fullmatch("[\u4e00-\u9fff々]+", one)]


def _hiragana(reading: str) -> str:
    return "".join(chr(ord(sign) - 0x60) if "ァ" <= sign <= "ヶ" else sign for sign in reading if sign != "’")
