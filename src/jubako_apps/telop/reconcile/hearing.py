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

CLEAR: Final = 0.02
"""From which `Ear.margin` on the sound is clearly for what was heard."""

CLOSED: Final = (WEEKDAYS, MONTHS)
"""Sets of which one member is said where another is shown."""

_CONTRADICTED: Final = 0.35
_UNDECIDED: Final = 0.8
_SUPPORTED: Final[Mapping[Kind, float]] = {"number": 0.9, "date": 0.9, "name": 0.75}
"""What a supported suspicion is worth at least."""


def weighed(suspicion: Suspicion, speech: Sequence[Utterance], ear: "Ear") -> Suspicion:
    """Return the suspicion with the confidence that it has after listening again.

    Args:
        suspicion: Found by comparing with the texts of ``speech``, joined by one space.
        speech: Recognised, with words.
        ear: Listens.

    """
    words = [word for utterance in speech for word in utterance.words]
    slot = _slot(words, suspicion.heard_at) if suspicion.heard_at else None
    if slot is None:
        return suspicion
    if not suspicion.right:
        return _chosen(suspicion, words, slot, ear)
    margin = ear.margin(words, *slot, suspicion.wrong, suspicion.right)
    if margin is None:
        return suspicion
    confidence = suspicion.confidence
    if margin < 0:
        confidence *= _CONTRADICTED
    elif margin >= CLEAR:
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
    if margin < CLEAR:
        return suspicion
    return replace(suspicion, right=right.capitalize(), confidence=0.75)


def _slot(words: Sequence[Word], span: tuple[int, int]) -> tuple[int, int] | None:
    """Return the indices of the words that stand at ``span`` of the words' texts joined by spaces."""
    place, inside = 0, []
    for index, word in enumerate(words):
        if place < span[1] and place + len(word.text) > span[0]:
            inside.append(index)
        place += len(word.text) + 1
    return (inside[0], inside[-1] + 1) if inside else None
