"""A Japanese telop aligned with what is said around it, sign by sign; what differs grows to whole words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from jubako_apps.telop import notation
from jubako_apps.telop.amounts_ja import amounts
from jubako_apps.telop.glyphs import same_shape
from jubako_apps.telop.reconcile.align import Pair, align
from jubako_apps.telop.telops import Source
from jubako_apps.telop.text_ja import Morpheme, Piece, cost, is_kana, kanji, morphemes

VERBATIM: Final = 0.7
ANCHORS: Final = 3
"""Matched neighbours that make a difference credible in a summary."""

GAIN: Final = 1500
HOMOPHONE_GAIN: Final = 800
BROKEN: Final = 6000
"""How much easier to parse the telop must become for a recogniser's word to be believed (Sudachi's cost).

A recogniser chooses among words of one sound by what is usual, so there less is enough.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Telop or speech: its text, pieces and words, and at which pieces words begin."""

    text: str
    parts: Sequence[Piece]
    words: Sequence[Morpheme]
    borders: frozenset[int]

    def keys(self, first: int, last: int) -> str:
        """Return the pieces ``first:last`` as they compare."""
        return "".join(part.key for part in self.parts[first:last])

    def shown(self, first: int, last: int) -> str:
        """Return the pieces ``first:last`` as they stand in the text."""
        if first == last:
            return ""
        return self.text[self.parts[first].start : self.parts[last - 1].end]

    def within(self, first: int, last: int) -> list[Morpheme]:
        """Return the words that lie in pieces ``first:last``."""
        return [word for word in self.words if word.first >= first and word.last <= last]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A stretch that differs: pieces ``t0:t1`` of the telop, ``s0:s1`` of the speech, and the same grown to words."""

    t0: int
    t1: int
    s0: int
    s1: int
    grown: tuple[int, int, int, int]
    anchors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Both sides, whose text the speech is, and whether most of the telop was said in this order."""

    telop: Side
    speech: Side
    source: Source
    is_verbatim: bool


def aligned(text: str, speech: str, source: Source) -> tuple[Scene, list[Block]] | None:
    """Align all of the telop with a stretch of the speech; None if one of them says nothing."""
    telop, heard = _side(text), _side(speech)
    if not telop.parts or not heard.parts:
        return None
    pairs = align(telop.parts, heard.parts, _cost, lambda _: 1.0, lambda _: 0.9)
    matched = sum(_is_match(telop, heard, pair) for pair in pairs)
    scene = Scene(
        telop=telop,
        speech=heard,
        source=source,
        is_verbatim=matched >= VERBATIM * len(telop.parts) and matched >= 3,
    )
    return scene, list(_blocks(telop, heard, pairs))


def _side(text: str) -> Side:
    parts = amounts(text)
    words = morphemes(parts) if parts else []
    borders = frozenset(word.first for word in words) | {len(parts)}
    return Side(text=text, parts=parts, words=words, borders=borders)


def _cost(t: Piece, s: Piece) -> float:
    if t.key == s.key:
        return 0.0
    if t.is_number or s.is_number:
        return 0.6 if t.is_number and s.is_number else 1.6
    if same_shape(t.key, s.key):
        return 0.1
    if kanji(t.key) and kanji(s.key):
        return 0.8
    # A little more than a kana too many: what lost one is not aligned with its neighbour.
    return 0.95 if is_kana(t.key) and is_kana(s.key) else 1.3


def _is_match(telop: Side, speech: Side, pair: Pair) -> bool:
    t, s = pair
    return t is not None and s is not None and telop.parts[t].key == speech.parts[s].key


def _are_numbers(telop: Side, speech: Side, pair: Pair) -> bool:
    t, s = pair
    return t is not None and s is not None and telop.parts[t].is_number and speech.parts[s].is_number


def _blocks(telop: Side, speech: Side, pairs: Sequence[Pair]) -> Iterator[Block]:
    equal = [_is_match(telop, speech, pair) for pair in pairs]
    numbers = [_are_numbers(telop, speech, pair) for pair in pairs]
    begin = 0
    while begin < len(pairs):
        if equal[begin]:
            begin += 1
            continue
        # Two numbers are a difference of their own, whatever else was left out beside them.
        end = begin + 1
        while not numbers[begin] and end < len(pairs) and not equal[end] and not numbers[end]:
            end += 1
        yield _grown(telop, speech, pairs, equal, (begin, end))
        begin = end


def _grown(
    telop: Side, speech: Side, pairs: Sequence[Pair], equal: Sequence[bool], span: tuple[int, int]
) -> Block:
    begin, end = span
    t0, s0 = _place(pairs, begin)
    t1, s1 = _next_place(pairs, end)
    g0, h0, g1, h1 = t0, s0, t1, s1
    left = begin
    while left > 0 and equal[left - 1] and not (g0 in telop.borders and h0 in speech.borders):
        g0, h0, left = g0 - 1, h0 - 1, left - 1
    right = end
    while right < len(pairs) and equal[right] and not (g1 in telop.borders and h1 in speech.borders):
        g1, h1, right = g1 + 1, h1 + 1, right + 1
    anchors = _run(equal, begin - 1, -1) + _run(equal, end, 1)
    return Block(t0=t0, t1=t1, s0=s0, s1=s1, grown=(g0, g1, h0, h1), anchors=anchors)


def _place(pairs: Sequence[Pair], position: int) -> tuple[int, int]:
    """Return the first telop and speech pieces at or behind ``position`` of the alignment."""
    t = next((pair[0] for pair in pairs[position:] if pair[0] is not None), None)
    s = next((pair[1] for pair in pairs[position:] if pair[1] is not None), None)
    before_t, before_s = _next_place(pairs, position)
    return (before_t if t is None else t), (before_s if s is None else s)


def _next_place(pairs: Sequence[Pair], position: int) -> tuple[int, int]:
    """Return the telop and speech pieces that follow those before ``position`` of the alignment."""
    t = max((pair[0] + 1 for pair in pairs[:position] if pair[0] is not None), default=None)
    s = max((pair[1] + 1 for pair in pairs[:position] if pair[1] is not None), default=None)
    if t is None:
        t = 0
    if s is None:
        s = next((pair[1] for pair in pairs if pair[1] is not None), 0)
    return t, s


def _run(equal: Sequence[bool], position: int, step: int) -> int:
    count = 0
    while 0 <= position < len(equal) and equal[position] and count < ANCHORS:
        count, position = count + 1, position + step
    return count


def as_shown(scene: Scene, block: Block) -> str:
    """Return what was said in the block, its numbers in the telop's notation."""
    g0, g1, h0, h1 = block.grown
    like = "".join(scene.telop.shown(n, n + 1) for n in range(g0, g1) if scene.telop.parts[n].is_number)
    if not like:
        return scene.speech.shown(h0, h1)
    return "".join(
        notation.japanese(scene.speech.parts[n].key, like)
        if scene.speech.parts[n].is_number
        else scene.speech.shown(n, n + 1)
        for n in range(h0, h1)
    )


def gain(scene: Scene, block: Block) -> int:
    """Return how much easier to parse the telop gets with what was said in place of the block."""
    g0, g1, h0, h1 = block.grown
    end = len(scene.telop.parts)
    before = scene.telop.keys(0, end)
    after = scene.telop.keys(0, g0) + scene.speech.keys(h0, h1) + scene.telop.keys(g1, end)
    return cost(before) - cost(after)
