"""Asking the sound itself: which of a few wordings was said at this place?

A recogniser's free transcript is a poor witness, but its acoustic model tells a handful of wordings apart well:

1. The words around the doubtful one stay as they were recognised (`AROUND` on each side); in the slot stands one
   wording after the other, as a JSGF grammar of its own, over the same stretch of sound. The one that fits best was
   said.
2. Words that sound the same cannot be told apart; nothing is said about them. The same holds for a word that is in no
   dictionary.
3. Numbers are tried in every way in which they are usually said.
"""

from collections.abc import Sequence
from typing import Any, Final, Protocol, runtime_checkable

from jubako_apps.telop.media import SAMPLE_RATE, Pcm
from jubako_apps.telop.recognisers import BUILT_IN, recogniser
from jubako_apps.telop.spoken_en import wordings
from jubako_apps.telop.telops import Word
from jubako_apps.telop.voice import Sound

AROUND: Final = 3
_APART_S: Final = 5.0
_MARGIN_S: Final = 0.15
CLOSE: Final = 1.5
"""Within so many nats two sentences are equally likely to a recogniser that judges its own."""

_LONGEST_S: Final = 28.0
"""No longer stretch of sound is asked."""


def near(words: Sequence[Word], first: int, last: int) -> tuple[int, int]:
    """Return the indices of the slot with the words around it, none of them beyond a long silence.

    Where part of the speech is missing, the next word may be hours away.
    """
    low, high = first, last
    while low > max(0, first - AROUND) and words[low].start - words[low - 1].end < _APART_S:
        low -= 1
    while high < min(len(words), last + AROUND) and words[high].start - words[high - 1].end < _APART_S:
        high += 1
    return low, high


class Ear(Protocol):
    """Decides between two wordings by the sound.

    Attributes:
        clear: From which `margin` on the sound is clearly for what was heard.

    """

    clear: float

    def margin(self, words: Sequence[Word], first: int, last: int, shown: str, heard: str) -> float | None:
        """Say how much better the sound fits ``heard`` than ``shown``; below 0 it fits ``shown`` better.

        Args:
            words: What was recognised, with times.
            first: Index of the first word in the slot.
            last: Index behind its last word.
            shown: What the telop has there.
            heard: What was recognised there.

        Returns:
            How much better, on the ear's own scale, or None: the sound cannot tell.

        """
        ...


def ear_of(sound: Sound, listener: str, language: str) -> "Ear | None":
    """Return what listens again to what ``listener`` has recognised; None if it cannot judge given sentences.

    Raises:
        RecogniserMissing: Its model is not there.

    """
    if listener == BUILT_IN:
        return SphinxEar(sound)
    found = recogniser(listener, language)
    return SentenceEar(sound, found, language) if isinstance(found, Fitting) else None


class SphinxEar:
    """English, with pocketsphinx's models, over the sound of a video; scores for each second of the slot."""

    clear = 0.02

    def __init__(self, sound: Sound) -> None:
        from pocketsphinx import Decoder  # noqa: PLC0415 - loads its models; only tasks that listen pay it

        self._sound = sound
        self._decoder: Any = Decoder(samprate=SAMPLE_RATE, loglevel="FATAL", lm=None)
        self._known: dict[str, bool] = {}

    def margin(self, words: Sequence[Word], first: int, last: int, shown: str, heard: str) -> float | None:
        """See Ear."""
        low, high = near(words, first, last)
        before = [word.text for word in words[low:first]]
        after = [word.text for word in words[last:high]]
        ours, theirs = self._sayable(shown), self._sayable(heard)
        if not ours or not theirs or self._sounds(ours) & self._sounds(theirs) or not before + after:
            return None
        start, end = words[low].start - _MARGIN_S, words[high - 1].end + _MARGIN_S
        if end - start > _LONGEST_S:
            return None
        sound = self._sound.between(start, end)
        fits = [max(self._score(sound, [*before, *way, *after]) for way in ways) for ways in (theirs, ours)]
        if max(fits) == float("-inf"):
            return None
        length = max(0.2, words[last - 1].end - words[first].start)
        return (
            (fits[0] - fits[1]) / length
            if min(fits) > float("-inf")
            else (1e6 if fits[0] > fits[1] else -1e6)
        )

    def _sayable(self, text: str) -> list[list[str]]:
        return [way for way in wordings(text) if all(map(self._has, way))]

    def _has(self, word: str) -> bool:
        if word not in self._known:
            self._known[word] = self._decoder.lookup_word(word) is not None
        return self._known[word]

    def _sounds(self, ways: list[list[str]]) -> set[str]:
        return {" ".join(self._decoder.lookup_word(word) for word in way) for way in ways}

    def _score(self, sound: Pcm, wording: list[str]) -> float:
        grammar = f"#JSGF V1.0; grammar slot; public <slot> = {' '.join(wording)};"
        self._decoder.add_jsgf_string("slot", grammar)
        self._decoder.activate_search("slot")
        self._decoder.reinit_feat()
        self._decoder.start_utt()
        self._decoder.process_raw(sound.tobytes(), full_utt=True)
        self._decoder.end_utt()
        found = self._decoder.hyp()
        if found is None or len(found.hypstr.split()) != len(wording):
            return float("-inf")
        return float(found.score)


@runtime_checkable
class Fitting(Protocol):
    """Says how well whole sentences fit a sound; `jubako_apps.telop.recognisers.whisper` does."""

    def fits(self, sound: Pcm, texts: Sequence[str]) -> list[float]:
        """Return the logarithm of each text's probability."""
        ...


class SentenceEar:
    """Any language, with a recogniser that can say how likely a given sentence is.

    It has written what was heard itself, so that is nearly always the likelier one. What counts is by how much: a
    mishearing leaves what was really said close behind.
    """

    clear = 4.0

    def __init__(self, sound: Sound, recogniser: Fitting, language: str) -> None:
        self._sound = sound
        self._recogniser = recogniser
        self._language = language
        self._known: dict[tuple[float, float, str, str], float] = {}

    def margin(self, words: Sequence[Word], first: int, last: int, shown: str, heard: str) -> float | None:
        """See Ear; in nats, less `CLOSE`."""
        if _sounds(shown, self._language) & _sounds(heard, self._language):
            return None
        low, high = max(0, first - 2 * AROUND), min(len(words), last + 2 * AROUND)
        start, end = words[low].start - _MARGIN_S, words[high - 1].end + _MARGIN_S
        if end - start > _LONGEST_S:
            return None
        between = "" if self._language == "ja" else " "
        before, after = (
            between.join(word.text for word in part) for part in (words[low:first], words[last:high])
        )
        wanted, other = (between.join(filter(None, (before, slot, after))) for slot in (heard, shown))
        place = (start, end, wanted, other)
        if place not in self._known:
            fits = self._recogniser.fits(self._sound.between(start, end), [wanted, other])
            self._known[place] = fits[0] - fits[1] - CLOSE
        return self._known[place]


def _sounds(text: str, language: str) -> set[str]:
    """Return how the text is said, as far as its language's dictionary knows."""
    if language == "ja":
        from jubako_apps.telop.text_ja import reading  # noqa: PLC0415 - loaded with the language

        return {reading(text)}
    from jubako_apps.telop.lexicon_en import lexicon  # noqa: PLC0415

    return set(lexicon().sounds(text.lower()))
