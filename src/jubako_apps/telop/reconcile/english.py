"""English telops against what is said.

1. Both sides become words (`jubako_apps.telop.text_en`); lost or added spaces are mended first.
2. The telop is aligned with the speech around it. If most of it was said, it is *verbatim*; else it is a summary, and
   only differences with a firm anchor are looked at.
3. Each difference gets a class, or none: what may be a misreading of the picture is never reported.
4. A recognised transcript is doubtful itself: a difference counts only if the telop reads better with what was heard.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from rapidfuzz.distance import OSA

from jubako_apps.telop.findings import Kind, Suspicion
from jubako_apps.telop.glyphs import latin_skeleton
from jubako_apps.telop.lexicon_en import Lexicon, lexicon
from jubako_apps.telop.reconcile.english_gaps import doubled, missing, unsaid
from jubako_apps.telop.reconcile.english_scene import SIMILAR, Scene, aligned, as_shown, likeness
from jubako_apps.telop.reconcile.english_summary import Summary, in_summary
from jubako_apps.telop.spoken_en import sound_near
from jubako_apps.telop.telops import Source
from jubako_apps.telop.text_en import Word, stem, words

ANCHORS = 2
"""Matched neighbours that make a one-letter difference credible in a summary."""

GAIN_NATS = 2.5
"""How much likelier the telop must become for a recogniser's word to be believed."""

COMMON_NATS = -13.0
"""From which frequency on a word is common enough to have been meant."""


def suspicions(text: str, speech: str, source: Source) -> list[Suspicion]:
    """Return what looks wrong in the telop ``text``, given the ``speech`` around it (empty if there is none)."""
    known = lexicon()
    heard = words(speech)
    telop = _spaces_mended(words(text), heard, known)
    scene = aligned(telop, heard, source, known)
    found = [suspicion for position in range(len(scene.pairs)) if (suspicion := _difference(scene, position))]
    found += doubled(scene)
    found += _unheard(scene) if source == "asr" else []
    found = _surest(
        found, in_summary(Summary(telop=telop, speech=heard, text=speech, source=source, known=known))
    )
    seen = {suspicion.offset for suspicion in found}
    found += [suspicion for suspicion in _unknown(scene) if suspicion.offset not in seen]
    return found


def _surest(found: list[Suspicion], others: Iterable[Suspicion]) -> list[Suspicion]:
    """Return all, of those at one place the surest."""
    best = {(one.offset, one.wrong): one for one in found}
    for other in others:
        place = (other.offset, other.wrong)
        if place not in best or best[place].confidence < other.confidence:
            best[place] = other
    return list(best.values())


def _difference(scene: Scene, position: int) -> Suspicion | None:
    t, s = scene.pairs[position]
    if t is None:
        return missing(scene, position)
    if s is None:
        return unsaid(scene, position)
    shown, heard = scene.telop[t], scene.speech[s]
    if shown.key == heard.key or latin_skeleton(shown.key) == latin_skeleton(heard.key):
        return None
    judged = _classify(scene, position, shown, heard)
    if judged is None:
        return None
    kind, confidence = judged
    if scene.source == "asr":
        confidence = _arbitrated(scene, t, heard, kind, confidence)
    return Suspicion(
        kind=kind,
        offset=shown.start,
        wrong=shown.text,
        right=as_shown(heard, shown),
        confidence=round(confidence, 3),
        heard_at=(heard.start, heard.end),
    )


def _classify(scene: Scene, position: int, shown: Word, heard: Word) -> tuple[Kind, float] | None:
    anchors = scene.anchors(position)
    if shown.sort == heard.sort and shown.sort != "word":
        return _fact(scene, position, shown)
    alike = likeness(shown.key, heard.key)
    sounds_same = scene.words.sounds_same(shown.text.lower(), heard.text.lower())
    is_alike = sounds_same or (alike >= SIMILAR - 0.15 and "number" not in {shown.sort, heard.sort})
    if not is_alike or not (scene.is_verbatim or anchors >= ANCHORS):
        return None
    sure = 0.0 if scene.is_verbatim else 0.1
    if _is_name(scene, position, heard):
        return ("name", (0.9 if anchors else 0.65) - sure)
    if sounds_same:
        return (_of_one_sound(scene, position), 0.92 - sure)
    return _word(scene, shown.key, heard.key, anchors, sure)


