"""What an English summary must still share with the sentence it sums up, whatever the order of its words.

An alignment word by word says little about a summary. But a summary invents no facts and no spellings:

1. The *sentence* is the one that has most of the telop's words; with too few of them nothing is said (`SHARED`).
2. A weekday, a month, a year or a number with its unit that nobody said stands where another one was said.
3. A word that is in no dictionary, or a name, one slip away from a word that was said, is that word misspelt.
4. A word that sounds like one that was said, and was not said itself, is the wrong word, if the language agrees.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rapidfuzz.distance import OSA

from jubako_apps.telop.findings import Kind, Suspicion
from jubako_apps.telop.glyphs import latin_skeleton
from jubako_apps.telop.lexicon_en import Lexicon
from jubako_apps.telop.reconcile.english_scene import DROPPED, as_shown
from jubako_apps.telop.spoken_en import sound_near
from jubako_apps.telop.telops import Source
from jubako_apps.telop.text_en import Word, stem

SHARED = 0.5
"""Part of the telop's own words that the sentence must have, facts aside."""

GAIN_NATS = 2.0
_STRETCH = 20
"""Words that count as a sentence where no sign ends one."""

_ENDS = re.compile(r"[.!?]")
_LITTLE = DROPPED | {"and", "or", "by", "with", "from", "that", "it", "as", "not"}
_SHORTEST = 4
_LONG = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A telop beside what was said around it.

    Attributes:
        telop: Its words.
        speech: All words of the window.
        text: The window's text, from which they come.
        source: Whose text it is.
        known: The dictionary.

    """

    telop: Sequence[Word]
    speech: Sequence[Word]
    text: str
    source: Source
    known: Lexicon


def in_summary(summary: Summary) -> Iterator[Suspicion]:
    """Yield what cannot be right, be the telop verbatim or not."""
    sentence, shared = _sentence(summary)
    if shared >= SHARED:
        yield from _facts(summary, sentence)
    said = {word.key for word in summary.speech}
    for position, word in enumerate(summary.telop):
        if (
            word.sort == "word"
            and word.key not in said
            and word.key.isalpha()
            and len(word.key) >= _SHORTEST - 1
        ):
            yield from _near_word(summary, sentence, position, word)


def _sentence(summary: Summary) -> tuple[Sequence[Word], float]:
    """Return the sentence that has most of the telop's words, and which part of them."""
    wanted = {stem(word.key) for word in summary.telop if _counts(word)}
    best: tuple[float, Sequence[Word]] = (0.0, ())
    for words in _sentences(summary.speech, summary.text):
        part = len(wanted & {stem(word.key) for word in words if _counts(word)}) / max(1, len(wanted))
        best = max(best, (part, words), key=lambda one: one[0])
    few = len(wanted) < 2 or best[0] * len(wanted) < 2
    return best[1], 0.0 if few else best[0]


def _counts(word: Word) -> bool:
    return word.sort == "word" and word.key not in _LITTLE and len(word.key) > 2


def _sentences(speech: Sequence[Word], text: str) -> Iterator[Sequence[Word]]:
    cuts = [n for n, (a, b) in enumerate(pairwise(speech), 1) if _ENDS.search(text[a.end : b.start])]
    for first, last in pairwise([0, *cuts, len(speech)]):
        for start in range(first, max(first + 1, last - _STRETCH + 1)):
            yield speech[start : min(last, start + _STRETCH)]


def _facts(summary: Summary, sentence: Sequence[Word]) -> Iterator[Suspicion]:
    everything = {(word.sort, word.key) for word in summary.speech}
    shown = [
        word for word in summary.telop if word.sort != "word" and (word.sort, word.key) not in everything
    ]
    keys = {(word.sort, word.key) for word in summary.telop}
    missing = [word for word in sentence if word.sort != "word" and (word.sort, word.key) not in keys]
    for word in shown:
        others = [one for one in missing if _same_slot(word, one, summary.telop, sentence)]
        if len(others) == 1 and not _only_scaled(word, others[0]):
            is_date = word.sort != "number" or _is_year(word) or _after_month(word, summary.telop)
            yield Suspicion(
                kind="date" if is_date else "number", offset=word.start, wrong=word.text,
                right=as_shown(others[0], word), confidence=_trust(summary, word, others[0]),
                heard_at=(others[0].start, others[0].end),
            )  # fmt: skip


