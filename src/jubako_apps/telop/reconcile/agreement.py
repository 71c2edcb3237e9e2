"""Telops are witnesses for one another against a recogniser.

A name, a number or a word seldom stands in one telop alone. If another telop near it has what was heard, the odd one is
wrong; if another has the same as this one, the recogniser has misheard: nobody makes the same slip twice.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from jubako_apps.telop.findings import Suspicion
from jubako_apps.telop.reconcile.terms import places
from jubako_apps.telop.telops import Telop

NEAR_S: Final = 8.0
"""How far apart telops may be that speak of the same."""

_CONFIRMED: Final = 0.88
_CONTRADICTED: Final = 0.55
_CREDIBLE: Final = 0.35
_EXACT: Final = frozenset({"homophone", "name", "number", "date"})
"""Classes in which the other form is another word, not another form of the same one."""

_SLIPS: Final = _EXACT | {"misspelling", "lookalike"}


def agreed(one: Suspicion, telop: Telop, telops: Sequence[Telop], language: str) -> Suspicion:
    """Return the suspicion with the confidence that it has beside the other telops."""
    if one.kind not in _SLIPS or not one.wrong or not one.right:
        return one
    near = [other for other in telops if other.id != telop.id and _gap(telop, other) <= NEAR_S]
    have_right = any(_has(other.text, one.right, one.kind, language) for other in near)
    have_wrong = any(_has(other.text, one.wrong, one.kind, language) for other in near)
    if have_right and not have_wrong and one.kind in _EXACT and one.confidence >= _CREDIBLE:
        return replace(one, confidence=max(one.confidence, _CONFIRMED))
    if have_wrong and not have_right:
        return replace(one, confidence=round(one.confidence * _CONTRADICTED, 3))
    return one


def _gap(one: Telop, other: Telop) -> float:
    return max(one.start, other.start) - min(one.end, other.end)


def _has(text: str, term: str, kind: str, language: str) -> bool:
    if kind in {"number", "date"}:
        wanted = _facts(term, language)
        return bool(wanted) and wanted <= _facts(text, language)
    return bool(places(text, term))


def _facts(text: str, language: str) -> set[str]:
    """Return the numbers, months and weekdays of a text, in whichever way they are written."""
    if language == "ja":
        from jubako_apps.telop.amounts_ja import amounts  # noqa: PLC0415 - loaded with the language

        return {part.key for part in amounts(text) if part.is_number} | set(
            re.findall("[月火水木金土日](?=曜)", text)
        )
    from jubako_apps.telop.text_en import words  # noqa: PLC0415

    return {word.key for word in words(text) if word.sort != "word"}
