"""One name, written in two ways in one video: the rarer way is likely wrong, whatever was said.

A name that stands in at least `OFTEN` telops is taken for a term of the video's own; a telop that has it one slip
away, in a way found nowhere else, is inconsistent. If the rarer way is what was said, it is somebody else's name.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from jubako_apps.telop.findings import Suspicion
from jubako_apps.telop.lists import Lists
from jubako_apps.telop.reconcile.terms import near_misses, places
from jubako_apps.telop.reconcile.windows import window
from jubako_apps.telop.telops import Telop, Transcript

OFTEN = 2
_CONFIDENCE = 0.7


def inconsistencies(
    telops: Sequence[Telop], transcript: Transcript, lists: Lists
) -> Iterator[tuple[Telop, Suspicion]]:
    """Yield the telops that write a name otherwise than most."""
    known = {term.casefold() for term in lists.glossary}
    for name in frequent_names([telop.text for telop in telops], transcript.language):
        for telop, start, end in _rare(telops, name, transcript.language):
            speech = " ".join(one.text for one in window(transcript.utterances, telop))
            wrong = telop.text[start:end]
            if wrong.casefold() not in known and not places(speech, wrong):
                yield (
                    telop,
                    Suspicion(
                        kind="inconsistency", offset=start, wrong=wrong, right=name, confidence=_CONFIDENCE
                    ),
                )


def frequent_names(texts: Sequence[str], language: str) -> list[str]:
    """Return the names that stand in several telops, in alphabetical order; a telop shown twice counts twice."""
    find = _names_ja if language == "ja" else _names_en
    counts = Counter(name for text in texts for name in set(find(text)))
    return sorted(name for name, count in counts.items() if count >= OFTEN)


def _rare(telops: Sequence[Telop], name: str, language: str) -> Iterator[tuple[Telop, int, int]]:
    found = [(telop, *span) for telop in telops for span in near_misses(telop.text, name, language)]
    forms = Counter(form for form, _ in {(telop.text[a:b].casefold(), telop.text) for telop, a, b in found})
    for telop, start, end in found:
        if forms[telop.text[start:end].casefold()] == 1:
            yield telop, start, end


def _names_en(text: str) -> Iterator[str]:
    from jubako_apps.telop.text_en import words  # noqa: PLC0415 - loaded with the language

    for position, word in enumerate(words(text)):
        if word.sort == "word" and word.is_capitalised and word.text.isalpha() and position > 0:
            yield word.text


def _names_ja(text: str) -> Iterator[str]:
    from jubako_apps.telop.text_ja import morphemes, pieces  # noqa: PLC0415

    run = ""
    for word in [*morphemes(pieces(text)), None]:
        if word is not None and "人名" in word.part:
            run += word.surface
            continue
        if run:
            yield run
        run = ""