def _trust(summary: Summary, shown: Word, said: Word) -> float:
    if summary.source == "script":
        return 0.8
    return 0.45 if sound_near(shown.key, said.key) else 0.64


def _same_slot(shown: Word, said: Word, telop: Sequence[Word], sentence: Sequence[Word]) -> bool:
    """Say whether one fact can stand in the other's place: a year for a year, a number beside the same noun."""
    if shown.sort != said.sort:
        return False
    if shown.sort != "number":
        return True
    if _is_year(shown) or _is_year(said):
        return _is_year(shown) and _is_year(said)
    ours, theirs = _beside(shown, telop), _beside(said, sentence)
    return bool(ours & theirs)


def _only_scaled(shown: Word, said: Word) -> bool:
    """Say whether one is the other without its "million": cut off, not wrong."""
    short, long = sorted((shown.key, said.key), key=len)
    return len(long) - len(short) >= 3 and long.startswith(short) and not long[len(short) :].strip("0")


def _is_year(word: Word) -> bool:
    return word.text.isdigit() and len(word.key) == 4 and word.key[:2] in {"16", "17", "18", "19", "20"}


def _after_month(word: Word, telop: Sequence[Word]) -> bool:
    place = telop.index(word)
    return place > 0 and telop[place - 1].sort == "month"


def _beside(number: Word, words: Sequence[Word]) -> set[str]:
    """Return what the number counts or names: the next words, or the noun before it."""
    place = words.index(number)
    near = [*words[place + 1 : place + 3], *words[max(0, place - 1) : place]]
    return {
        stem(word.key)
        for word in near
        if word.sort == "month" or (word.sort == "word" and word.key not in _LITTLE)
    }


def _near_word(summary: Summary, sentence: Sequence[Word], position: int, shown: Word) -> Iterator[Suspicion]:
    known = summary.known.has(shown.key)
    is_name = shown.is_capitalised and position > 0
    shown_keys = {word.key for word in summary.telop}
    for said in summary.speech:
        if (
            said.sort != "word"
            or latin_skeleton(said.key) == latin_skeleton(shown.key)
            or said.key in _LITTLE
        ):
            continue
        near = OSA.distance(shown.key, said.key) <= (2 if len(shown.key) >= _LONG else 1)
        if not known and near and stem(shown.key) != stem(said.key) and len(shown.key) >= _SHORTEST:
            kind: Kind = "name" if is_name and said.text[:1].isupper() else "misspelling"
            yield _suspicion(kind, shown, said, 0.9)
            return
        if not known or said.key in shown_keys or said not in sentence or stem(shown.key) == stem(said.key):
            continue
        if _sounds_alike(summary, shown, said) and _reads_better(summary, position, said):
            yield _suspicion("homophone", shown, said, 0.8 if summary.source == "script" else 0.7)
            return


def _sounds_alike(summary: Summary, shown: Word, said: Word) -> bool:
    """A recogniser may have misheard what sounds nearly the same; a script has not."""
    if summary.known.sounds_same(shown.key, said.key):
        return True
    return summary.source == "script" and summary.known.sounds_near(shown.key, said.key)


def _reads_better(summary: Summary, position: int, said: Word) -> bool:
    before = [word.text.lower() for word in summary.telop]
    after = [*before[:position], said.text.lower(), *before[position + 1 :]]
    gain = summary.known.log_probability(after) - summary.known.log_probability(before)
    is_certain = summary.source == "script" and summary.known.sounds_same(
        summary.telop[position].key, said.key
    )
    return gain >= (0.0 if is_certain else GAIN_NATS)


def _suspicion(kind: Kind, shown: Word, said: Word, confidence: float) -> Suspicion:
    return Suspicion(
        kind=kind, offset=shown.start, wrong=shown.text, right=said.text, confidence=confidence,
        heard_at=(said.start, said.end),
    )  # fmt: skip
