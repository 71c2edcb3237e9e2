"""Japanese telops against what is said.

1. Both sides become pieces (`jubako_apps.telop.text_ja`) and are aligned sign by sign.
2. Each stretch that differs grows to where words begin and end on both sides; words are judged, not signs.
3. The same word in another spelling is no error, at most a variant. The same sound in other kanji is the wrong word.
4. What a text recogniser may have misread is never reported, and kana in the speech are never evidence against kanji.
5. A recognised transcript must make the telop easier to parse before it is believed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from jubako_apps.telop import amounts_ja
from jubako_apps.telop.amounts_ja import amounts, are_comparable, beside, unit
from jubako_apps.telop.findings import Kind, Suspicion
from jubako_apps.telop.glyphs import lookalike, same_shapes
from jubako_apps.telop.reconcile.japanese_gaps import doubled, leftovers, missing, unsaid
from jubako_apps.telop.reconcile.japanese_scene import (
    ANCHORS,
    BROKEN,
    GAIN,
    HOMOPHONE_GAIN,
    Block,
    Scene,
    aligned,
    as_shown,
    gain,
)
from jubako_apps.telop.reconcile.japanese_summary import Summary, in_summary
from jubako_apps.telop.telops import Source
from jubako_apps.telop.text_ja import (
    KANJI_DIGITS,
    Morpheme,
    cost,
    is_kana,
    is_slip,
    is_word,
    kanji,
    numeral,
    reading,
    sound_near,
)

_WEEKDAYS = frozenset("月火水木金土日")
_DATE_UNITS = frozenset("年月日時分曜")
_DATE_DIGITS = 4


def suspicions(text: str, speech: str, source: Source) -> list[Suspicion]:
    """Return what looks wrong in the telop ``text``, given the ``speech`` around it."""
    found_scene = aligned(text, speech, source)
    if found_scene is None:
        return []
    scene, blocks = found_scene
    judged = (_judge(scene, block) for block in blocks)
    found = [*doubled(scene), *leftovers(scene)]
    for one in [*judged, *_summed_up(scene)]:
        if one is not None and not any(
            _touch(one, other) for other in found if other.confidence >= one.confidence
        ):
            found = [*(other for other in found if not _touch(one, other)), one]
    return found


def _summed_up(scene: Scene) -> Iterator[Suspicion]:
    """Yield what a summary shows, a recogniser's word weighed."""
    telop, speech = scene.telop, scene.speech
    summary = Summary(text=telop.text, parts=telop.parts, speech=speech.text, heard=speech.parts)
    for one in in_summary(summary):
        yield replace(one, confidence=_heard(scene, one)) if scene.source == "asr" else one


def _touch(one: Suspicion, other: Suspicion) -> bool:
    return one.offset <= other.offset + len(other.wrong) and other.offset <= one.offset + len(one.wrong)


def _judge(scene: Scene, block: Block) -> Suspicion | None:
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
    g0, g1, _, _ = block.grown
    parts = scene.telop.parts
    offset = parts[g0].start if g0 < len(parts) else len(scene.telop.text)
    return Suspicion(
        kind=kind,
        offset=offset,
        wrong=scene.telop.shown(g0, g1),
        right=as_shown(scene, block),
        confidence=round(confidence, 3),
        heard_at=_heard_at(scene, block),
    )


def _heard_at(scene: Scene, block: Block) -> tuple[int, int] | None:
    _, _, h0, h1 = block.grown
    parts = scene.speech.parts
    return (parts[h0].start, parts[h1 - 1].end) if h0 < h1 else None


def _classify(scene: Scene, block: Block) -> tuple[Kind, float] | None:
    t, s = scene.telop.keys(block.t0, block.t1), scene.speech.keys(block.s0, block.s1)
    if same_shapes(t, s):
        return None
    if not s:
        return unsaid(scene, block, t)
    if not t:
        return missing(scene, block)
    has_number = any(part.is_number for part in scene.telop.parts[block.t0 : block.t1])
    return _fact(scene, block) or (None if has_number else _word(scene, block, t, s))


def _fact(scene: Scene, block: Block) -> tuple[Kind, float] | None:
    """A number against a number, a weekday against a weekday."""
    if block.t1 - block.t0 != 1 or block.s1 - block.s0 != 1:
        return None
    shown, heard = scene.telop.parts[block.t0], scene.speech.parts[block.s0]
    if scene.telop.keys(block.t1, block.t1 + 1) == "曜" and {shown.key, heard.key} <= _WEEKDAYS:
        return ("date", 0.95)
    return _number(scene, block) if shown.is_number and heard.is_number else None


def _number(scene: Scene, block: Block) -> tuple[Kind, float] | None:
    shown, heard = scene.telop.parts[block.t0], scene.speech.parts[block.s0]
    counted = unit(scene.telop.parts, block.t0)
    if not are_comparable(shown.key, heard.key, counted, beside(scene.telop.text, shown)):
        return None
    if counted != unit(scene.speech.parts, block.s0):
        return ("number", 0.85 if amounts_ja.is_slip(shown.key, heard.key) else 0.35)
    return ("date" if counted in _DATE_UNITS and len(shown.key) <= _DATE_DIGITS else "number", 0.95)


