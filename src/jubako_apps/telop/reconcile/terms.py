"""Telops against a programme's own words (`jubako_apps.telop.lists`).

1. What is written as in the glossary is right, unless what was said is a term of the glossary itself.
2. What is one slip away from a term, and neither said nor an everyday word, is a name gone wrong.
3. A forbidden word is a finding wherever it stands; in English only as a whole word.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from jubako_apps.telop.findings import Suspicion
from jubako_apps.telop.glyphs import latin_skeleton, lookalike, same_shapes
from jubako_apps.telop.lists import Lists

Span = tuple[int, int]

_SIGNS_OF_A_NAME: Final = 2
_COMMON_NATS: Final = -13.0
_SHORTEST: Final = {"en": 5, "ja": 3}


def checked(
    suspicions: Iterable[Suspicion], text: str, speech: str, language: str, lists: Lists
) -> list[Suspicion]:
    """Return the suspicions that the lists leave, and those that they add."""
    right = [span for term in lists.glossary for span in places(text, term)]
    terms = {term.casefold() for term in lists.glossary}
    kept = [one for one in suspicions if not _is_right(one, right, terms)]
    taken = [(one.offset, one.offset + len(one.wrong)) for one in kept]
    for term in lists.glossary:
        for span in near_misses(text, term, language):
            is_free = not any(_touch(span, other) for other in [*right, *taken])
            if is_free and not places(speech, text[slice(*span)]):
                kept.append(_slip(text, span, term))
                taken.append(span)
    return kept + [
        Suspicion(kind="forbidden word", offset=a, wrong=text[a:b], right=word.instead, confidence=1.0)
        for word in lists.forbidden
        for a, b in places(text, word.text)
    ]


def places(text: str, term: str) -> list[Span]:
    """Return where ``term`` stands in ``text``, case aside; a term in Latin letters only as a whole word."""
    low, wanted = text.casefold(), term.casefold()
    if len(low) != len(text) or not wanted:
        low, wanted = text, term
    found, start = [], low.find(wanted) if wanted else -1
    while start >= 0:
        end = start + len(wanted)
        if _is_whole(low, start, end):
            found.append((start, end))
        start = low.find(wanted, start + 1)
    return found


def near_misses(text: str, term: str, language: str) -> list[Span]:
    """Return where ``text`` has something that is nearly, but not quite, ``term`` and no everyday word."""
    if len(term) < _SHORTEST.get(language, 5):
        return []
    return list((_near_ja if language == "ja" else _near_en)(text, term))


def _is_right(one: Suspicion, right: Sequence[Span], terms: set[str]) -> bool:
    if not one.wrong or one.kind in {"number", "date", "extra"} or (one.right or "").casefold() in terms:
        return False
    return any(a <= one.offset and one.offset + len(one.wrong) <= b for a, b in right)


def _slip(text: str, span: Span, term: str) -> Suspicion:
    wrong = text[slice(*span)]
    return Suspicion(kind="name", offset=span[0], wrong=wrong, right=term, confidence=0.85)


def _touch(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _is_whole(text: str, start: int, end: int) -> bool:
    def joined(left: str, right: str) -> bool:
        return (left + right).isascii() and left.isalnum() and right.isalnum()

    before = start > 0 and joined(text[start - 1], text[start])
    return not before and not (end < len(text) and joined(text[end - 1], text[end]))


def _near_en(text: str, term: str) -> Iterator[Span]:
    from rapidfuzz.distance import OSA  # noqa: PLC0415 - loaded with the language

    from jubako_apps.telop.text_en import words  # noqa: PLC0415

    found, size = words(text), len(words(term))
    wanted = term.casefold()
    for first in range(len(found) - size + 1):
        part = found[first : first + size]
        span = (part[0].start, part[-1].end) if part else (0, 0)
        shown = text[slice(*span)].casefold()
        if shown == wanted or OSA.distance(shown, wanted, score_cutoff=1) != 1:
            continue
        if latin_skeleton(shown) != latin_skeleton(wanted) and _is_strange(text, span, shown, wanted):
            yield span


def _is_strange(text: str, span: Span, shown: str, wanted: str) -> bool:
    """Say whether it can be a slip: no plural of the term, and no everyday word."""
    from jubako_apps.telop.lexicon_en import lexicon  # noqa: PLC0415

    if shown.rstrip("s").rstrip("'") == wanted.rstrip("s").rstrip("'"):
        return False
    known = lexicon()
    if not known.has(shown):
        return True
    return text[span[0]].isupper() and known.frequency(shown) < _COMMON_NATS


def _near_ja(text: str, term: str) -> Iterator[Span]:
    for start in range(len(text) - len(term) + 1):
        shown = text[start : start + len(term)]
        other = [(a, b) for a, b in zip(shown, term, strict=True) if a != b]
        if same_shapes(shown, term):
            continue
        is_slip = len(other) == 1 and _can_slip(*other[0], len(term), shown, term)
        if is_slip or (
            len(other) == _SIGNS_OF_A_NAME
            and len(term) > len(other) + 1
            and _is_read_alike(other, shown, term)
        ):
            yield (start, start + len(term))


def _is_read_alike(other: Sequence[tuple[str, str]], shown: str, term: str) -> bool:
    """Say whether it is the term in other kanji of the same sound: both signs of a name may be wrong at once."""
    from jubako_apps.telop.text_ja import kanji, reading  # noqa: PLC0415 - loaded with the language

    return all(kanji(a) and kanji(b) for a, b in other) and reading(shown) == reading(term)


def _can_slip(sign: str, wanted: str, length: int, shown: str, term: str) -> bool:
    from jubako_apps.telop.text_ja import is_kana, kanji, reading  # noqa: PLC0415

    if lookalike(sign, wanted):
        return True
    if not (kanji(sign) and kanji(wanted)) and not (is_kana(sign) and is_kana(wanted)):
        return False
    return length > 3 or reading(shown) == reading(term)
