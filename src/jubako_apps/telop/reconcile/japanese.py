"""Japanese telops against what is said.

1. Both sides become pieces (`jubako_apps.telop.text_ja`) and are aligned sign by sign.
2. Each stretch that differs grows to where words begin and end on both sides; words are judged, not signs.
3. The same word in another spelling is no error, at most a variant. The same sound in other kanji is the wrong word.
4. What a text recogniser may have misread is never reported, and kana in the speech are never evidence against kanji.
5. A recognised transcript must make the telop easier to parse before it is believed.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jubako_apps.telop.findings import Kind, Suspicion
from jubako_apps.telop.glyphs import lookalike, same_shape, same_shapes
from jubako_apps.telop.reconcile.align import Pair, align
from jubako_apps.telop.telops import Source
from jubako_apps.telop.text_ja import Morpheme, Piece, cost, is_kana, kanji, morphemes, pieces

VERBATIM = 0.7
ANCHORS = 3
"""Matched neighbours that make a difference credible in a summary."""

GAIN = 1500
HOMOPHONE_GAIN = 800
"""How much easier to parse the telop must become for a recogniser's word to be believed (Sudachi's cost).

A recogniser chooses among words of one sound by what is usual, so there less is enough.
"""

_WEEKDAYS = frozenset("月火水木金土日")
_DATE_UNITS = frozenset("年月日時分曜")
_CASES = frozenset({*"をがはにのへともで", "には", "では"})
"""Particles whose absence makes a telop short, not wrong."""

_TWICE = re.compile(r"(\D{2,12}?)\1")
_STYLE = frozenset({"助詞", "助動詞", "副詞", "接続詞", "感動詞", "補助記号", "接頭辞"})
"""Words that headlines drop or change at will."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """Telop or speech: its text, pieces and words, and at which pieces words begin."""

    text: str
    parts: Sequence[Piece]
    words: Sequence[Morpheme]
    borders: frozenset[int]

    def keys(self, first: int, last: int) -> str:
        return "".join(part.key for part in self.parts[first:last])

    def shown(self, first: int, last: int) -> str:
        if first == last:
            return ""
        return self.text[self.parts[first].start : self.parts[last - 1].end]

    def within(self, first: int, last: int) -> list[Morpheme]:
        return [word for word in self.words if word.first >= first and word.last <= last]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """A stretch that differs: pieces ``t0:t1`` of the telop, ``s0:s1`` of the speech, and the same grown to words."""

    t0: int
    t1: int
    s0: int
    s1: int
    grown: tuple[int, int, int, int]
    anchors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    telop: _Side
    speech: _Side
    source: Source
    is_verbatim: bool


def suspicions(text: str, speech: str, source: Source) -> list[Suspicion]:
    """Return what looks wrong in the telop ``text``, given the ``speech`` around it."""
    telop, heard = _side(text), _side(speech)
    if not telop.parts or not heard.parts:
        return []
    pairs = align(telop.parts, heard.parts, _cost, lambda _: 1.0, lambda _: 0.9)
    matched = sum(_is_match(telop, heard, pair) for pair in pairs)
    scene = _Scene(
        telop=telop,
        speech=heard,
        source=source,
        is_verbatim=matched >= VERBATIM * len(telop.parts) and matched >= 3,
    )
    judged = (_judge(scene, block) for block in _blocks(telop, heard, pairs))
    doubled = list(_doubled(scene))
    found = [one for one in judged if one is not None and not any(_touch(one, other) for other in doubled)]
    return found + doubled


def _side(text: str) -> _Side:
    parts = pieces(text)
    words = morphemes(parts) if parts else []
    borders = frozenset(word.first for word in words) | {len(parts)}
    return _Side(text=text, parts=parts, words=words, borders=borders)


def _cost(t: Piece, s: Piece) -> float:
    if t.key == s.key:
        return 0.0
    if t.is_number or s.is_number:
        return 0.6 if t.is_number and s.is_number else 1.6
    if same_shape(t.key, s.key):
        return 0.1
    if kanji(t.key) and kanji(s.key):
        return 0.8
    return 0.9 if is_kana(t.key) and is_kana(s.key) else 1.3


def _is_match(telop: _Side, speech: _Side, pair: Pair) -> bool:
    t, s = pair
    return t is not None and s is not None and telop.parts[t].key == speech.parts[s].key


def _are_numbers(telop: _Side, speech: _Side, pair: Pair) -> bool:
    t, s = pair
    return t is not None and s is not None and telop.parts[t].is_number and speech.parts[s].is_number


def _blocks(telop: _Side, speech: _Side, pairs: Sequence[Pair]) -> Iterator[_Block]:
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
    telop: _Side, speech: _Side, pairs: Sequence[Pair], equal: Sequence[bool], span: tuple[int, int]
) -> _Block:
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
    return _Block(t0=t0, t1=t1, s0=s0, s1=s1, grown=(g0, g1, h0, h1), anchors=anchors)


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


def _judge(scene: _Scene, block: _Block) -> Suspicion | None:
    if not scene.is_verbatim and block.anchors < ANCHORS:
        return None
    judged = _classify(scene, block)
    if judged is None:
        return None
    kind, confidence = judged
    if not scene.is_verbatim:
        confidence -= 0.1
    if scene.source == "asr":
        confidence = _arbitrated(scene, block, kind, confidence)
    g0, g1, h0, h1 = block.grown
    parts = scene.telop.parts
    offset = parts[g0].start if g0 < len(parts) else len(scene.telop.text)
    return Suspicion(
        kind=kind,
        offset=offset,
        wrong=scene.telop.shown(g0, g1),
        right=scene.speech.shown(h0, h1),
        confidence=round(confidence, 3),
    )


def _classify(scene: _Scene, block: _Block) -> tuple[Kind, float] | None:
    t, s = scene.telop.keys(block.t0, block.t1), scene.speech.keys(block.s0, block.s1)
    if same_shapes(t, s):
        return None
    if not s:
        return _extra(scene, block, t)
    if not t:
        return _missing(scene, block)
    has_number = any(part.is_number for part in scene.telop.parts[block.t0 : block.t1])
    return _fact(scene, block) or (None if has_number else _word(scene, block, t, s))


def _extra(scene: _Scene, block: _Block, text: str) -> tuple[Kind, float] | None:
    size = block.t1 - block.t0
    before = scene.telop.keys(max(0, block.t0 - size), block.t0)
    after = scene.telop.keys(block.t1, block.t1 + size)
    if text in {before, after}:
        return ("extra", 0.95)
    return ("extra", 0.4) if scene.source == "script" and scene.is_verbatim else None


def _doubled(scene: _Scene) -> Iterator[Suspicion]:
    """Words shown twice running that are no doubled word (いろいろ) and were not said twice."""
    # One sign for each piece, so that places in the text are places of pieces; numbers are never doubled words.
    keys = "".join("0" if part.is_number else part.key for part in scene.telop.parts)
    spoken = scene.speech.keys(0, len(scene.speech.parts))
    for match in _TWICE.finditer(keys):
        size = len(match.group(1))
        first, middle = match.start(), match.start() + size
        if match.group() not in spoken and {first, middle, match.end()} <= scene.telop.borders:
            yield Suspicion(
                kind="extra",
                offset=scene.telop.parts[middle].start,
                wrong=scene.telop.shown(middle, match.end()),
                right="",
                confidence=0.95 if scene.source == "script" else 0.88,
            )


def _touch(one: Suspicion, other: Suspicion) -> bool:
    return one.offset <= other.offset + len(other.wrong) and other.offset <= one.offset + len(one.wrong)


def _missing(scene: _Scene, block: _Block) -> tuple[Kind, float] | None:
    """Signs that were said and are not shown: inside a word a slip, a whole word mostly style."""
    if scene.source != "script" or not scene.is_verbatim or block.anchors < ANCHORS:
        return None
    lost = scene.speech.keys(block.s0, block.s1)
    if len(lost) <= 2 and lost not in _CASES and _gain(scene, block) >= GAIN:
        return ("missing", 0.8)
    if block.grown[0] < block.grown[1]:
        dropped = scene.speech.within(block.s0, block.s1)
        whole = sum(word.last - word.first for word in dropped) == block.s1 - block.s0
        return ("missing", 0.5 if whole and all(word.part[0] in _STYLE for word in dropped) else 0.8)
    dropped = scene.speech.within(block.grown[2], block.grown[3])
    return ("missing", 0.45 if all(word.part[0] in _STYLE for word in dropped) else 0.55)


def _fact(scene: _Scene, block: _Block) -> tuple[Kind, float] | None:
    """A number against a number, a weekday against a weekday."""
    if block.t1 - block.t0 != 1 or block.s1 - block.s0 != 1:
        return None
    shown, heard = scene.telop.parts[block.t0], scene.speech.parts[block.s0]
    unit = scene.telop.keys(block.t1, block.t1 + 1)
    if unit == "曜" and {shown.key, heard.key} <= _WEEKDAYS:
        return ("date", 0.95)
    if not (shown.is_number and heard.is_number):
        return None
    if unit != scene.speech.keys(block.s1, block.s1 + 1):
        return ("number", 0.5)
    return ("date" if unit in _DATE_UNITS else "number", 0.95)


def _word(scene: _Scene, block: _Block, t: str, s: str) -> tuple[Kind, float] | None:
    g0, g1, h0, h1 = block.grown
    shown, heard = scene.telop.within(g0, g1), scene.speech.within(h0, h1)
    if is_kana(t) and is_kana(s):
        return _kana(scene, block, shown, heard)
    if [word.normal for word in shown] == [word.normal for word in heard]:
        return ("variant", 0.65) if kanji(t) != kanji(s) and kanji(t) and kanji(s) else None
    if is_kana(s) and kanji(t):
        return None
    if any("人名" in word.part for word in heard):
        return ("name", 0.9)
    return _kanji(t, s, sounds_same=_sound(shown) == _sound(heard))


def _kana(
    scene: _Scene, block: _Block, shown: Sequence[Morpheme], heard: Sequence[Morpheme]
) -> tuple[Kind, float] | None:
    """A slip in kana makes the telop hard to parse; another particle or ending may be the style of headlines."""
    particles = all(word.part[0] == "助詞" for word in [*shown, *heard])
    if not particles and _gain(scene, block) >= GAIN:
        return ("kana", 0.9)
    long = max(block.t1 - block.t0, block.s1 - block.s0) > 2
    stem = kanji("".join(word.surface for word in shown)) & kanji("".join(word.surface for word in heard))
    return ("kana", 0.45 if long or particles or stem else 0.7)


def _kanji(t: str, s: str, *, sounds_same: bool) -> tuple[Kind, float] | None:
    if sounds_same:
        return None if is_kana(t) else ("homophone", 0.92)
    if len(t) != len(s) or len(t) > 2:
        return None
    if len(t) == 1:
        return ("lookalike", 0.9) if lookalike(t, s) else ("misspelling", 0.7)
    return ("misspelling", 0.55)


def _sound(words: Sequence[Morpheme]) -> str:
    return "".join(word.reading for word in words)


def _arbitrated(scene: _Scene, block: _Block, kind: Kind, confidence: float) -> float:
    """Weigh what a recogniser heard: is the telop easier to parse with it?"""
    if kind in {"number", "date"}:
        return confidence * 0.75
    if kind == "extra" and confidence > 0.9:
        return confidence * 0.9  # doubled: the telop itself is evidence enough
    needed = HOMOPHONE_GAIN if kind == "homophone" else GAIN
    return confidence * (0.9 if _gain(scene, block) >= needed else 0.45)


def _gain(scene: _Scene, block: _Block) -> int:
    """Return how much easier to parse the telop gets with what was said in place of the block."""
    g0, g1, h0, h1 = block.grown
    end = len(scene.telop.parts)
    before = scene.telop.keys(0, end)
    after = scene.telop.keys(0, g0) + scene.speech.keys(h0, h1) + scene.telop.keys(g1, end)
    return cost(before) - cost(after)
