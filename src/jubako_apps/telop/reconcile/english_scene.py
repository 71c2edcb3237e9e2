"""An English telop aligned with what is said around it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rapidfuzz.distance import OSA

from jubako_apps.telop import notation
from jubako_apps.telop.glyphs import latin_skeleton
from jubako_apps.telop.lexicon_en import Lexicon
from jubako_apps.telop.reconcile.align import Pair, align
from jubako_apps.telop.telops import Source
from jubako_apps.telop.text_en import Word

VERBATIM: Final = 0.7
"""Part of a telop's words that must have been said for it to be verbatim."""

SIMILAR: Final = 0.55
"""From which likeness on two words may be one, misspelt."""

_LITTLE = "a an the and of to in on at for is are was were be been has have had that will our your its"
DROPPED: Final = frozenset(_LITTLE.split())
"""What headlines leave out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One telop aligned with its speech."""

    telop: Sequence[Word]
    speech: Sequence[Word]
    pairs: Sequence[Pair]
    source: Source
    is_verbatim: bool
    is_title: bool
    words: Lexicon

    def matched(self, position: int) -> bool:
        """Say whether the pair at ``position`` is a match; outside the alignment nothing is."""
        if not 0 <= position < len(self.pairs):
            return False
        t, s = self.pairs[position]
        return t is not None and s is not None and self.telop[t].key == self.speech[s].key

    def anchors(self, position: int, *, firm: bool = False) -> int:
        """Return how many matches surround the pair, up to two on each side; ``firm`` leaves little words out."""
        count = 0
        for step in (-1, 1):
            near = position + step
            while self.matched(near) and abs(near - position) <= 2:
                t = self.pairs[near][0]
                assert t is not None, near
                count += not firm or self.telop[t].key not in DROPPED
                near += step
        return count

    def gain(self, first: int, last: int, instead: Sequence[str]) -> float:
        """Return how much likelier the telop becomes with other words in place of ``first:last``, in nats."""
        before = [word.text.lower() for word in self.telop]
        after = [*before[:first], *instead, *before[last:]]
        return self.words.log_probability(after) - self.words.log_probability(before)


def aligned(telop: Sequence[Word], heard: Sequence[Word], source: Source, known: Lexicon) -> Scene:
    """Align all of the telop with a stretch of the speech."""
    pairs = align(
        telop,
        heard,
        lambda t, s: _cost(t, s, known),
        lambda t: 0.6 if t.key in DROPPED else 1.0,
        lambda s: 0.3 if s.key in DROPPED else 0.8,
    )
    near = sum(
        1 for t, s in pairs if t is not None and s is not None and _cost(telop[t], heard[s], known) < 1
    )
    capitals = [word.text[:1].isupper() for word in telop if word.sort == "word"]
    return Scene(
        telop=telop,
        speech=heard,
        pairs=pairs,
        source=source,
        is_verbatim=bool(telop) and near >= VERBATIM * len(telop) and near >= 2,
        is_title=sum(capitals) > 0.7 * len(capitals),
        words=known,
    )


def _cost(t: Word, s: Word, known: Lexicon) -> float:
    if t.key == s.key:
        return 0.0
    if known.sounds_same(t.text.lower(), s.text.lower()):
        return 0.35
    if latin_skeleton(t.key) == latin_skeleton(s.key):
        return 0.2
    if t.sort == s.sort and t.sort != "word":
        return 0.8
    alike = likeness(t.key, s.key)
    return 0.75 - 0.4 * (alike - SIMILAR) if alike >= SIMILAR else 1.5


def as_shown(heard: Word, shown: Word) -> str:
    """Return what was said as the telop would write it: numbers in its notation, days and months with a capital."""
    if heard.sort == "number" and shown.sort == "number":
        return notation.english(heard.key, shown.text)
    return heard.text.capitalize() if heard.sort in {"weekday", "month"} else heard.text


def likeness(one: str, other: str) -> float:
    """Return how much of two words is the same, 0 to 1."""
    return 1 - OSA.distance(one, other) / max(len(one), len(other))
