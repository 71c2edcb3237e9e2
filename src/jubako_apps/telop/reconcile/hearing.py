"""Doubts about what a recogniser wrote, settled by the sound.

Only suspicions that rest on a recognised word are weighed (`Suspicion.heard_at`). What the sound contradicts is
hardly worth reporting; what it supports clearly is worth more, for facts much more than for words: another number is
never a matter of style.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from jubako_apps.telop.findings import Kind, Suspicion
from jubako_apps.telop.telops import Utterance, Word
from jubako_apps.telop.text_en import MONTHS, WEEKDAYS

if TYPE_CHECKING:
    from jubako_apps.telop.verify import Ear

CLOSED: Final = (WEEKDAYS, MONTHS)
"""Sets of which one member is said where another is shown."""

_WORTH: Final = 0.35
"""Below this nothing but facts and names can still be worth reporting; listening costs time."""

_CONTRADICTED: Final = 0.35
_UNDECIDED: Final = 0.8
_SUPPORTED: Final[Mapping[Kind, float]] = {"number": 0.9, "date": 0.9, "name": 0.75}
"""What a supported suspicion is worth at least."""


def weighed(suspicion: Suspicion, speech: Sequence[Utterance], ear: "Ear") -> Suspicion:
    """Return the suspicion with the confidence that it has after listening again.

    Args:
        suspicion: Found by comparing with the texts of ``speech``, joined by line ends.
        speech: Recognised, with words.
        ear: Listens.

    """
    words = [word for utterance in speech for word in utterance.words]
    slot = _slot(speech, suspicion.heard_at) if suspicion.heard_at else None
    is_hopeless = suspicion.confidence < _WORTH and suspicion.right and suspicion.kind not in _SUPPORTED
    if slot is None or is_hopeless:
        return suspicion
    if not suspicion.right:
        return _chosen(suspicion, words, slot, ear)
    margin = ear.margin(words, *slot, suspicion.wrong, suspicion.right)
    if margin is None:
        return suspicion
    confidence = suspicion.confidence
    if margin < 0:
        confidence *= _CONTRADICTED
    elif margin >= ear.clear:
        confidence = max(confidence, _SUPPORTED.get(suspicion.kind, 0.0))
    elif suspicion.kind in {"number", "date"}:
        confidence *= _UNDECIDED
    return replace(suspicion, confidence=round(confidence, 3))


def _chosen(suspicion: Suspicion, words: Sequence[Word], slot: tuple[int, int], ear: "Ear") -> Suspicion:
    """Find which other member of a closed set was said, where the recogniser understood none of them."""
    others = next((group for group in CLOSED if suspicion.wrong.lower() in group), frozenset())
    margins = [
        (margin, other)
        for other in sorted(others - {suspicion.wrong.lower()})
        if (margin := ear.margin(words, *slot, suspicion.wrong, other)) is not None
    ]
    margin, right = max(margins, default=(0.0, ""))
    if margin < ear.clear:
        return suspicion
    return replace(suspicion, right=right.capitalize(), confidence=0.75)


def _slot(speech: Sequence[Utterance], span: tuple[int, int]) -> tuple[int, int] | None:
    """Return the indices of the words that stand at ``span`` of the utterances' texts joined by line ends."""
    inside, index, begin = [], 0, 0
    for utterance in speech:
        place = 0
        for word in utterance.words:
            place = max(place, utterance.text.find(word.text, place))
            if begin + place < span[1] and begin + place + len(word.text) > span[0]:
                inside.append(index)
            place, index = place + len(word.text), index + 1
        begin += len(utterance.text) + 1
    return (inside[0], inside[-1] + 1) if inside else None
