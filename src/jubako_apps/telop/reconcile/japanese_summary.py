"""What a Japanese summary must still share with the sentence it sums up, whatever the order of its words.

1. The *sentence* is the one that has most of the telop's kanji and katakana; with too few nothing is said (`SHARED`).
2. A number with its unit, or a weekday, that nobody said stands where another one was said.
3. A word that was not said, and is read like one that was, is the wrong word.
4. A stretch of kanji that was not said, and looks like one that was or stands between the same neighbours, is misspelt.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from jubako_apps.telop import notation
from jubako_apps.telop.amounts_ja import amounts, are_comparable, beside, is_slip, unit
from jubako_apps.telop.findings import Kind, Suspicion
from jubako_apps.telop.glyphs import lookalike, same_shapes
from jubako_apps.telop.text_ja import (
    Morpheme,
    Piece,
    is_kana,
    is_word,
    kanji,
    morphemes,
    normal,
    voiced,
)

SHARED: Final = 0.5
"""Part of the telop's kanji and katakana that the sentence must have."""

_WORDS_RUN: Final = 3
_SHORTEST_SOUND: Final = 3
_SENTENCE: Final = re.compile(r"[^。！？!?\n]+")
_WEEKDAY: Final = re.compile("([月火水木金土日])曜")
_TELLING: Final = re.compile("(?![年月日時分人円])[\u3400-\u9fffァ-ヺー々]")
"""Signs by which a sentence is known; what any date and any price has is not among them."""