def _of_one_sound(scene: Scene, position: int) -> Kind:
    """Say what two words of one sound are; a recogniser writes names small."""
    t = scene.pairs[position][0]
    assert t is not None, position
    is_name = scene.source == "asr" and t > 0 and scene.telop[t].is_capitalised and not scene.is_title
    return "name" if is_name else "homophone"


def _fact(scene: Scene, position: int, shown: Word) -> tuple[Kind, float] | None:
    anchors = scene.anchors(position, firm=True)
    s = scene.pairs[position][1]
    if s is not None and _is_cut_off(shown, scene.speech[s]):
        return None  # "27" of "27 million": cut off, or the next word is the one that is wrong
    if not (scene.is_verbatim or anchors >= 1):
        return None
    near = [scene.pairs[n][0] for n in (position - 1, position + 1) if 0 <= n < len(scene.pairs)]
    is_date = shown.sort != "number" or any(t is not None and scene.telop[t].sort == "month" for t in near)
    confidence = 0.95 if scene.is_verbatim else 0.6 + 0.1 * min(2, anchors)
    return ("date" if is_date else "number", confidence)


def _is_cut_off(shown: Word, heard: Word) -> bool:
    zeros = heard.key.removeprefix(shown.key)
    is_scaled = len(zeros) >= 3 and zeros != heard.key and not zeros.strip("0")
    return is_scaled or heard.text.lower().startswith(f"{shown.text.lower()} ")


def _unheard(scene: Scene) -> Iterator[Suspicion]:
    """Weekdays and months that the recogniser has not got: not worth reporting, but worth listening to again."""
    if not scene.is_verbatim:
        return  # a summary may have a date that nobody said
    for position, (t, s) in enumerate(scene.pairs):
        if t is None or scene.telop[t].sort not in {"weekday", "month"} or scene.matched(position):
            continue
        between = _between(scene, position) if s is None or scene.speech[s].sort == "word" else None
        if between is not None:
            yield Suspicion(
                kind="date", offset=scene.telop[t].start, wrong=scene.telop[t].text, right=None,
                confidence=0.2, heard_at=between,
            )  # fmt: skip


def _between(scene: Scene, position: int) -> tuple[int, int] | None:
    """Return where the speech has something else between the matches on both sides of the pair, if it is short."""
    left, right = position - 1, position + 1
    while left >= 0 and not scene.matched(left):
        left -= 1
    while right < len(scene.pairs) and not scene.matched(right):
        right += 1
    if left < 0 or position - left > 3 or right - position > 3:
        return None
    first = scene.pairs[left][1]
    last = scene.pairs[right][1] if right < len(scene.pairs) else None
    assert first is not None, position
    last = min(len(scene.speech), first + 4) if last is None else last
    if last - first < 2:
        return None
    return scene.speech[first + 1].start, scene.speech[last - 1].end


def _is_name(scene: Scene, position: int, heard: Word) -> bool:
    """Say whether the script writes it with a capital that the start of a sentence does not explain."""
    s = scene.pairs[position][1]
    assert s is not None, position
    if not heard.is_capitalised or heard.sort != "word":
        return False
    if s == 0:
        return False
    between = scene.speech[s].start - scene.speech[s - 1].end
    return between <= 1 or not scene.words.has(heard.key)


