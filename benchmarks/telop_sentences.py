"""Telops made of written sentences, half of them with one planted error: the material of `telop_quality.py`.

The sentences stand in ``telop_material/LANGUAGE.HALF.txt``, one a line: genre, what is said, the telop that sums it up,
and sometimes the name super beside it. The ``reported`` half is for figures only: rules are changed by looking at the
``tuned`` half alone.

Of each sentence several telops are made, chosen by the seed:

- word for word, without its end, or as a headline (no articles, no auxiliaries; no particles);
- the written summary, which has words and numerals of its own;
- the name super.

What tempts (dialect, other words for the same, relative dates, shares as percentages) stays without errors: the genre
``tempt``.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import telop_slips_en
import telop_slips_ja
from jubako_apps.telop import text_en, text_ja
from telop_slips import chosen

Half = Literal["tuned", "reported", "fresh", "unseen"]
Form = Literal["whole", "cut", "headline", "summary", "name"]

FOLDER = Path(__file__).parent / "telop_material"
CLEAN = 0.5
"""Part of the telops without an error."""

_DROPPED = frozenset("a an the is are was were has have had will been be".split())  # noqa: SIM905
_PLAIN = frozenset({"doubled", "misspelling"})
"""Classes that show in a telop whatever is said."""

_ENDING = re.compile(r"(ということです|ています|ました|ません|です|ます|でした)。?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """One line of the material."""

    id: str
    genre: str
    said: str
    summary: str
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Error:
    """A planted error: what is wrong in the telop, and what should stand there."""

    kind: str
    wrong: str
    right: str
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A telop, the sentence that is said under it, and the planted error or None."""

    sentence: Sentence
    form: Form
    telop: str
    error: Error | None


@cache
def sentences(language: str, half: Half) -> tuple[Sentence, ...]:
    """Return the sentences of one half."""
    lines = (FOLDER / f"{language}.{half}.txt").read_text("utf-8").splitlines()
    rows = [line.split(" | ") for line in lines if line]
    return tuple(
        Sentence(
            id=f"{language}-{half}-{number:02}",
            genre=row[0], said=row[1], summary=row[2], name=row[3] if len(row) > 3 else None,
        )
        for number, row in enumerate(rows)
    )  # fmt: skip


def cases(language: str, seed: int, half: Half) -> list[Case]:
    """Return the telops of all sentences of the half, in order."""
    return [case for one in sentences(language, half) for case in _of(one, language, seed)]


def _of(sentence: Sentence, language: str, seed: int) -> Iterator[Case]:
    rng = random.Random(f"{seed} {sentence.id}")
    make = _english if language == "en" else _japanese
    form: Form = rng.choice(("whole", "whole", "cut", "headline"))
    yield make(sentence, form, rng)
    yield make(sentence, "summary", rng)
    if sentence.name:
        yield make(sentence, "name", rng)


def _shown(sentence: Sentence, form: Form) -> str:
    return {"summary": sentence.summary, "name": sentence.name or ""}.get(form, sentence.said)


def _english(sentence: Sentence, form: Form, rng: random.Random) -> Case:
    words = _shown(sentence, form).removesuffix(".").split()
    if form == "cut":
        words = words[: max(5, len(words) - rng.randint(1, 4))]
        words[-1] = words[-1].rstrip(",")
    if form == "headline":
        words = [word for word in words if word.lower() not in _DROPPED]
    found = telop_slips_en.slips(words, rng, is_whole=form == "whole") if _is_wrong(sentence, rng) else []
    if form in {"summary", "name"}:
        said = {word.key for word in text_en.words(sentence.said)}
        found = [
            one for one in found if one.kind in _PLAIN or {w.key for w in text_en.words(one.old)} <= said
        ]
    if not found:
        return Case(sentence=sentence, form=form, telop=" ".join(words), error=None)
    slip = chosen(found, rng)
    changed = [*words[: slip.place], *slip.new.split(), *words[slip.place + 1 :]]
    wrong = slip.new or " ".join(changed[slip.place - 1 : slip.place + 1])
    offset = len(" ".join([*changed[: slip.place - (not slip.new)], ""]))
    return Case(
        sentence=sentence,
        form=form,
        telop=" ".join(changed),
        error=Error(kind=slip.kind, wrong=wrong, right=slip.old, offset=offset),
    )


def _japanese(sentence: Sentence, form: Form, rng: random.Random) -> Case:
    text = _shown(sentence, form)
    if form in {"whole", "cut", "headline"}:
        text = re.sub("[、。]", rng.choice(["", " "]), text).strip()
    if form == "cut":
        text = _ENDING.sub("", text)
    if form == "headline":
        text = re.sub("[をがは](?=[一-龠])", " ", text, count=rng.randint(1, 2))
    found = telop_slips_ja.slips(text, rng, is_whole=form == "whole") if _is_wrong(sentence, rng) else []
    if form in {"summary", "name"}:
        said = {piece.key for piece in text_ja.pieces(sentence.said) if piece.is_number}
        found = [
            one
            for one in found
            if one.kind in _PLAIN
            or one.old in sentence.said
            or {p.key for p in text_ja.pieces(one.old)} <= said
        ]
    if not found:
        return Case(sentence=sentence, form=form, telop=text, error=None)
    slip = chosen(found, rng)
    changed = text[: slip.place] + slip.new + text[slip.place + len(slip.old) :]
    wrong = slip.new or changed[slip.place - 1 : slip.place + 1]
    offset = slip.place - (not slip.new)
    return Case(
        sentence=sentence,
        form=form,
        telop=changed,
        error=Error(kind=slip.kind, wrong=wrong, right=slip.old, offset=offset),
    )


def _is_wrong(sentence: Sentence, rng: random.Random) -> bool:
    return rng.random() >= CLEAN and sentence.genre != "tempt"
