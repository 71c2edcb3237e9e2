"""What a slip of the hand is, in any language."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

_WEIGHT = {"doubled": 0.3, "misspelling": 0.7, "lookalike": 0.7}


@dataclass(frozen=True, slots=True, kw_only=True)
class Slip:
    """One error: ``old`` at ``place`` (a word in English, a sign in Japanese) becomes ``new``, which may be empty."""

    kind: str
    place: int
    old: str
    new: str


def chosen(found: Sequence[Slip], rng: random.Random) -> Slip:
    """Choose a class first, so that rare ones come nearly as often as those that every telop can have."""
    kinds = sorted({slip.kind for slip in found})
    kind = rng.choices(kinds, [_WEIGHT.get(kind, 1.0) for kind in kinds])[0]
    return rng.choice([slip for slip in found if slip.kind == kind])