_DATES: Final = frozenset("年月日時")
_CONTENT: Final = frozenset({"名詞", "動詞", "形容詞", "形状詞", "副詞"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A telop beside what was said around it: texts and pieces."""

    text: str
    parts: Sequence[Piece]
    speech: str
    heard: Sequence[Piece]

    @property
    def said(self) -> str:
        """All that was said, as keys."""
        return "".join(part.key for part in self.heard)


def in_summary(summary: Summary) -> Iterator[Suspicion]:
    """Yield what cannot be right, be the telop verbatim or not."""
    sentence, shared = _sentence(summary)
    if shared < SHARED:
        return
    yield from _numbers(summary, amounts(sentence))
    yield from _weekdays(summary, sentence)
    yield from _same_sounds(summary, sentence)
    yield from _strange_kanji(summary, sentence)
    yield from _slipped_kana(summary)


def _sentence(summary: Summary) -> tuple[str, float]:
    wanted = set(_TELLING.findall(summary.text))
    found = _SENTENCE.findall(summary.speech)
    shares = [(len(wanted & set(one)) / len(wanted), one) for one in found] if wanted else []
    best = max(shares, key=lambda pair: pair[0], default=(0.0, ""))
    return (best[1], best[0]) if best[0] * len(wanted) >= 2 else ("", 0.0)


def _numbers(summary: Summary, sentence: Sequence[Piece]) -> Iterator[Suspicion]:
    said = {part.key for part in summary.heard if part.is_number}
    shown = {part.key for part in summary.parts if part.is_number}
    for place, part in enumerate(summary.parts):
        if not part.is_number or part.key in said:
            continue
        others = _meant(summary, place, [one for one in _numbered(sentence) if one.key not in shown])
        if len(others) == 1:
            counted = unit(summary.parts, place)
            kind: Kind = "date" if counted in _DATES and len(part.key) <= 4 else "number"
            right = notation.japanese(others[0], summary.text[part.start : part.end])
            yield _of(summary, place, place + 1, right, kind, 0.88)


@dataclass(frozen=True, slots=True)
class _Number:
    key: str
    unit: str


def _numbered(parts: Sequence[Piece]) -> list[_Number]:
    return [_Number(one.key, unit(parts, n)) for n, one in enumerate(parts) if one.is_number]


def _meant(summary: Summary, place: int, said: Sequence[_Number]) -> list[str]:
    """Return which numbers may have been meant: those of the same unit; without any, what a finger slipped from."""
    part = summary.parts[place]
    counted, around = unit(summary.parts, place), beside(summary.text, part)
    same = [
        one.key
        for one in said
        if one.unit == counted != "" and are_comparable(part.key, one.key, counted, around)
    ]
    return same or [one.key for one in said if len(part.key) > 1 and is_slip(part.key, one.key)]


def _weekdays(summary: Summary, sentence: str) -> Iterator[Suspicion]:
    said = set(_WEEKDAY.findall(sentence))
    for match in _WEEKDAY.finditer(summary.text):
        day = match.group(1)
        if len(said) == 1 and day not in said and f"{day}曜" not in summary.speech:
            yield Suspicion(
                kind="date",
                offset=match.start(),
                wrong=match.group(),
                right=f"{min(said)}曜",
                confidence=0.88,
            )


def _same_sounds(summary: Summary, sentence: str) -> Iterator[Suspicion]:
    """Yield words that are read like others that were said."""
    spoken = {
        _sound(run): run for run in _runs(morphemes(amounts(sentence), short=True)) if kanji(_surface(run))
    }
    for run in _runs(morphemes(summary.parts, short=True)):
        shown = _surface(run)
        if not kanji(shown) or shown in summary.said or all(word.part[0] not in _CONTENT for word in run):
            continue
        other = spoken.get(_sound(run))
        is_long = len(_sound(run)) >= _SHORTEST_SOUND or len(kanji(shown)) > 1
        if (
            other is None
            or not is_long
            or _surface(other) in summary.text
            or same_shapes(shown, _surface(other))
        ):
            continue
        if not kanji(_surface(other)) - kanji(shown):
            continue  # kana are no evidence against kanji
        if not _are_spellings(run, other):
            kind: Kind = "name" if any("人名" in word.part for word in other) else "homophone"
            yield _of(summary, run[0].first, run[-1].last, _surface(other), kind, 0.9)
        elif kanji(shown) - kanji(_surface(other)) and kanji(_surface(other)) - kanji(shown):
            yield _of(summary, run[0].first, run[-1].last, _surface(other), "variant", 0.65)


def _runs(words: Sequence[Morpheme]) -> Iterator[Sequence[Morpheme]]:
    """Yield each word, and each row of two and three that are not all particles."""
    for length in range(1, _WORDS_RUN + 1):
        for first in range(len(words) - length + 1):
            run = words[first : first + length]
            is_counted = any("数詞" in word.part for word in run)
            if run[0].part[0] in _CONTENT and run[-1].part[0] != "助詞" and not is_counted:
                yield run


def _are_spellings(run: Sequence[Morpheme], other: Sequence[Morpheme]) -> bool:
    return "".join(word.normal for word in run) == "".join(word.normal for word in other)


def _sound(words: Sequence[Morpheme]) -> str:
    return "".join(word.reading for word in words)


def _surface(words: Sequence[Morpheme]) -> str:
    return "".join(word.surface for word in words)


def _strange_kanji(summary: Summary, sentence: str) -> Iterator[Suspicion]:
    """Yield stretches of kanji of which no two neighbours were said together."""
    keys = [part.key for part in summary.parts]
    spoken = "".join(part.key for part in amounts(sentence))
    for first, last in _unsaid(keys, summary.said):
        shown = "".join(keys[first:last])
        before, after = "".join(keys[max(0, first - 2) : first]), "".join(keys[last : last + 2])
        right = _instead(shown, before, after, spoken, "".join(keys))
        if right is not None:
            is_variant = _is_variant(summary, first, last, right)
            kind = "variant" if is_variant else _kind(shown, right)
            yield _of(summary, first, last, right, kind, 0.65 if is_variant else 0.88)


def _is_variant(summary: Summary, first: int, last: int, right: str) -> bool:
    """Say whether the word around ``first:last`` is the same word with ``right`` in it."""
    for word in morphemes(summary.parts):
        if word.first <= first and last <= word.last:
            keys = [part.key for part in summary.parts]
            better = "".join([*keys[word.first : first], right, *keys[last : word.last]])
            return normal(word.surface) == normal(better)
    return False


def _slipped_kana(summary: Summary) -> Iterator[Suspicion]:
    """Yield kana that were said behind the same kanji with, or without, a mark of voicing."""
    keys = [part.key for part in summary.parts]
    for place in range(1, len(keys)):
        shown, before = keys[place], keys[place - 1]
        if not kanji(before) or len(shown) != 1 or not is_kana(shown) or before + shown in summary.said:
            continue
        others = [sign for sign in voiced(shown) if before + sign in summary.said]
        if others:
            yield _of(summary, place, place + 1, others[0], "kana", 0.8)


def _unsaid(keys: Sequence[str], said: str) -> Iterator[tuple[int, int]]:
    """Yield the runs of kanji that have no neighbour with which they were said."""
    known = [False] * len(keys)
    for n, (one, other) in enumerate(pairwise(keys)):
        if one + other in said:
            known[n] = known[n + 1] = True
    first = 0
    while first < len(keys):
        last = first
        while last < len(keys) and not known[last] and kanji(keys[last]):
            last += 1
        if last > first:
            yield first, last
        first = last + 1


def _instead(shown: str, before: str, after: str, spoken: str, telop: str) -> str | None:
    """Return the stretch of the same length that was said and is not shown, if it is the one that was meant."""
    size = len(shown)
    for start in range(len(spoken) - size + 1):
        other = spoken[start : start + size]
        if other in telop or len(kanji(other)) < len(set(other)) or same_shapes(shown, other):
            continue
        right = bool(after) and spoken[start + size :].startswith(after[:1])
        same = sum(a == b for a, b in zip(shown, other, strict=True))
        alike = all(a == b or lookalike(a, b) for a, b in zip(shown, other, strict=True))
        if alike or (size == 2 and same and not is_word(shown)):
            return other
        far = len(before) == 2 and spoken[:start].endswith(before)
        if size >= 2 and far and right and not is_kana(before):
            return other
    return None


def _kind(shown: str, right: str) -> Kind:
    alike = all(a == b or lookalike(a, b) for a, b in zip(shown, right, strict=True))
    return "lookalike" if alike else "misspelling"


def _of(summary: Summary, first: int, last: int, right: str, kind: Kind, confidence: float) -> Suspicion:
    start, end = summary.parts[first].start, summary.parts[last - 1].end
    return Suspicion(
        kind=kind, offset=start, wrong=summary.text[start:end], right=right, confidence=confidence
    )
