"""Signs too few and signs too many in a Japanese telop.

Headlines drop particles and endings, and shorten words at their ends: that is style. A verb that lost a kana, a word
shown twice, a particle behind another one are slips.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from jubako_apps.telop.findings import Kind, Suspicion
from jubako_apps.telop.reconcile.japanese_scene import ANCHORS, GAIN, Block, Scene, gain
from jubako_apps.telop.text_ja import is_kana, kanji

_CASES = frozenset({*"をがはにのへともで", "には", "では"})
"""Particles whose absence makes a telop short, not wrong."""

_BESIDE = {
    "を": "をがはにでの",
    "が": "がをはにで",
    "に": "にをが",
    "で": "でをが",
    "は": "はをが",
    "の": "のを",
    "と": "とを",
}
_IMPOSSIBLE = frozenset(first + second for first, others in _BESIDE.items() for second in others)
"""Two particles that never stand side by side in this order."""

_TWICE = re.compile(r"(\D{2,12}?)\1")
_STYLE = frozenset({"助詞", "助動詞", "副詞", "接続詞", "感動詞", "補助記号", "接頭辞"})
"""Words that headlines drop or change at will."""


def unsaid(scene: Scene, block: Block, text: str) -> tuple[Kind, float] | None:
    """Signs that are shown and were not said."""
    size = block.t1 - block.t0
    before = scene.telop.keys(max(0, block.t0 - size), block.t0)
    after = scene.telop.keys(block.t1, block.t1 + size)
    if text in {before, after}:
        return ("extra", 0.95)
    if scene.source == "script" and scene.is_verbatim and _is_second_particle(scene, block):
        return ("extra", 0.85)
    return ("extra", 0.35) if scene.source == "script" and scene.is_verbatim else None


def _is_second_particle(scene: Scene, block: Block) -> bool:
    """Say whether it is a particle beside another one: left of an earlier wording."""
    near = [word for word in scene.telop.words if word.last >= block.t0 and word.first <= block.t1]
    inside = scene.telop.within(block.t0, block.t1)
    return (
        bool(inside)
        and len(near) > len(inside) > 0
        and all(word.part[0] == "助詞" for word in inside)
        and any(word.part[0] == "助詞" for word in near if word not in inside)
    )


def doubled(scene: Scene) -> Iterator[Suspicion]:
    """Words shown twice running that are no doubled word (いろいろ) and were not said twice."""
    # One sign for each piece, so that places in the text are places of pieces; numbers are never doubled words.
    keys = "".join("0" if part.is_number else part.key for part in scene.telop.parts)
    spoken = scene.speech.keys(0, len(scene.speech.parts))
    for match in _TWICE.finditer(keys):
        size = len(match.group(1))
        first, middle = match.start(), match.start() + size
        is_whole = {first, middle, match.end()} <= scene.telop.borders
        if match.group() not in spoken and (is_whole or (kanji(match.group(1)) and match.group(1) in spoken)):
            yield Suspicion(
                kind="extra",
                offset=scene.telop.parts[middle].start,
                wrong=scene.telop.shown(middle, match.end()),
                right="",
                confidence=0.95 if scene.source == "script" else 0.88,
            )


def leftovers(scene: Scene) -> Iterator[Suspicion]:
    """Particles that cannot follow one another, of which the second was not said there: left of an earlier wording."""
    spoken = scene.speech.keys(0, len(scene.speech.parts))
    for first, second in pairwise(scene.telop.words):
        both = first.surface + second.surface
        if (
            {first.part[0], second.part[0]} <= {"助詞", "助動詞"}
            and both in _IMPOSSIBLE
            and both not in spoken
        ):
            yield Suspicion(
                kind="extra",
                offset=scene.telop.parts[second.first].start,
                wrong=scene.telop.shown(second.first, second.last),
                right="",
                confidence=0.9,
            )


def missing(scene: Scene, block: Block) -> tuple[Kind, float] | None:
    """Signs that were said and are not shown: inside a word a slip, a whole word mostly style."""
    if not scene.is_verbatim or block.anchors < ANCHORS:
        return None
    confidence = _lost(scene, block)
    return None if confidence is None else ("missing", confidence)


def _lost(scene: Scene, block: Block) -> float | None:
    lost = scene.speech.keys(block.s0, block.s1)
    if len(lost) <= 2 and lost not in _CASES and gain(scene, block) >= GAIN:
        return 0.85
    if scene.source != "script":
        return None
    if len(lost) == 1 and is_kana(lost) and lost not in _CASES and _is_inside_verb(scene, block):
        return 0.85
    heard = scene.speech.keys(block.grown[2], block.grown[3])
    if len(lost) == 1 and kanji(lost) and heard.startswith(lost) and block.grown[0] < block.grown[1]:
        return 0.7  # editors shorten a word at its end
    dropped = scene.speech.within(block.grown[2], block.grown[3])
    return 0.3 if all(word.part[0] in _STYLE for word in dropped) else 0.35


def _is_inside_verb(scene: Scene, block: Block) -> bool:
    """Say whether a part of a verb or its ending is lost, and not just written with fewer kana."""
    g0, g1, h0, h1 = block.grown
    shown, heard = scene.telop.within(g0, g1), scene.speech.within(h0, h1)
    same = [word.normal for word in shown] == [word.normal for word in heard]
    return g0 < g1 and not same and any(word.part[0] in {"動詞", "助動詞"} for word in heard)