def _word(scene: Scene, block: Block, t: str, s: str) -> tuple[Kind, float] | None:
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
    is_word = len(shown) == len(heard) == 1 and shown[0].surface == t
    return _kanji(t, s, sounds_same=_sound(shown) == _sound(heard), is_word=is_word)


def _kana(
    scene: Scene, block: Block, shown: Sequence[Morpheme], heard: Sequence[Morpheme]
) -> tuple[Kind, float] | None:
    """A slip in kana makes the telop hard to parse; another particle or ending may be the style of headlines."""
    t, s = scene.telop.keys(block.t0, block.t1), scene.speech.keys(block.s0, block.s1)
    if all(word.part[0] == "助詞" for word in [*shown, *heard]):
        return ("kana", 0.3)
    easier = gain(scene, block)
    if is_slip(t, s):
        is_certain = scene.source == "script" and scene.is_verbatim
        return ("kana", 0.92 if easier >= GAIN else 0.75 if is_certain else 0.5)
    return ("kana", 0.65 if easier >= BROKEN and len(t) == len(s) == 1 else 0.35)


def _kanji(t: str, s: str, *, sounds_same: bool, is_word: bool) -> tuple[Kind, float] | None:
    if sounds_same:
        return None if is_kana(t) else ("homophone", 0.92)
    if len(t) != len(s) or len(t) > 2:
        return None
    if len(t) == 1:
        # A word of one sign that looks otherwise is another word for the same.
        return ("lookalike", 0.9) if lookalike(t, s) else ("misspelling", 0.35 if is_word else 0.7)
    return ("misspelling", 0.4)


def _sound(words: Sequence[Morpheme]) -> str:
    return "".join(word.reading for word in words)


def _arbitrated(scene: Scene, block: Block, kind: Kind, confidence: float) -> float:
    """Weigh what a recogniser heard: is the telop easier to parse with it?"""
    if kind in {"number", "date"}:
        t, s = scene.telop.keys(block.t0, block.t1), scene.speech.keys(block.s0, block.s1)
        return confidence * _fact_credit(kind, t, s)
    if kind == "lookalike" and lookalike(
        scene.telop.keys(block.t0, block.t1), scene.speech.keys(block.s0, block.s1)
    ):
        return confidence * 0.9  # nobody hears a word wrong because it looks like another one
    if kind == "extra" and confidence > 0.9:
        return confidence * 0.9  # doubled: the telop itself is evidence enough
    g0, g1, _, _ = block.grown
    return confidence * _credit(kind, scene.telop.keys(g0, g1), gain(scene, block))


def _fact_credit(kind: Kind, shown: str, heard: str) -> float:
    """A number that sounds alike was misheard, and so was mostly one that a finger does not slip to."""
    if sound_near(shown, heard) or shown.replace(".", "") == heard.replace(".", ""):
        return 0.45
    if len(shown) == len(heard) == 1:
        return 0.8
    if not amounts_ja.is_slip(shown, heard):
        return 0.6
    return 0.8 if kind == "date" or len(shown) == len(heard) or shown.strip("0") == heard.strip("0") else 0.6


def _credit(kind: Kind, shown: str, gain: int) -> float:
    """Return which part of its confidence a finding keeps that rests on a recogniser's word."""
    if kind == "misspelling" and is_word(shown):
        return 0.45  # a word of its own: rather misheard
    if kind == "kana":
        return 0.9 if gain >= GAIN else 0.78 if gain > 0 else 0.45
    if kind in {"homophone", "name"}:
        return 0.9 if gain >= HOMOPHONE_GAIN else 0.75 if gain > 0 else 0.45
    return 0.9 if gain >= GAIN else 0.45


def _has_neighbour(scene: Scene, one: Suspicion) -> bool:
    """Say whether what was heard stands beside a sign that the telop has in the same place."""
    text, said = scene.telop.text, scene.speech.text
    before, after = text[: one.offset][-1:], text[one.offset + len(one.wrong) :][:1]
    right = one.right or ""
    return (
        len(right) > 1
        or bool(before.strip() and before + right in said)
        or bool(after.strip() and right + after in said)
    )


def _digits(text: str) -> str:
    found = "".join(part.key for part in amounts(text) if part.is_number)
    return found.replace(".", "") or str(numeral(text) if set(text) <= KANJI_DIGITS else "")


def _heard(scene: Scene, one: Suspicion) -> float:
    """Weigh a word of a summary: what is heard wrong sounds alike, what is written wrong may only look alike."""
    right = one.right or ""
    if one.kind in {"number", "date"}:
        return 0.8 * _fact_credit(one.kind, _digits(one.wrong), _digits(right))
    text = scene.telop.text
    better = text[: one.offset] + right + text[one.offset + len(one.wrong) :]
    if one.kind == "lookalike" and reading(text) != reading(better):
        return 0.8 if _has_neighbour(scene, one) else 0.5
    if len(one.wrong) != len(right):
        return 0.4  # a recogniser's fancy: who types wrong takes a word of the same length
    return one.confidence * _credit(one.kind, one.wrong, cost(text) - cost(better))
