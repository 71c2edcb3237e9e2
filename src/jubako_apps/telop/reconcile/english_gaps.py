"""Words too few and words too many in an English telop.

Headlines leave out articles and auxiliaries, editors adjectives and adverbs: that is style. What they leave in must
still be a sentence.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from jubako_apps.telop.findings import Suspicion
from jubako_apps.telop.reconcile.english_scene import DROPPED, Scene

NEEDED_NATS: Final = -2.2
"""From which gain on a preposition that was said, and is not shown, is one that the telop cannot do without."""

DISTURBING_NATS: Final = {"script": 4.0, "asr": 7.0, "none": 99.0}
"""From which gain on a word that was not said does not belong into the telop; any word less makes it likelier."""

_MISSING: Final = {"script": 0.82, "asr": 0.5, "none": 0.0}
_EXTRA: Final = {"script": 0.88, "asr": 0.75, "none": 0.0}
TEARING_NATS: Final = 4.0
"""From which gain on what follows a word, with it before them, its loss tears a gap; less, where no noun can follow."""

_LOST: Final = 0.72
_OPTIONAL: Final = 0.5
_STYLE: Final = 0.3

_PREPOSITIONS: Final = frozenset("of to in on at for with from by into than as".split())  # noqa: SIM905
_MAY_GO: Final = frozenset(
    [
        *(("of", word) for word in ("half", "all", "both", "off", "outside", "inside")),
        ("to", "help"),
        ("to", "dare"),
    ]
)
"""Prepositions that English leaves to the writer after these words."""

_OPENING: Final = frozenset("the a an of to for with from his her their our its".split())  # noqa: SIM905
_CLOSING: Final = _PREPOSITIONS | frozenset(
    ["is", "are", "was", "were", "be", "been", "has", "have", "had", "that", "which", "who", "will", "and"]
)
"""After a word that opens a phrase none of these can come, but for a word between them."""


def missing(scene: Scene, position: int) -> Suspicion | None:
    """A word that was said amid what is shown, and without which the telop is no sentence."""
    s = scene.pairs[position][1]
    assert s is not None, position
    heard = scene.speech[s]
    if not scene.is_verbatim or not (scene.matched(position - 1) and scene.matched(position + 1)):
        return None
    left = scene.pairs[position - 1][0]
    assert left is not None, position
    is_broken = (
        scene.telop[left].key in _OPENING and scene.telop[left + 1].key in _CLOSING and heard.sort == "word"
    )
    is_alone = _gaps(scene) == 1
    is_needed = (
        heard.key in _PREPOSITIONS
        and is_alone
        and scene.gain(left + 1, left + 1, [heard.text.lower()]) >= NEEDED_NATS
    )
    confidence = _MISSING[scene.source] if is_broken or is_needed else _STYLE
    if scene.source == "script" and confidence == _STYLE and is_alone:
        confidence = _only_one_lost(scene, s, left)
    place = scene.telop[left].end
    return Suspicion(kind="missing", offset=place, wrong="", right=heard.text, confidence=confidence)


def _only_one_lost(scene: Scene, s: int, left: int) -> float:
    """Judge the only word that a telop lacks: nobody who shortens leaves out that one and nothing else.

    But for what modifies: an adverb, an adjective or a noun between an article and its noun may go alone. What comes
    after such a word follows as well without it; a lost noun or verb tears a gap.
    """
    heard, following = scene.speech[s], scene.telop[left + 1]
    if heard.key in _PREPOSITIONS:
        is_style = following.sort in {"weekday", "month"} or (heard.key, scene.telop[left].key) in _MAY_GO
        return _STYLE if is_style or scene.is_title else _LOST
    if heard.key in DROPPED or heard.sort != "word":
        return _STYLE
    said = [word.text.lower() for word in scene.speech]
    is_slot = scene.telop[left].key in _OPENING and not heard.key.endswith("ly")
    least = TEARING_NATS if scene.telop[left].key not in {"to", "of"} else TEARING_NATS / 2
    return _LOST if is_slot and scene.words.belongs(said, s) >= least else _OPTIONAL


def unsaid(scene: Scene, position: int) -> Suspicion | None:
    """A word amid what is shown that was not said, and that disturbs the sentence."""
    t = scene.pairs[position][0]
    assert t is not None, position
    shown = scene.telop[t]
    is_little = shown.key in DROPPED or shown.key in _PREPOSITIONS or shown.key in _CLOSING
    if not is_little or not scene.is_verbatim:
        return None
    if not (scene.matched(position - 1) and scene.matched(position + 1)):
        return None
    if shown.key in {scene.telop[t - 1].key, scene.telop[t + 1].key}:
        return None  # doubled
    disturbs = scene.gain(t, t + 1, []) >= DISTURBING_NATS[scene.source]
    confidence = _EXTRA[scene.source] if disturbs else _STYLE
    return Suspicion(kind="extra", offset=shown.start, wrong=shown.text, right="", confidence=confidence)


def doubled(scene: Scene) -> Iterator[Suspicion]:
    """Words shown twice running that were not said twice."""
    once = {word.key for word in scene.speech}
    said_twice = {a.key for a, b in pairwise(scene.speech) if a.key == b.key}
    for first, second in pairwise(scene.telop):
        is_known = first.sort == "word" or first.key in once
        if first.key == second.key and is_known and first.key not in said_twice:
            confidence = 0.95 if scene.speech else 0.8
            yield Suspicion(
                kind="extra", offset=second.start, wrong=second.text, right="", confidence=confidence
            )


def _gaps(scene: Scene) -> int:
    """Return how many words were said amid what is shown and are not shown."""
    return sum(1 for t, _ in scene.pairs if t is None)