def _word(scene: Scene, shown: str, heard: str, anchors: int, sure: float) -> tuple[Kind, float] | None:
    """Judge two words: a slip of a letter is likely, another ending may be the style of headlines."""
    alike = likeness(shown, heard)
    if not scene.words.has(shown):
        return ("misspelling", 0.95 - sure) if alike >= SIMILAR else None
    if stem(shown) == stem(heard):
        return ("misspelling", 0.35)
    if OSA.distance(shown, heard) <= 2 and alike >= SIMILAR:
        return ("misspelling", 0.65 + 0.04 * anchors)
    return ("misspelling", 0.3)


def _arbitrated(scene: Scene, position: int, heard: Word, kind: Kind, confidence: float) -> float:
    """Weigh what a recogniser heard by the language: does the telop read better with it?"""
    if kind in {"number", "date"}:
        return confidence * (0.6 if sound_near(scene.telop[position].key, heard.key) else 0.8)
    gain = scene.gain(position, position + 1, [heard.text.lower()])
    if kind == "misspelling" and not scene.words.has(scene.telop[position].key):
        return confidence * (0.95 if gain > 0 else 0.6)
    if gain < GAIN_NATS:
        return confidence * (0.45 if kind == "name" else 0.4)
    return confidence * min(0.95, 0.7 + 0.03 * gain)


def _unknown(scene: Scene) -> Iterator[Suspicion]:
    """Words in no dictionary and not in the speech, one slip away from a common one."""
    heard = {latin_skeleton(word.key) for word in scene.speech}
    for position, word in enumerate(scene.telop):
        shape = latin_skeleton(word.key)
        if shape in heard or not _is_plain(scene, position, word):
            continue
        likely = [
            one for one in scene.words.corrections(word.key) if scene.words.frequency(one) > COMMON_NATS
        ]
        if not likely or any(latin_skeleton(one) == shape for one in likely):
            continue  # none, or the picture may have been misread
        best = max(likely, key=lambda one: scene.gain(position, position + 1, [one]))
        halves = scene.words.halves(word.key)
        # Two words that lost their space read better apart than as the likeliest correction.
        if halves and scene.gain(position, position + 1, halves) > scene.gain(position, position + 1, [best]):
            continue
        yield Suspicion(kind="unknown word", offset=word.start, wrong=word.text, right=best, confidence=0.8)


def _is_plain(scene: Scene, position: int, word: Word) -> bool:
    """Say whether it should be in a dictionary: no number, no name, no abbreviation, no lost space."""
    if word.sort != "word" or len(word.key) < 4 or not word.key.isalpha() or scene.words.has(word.key):
        return False
    return not (word.text[:1].isupper() and (position > 0 or scene.is_title))


def _spaces_mended(telop: Sequence[Word], heard: Sequence[Word], known: Lexicon) -> list[Word]:
    """Split tokens that the picture's reader ran together, and join what it tore apart, as the speech has it."""
    pairs = {(a.key, b.key) for a, b in pairwise(heard)}
    singles = {word.key for word in heard}
    result: list[Word] = []
    for word in telop:
        if result and result[-1].key + word.key in singles and (result[-1].key, word.key) not in pairs:
            left = result.pop()
            joined = replace(left, key=left.key + word.key, text=f"{left.text} {word.text}", end=word.end)
            result.append(joined)
        elif word.sort == "word" and word.key not in singles and (cut := _cut(word, pairs, known)):
            result += cut
        else:
            result.append(word)
    return result


def _cut(word: Word, pairs: set[tuple[str, str]], known: Lexicon) -> list[Word]:
    for n in range(1, len(word.key)):
        if (word.key[:n], word.key[n:]) in pairs and len(word.key) == len(word.text):
            break
    else:
        halves = None if known.has(word.key) or len(word.key) != len(word.text) else known.halves(word.key)
        is_slip = any(OSA.distance(word.key, one, score_cutoff=2) <= 2 for pair in pairs for one in pair)
        if halves is None or is_slip or len(word.key) < 8:
            return []
        n = len(halves[0])
    middle = word.start + n
    return [
        Word(word.key[:n], word.text[:n], word.start, middle),
        Word(word.key[n:], word.text[n:], middle, word.end),
    ]
