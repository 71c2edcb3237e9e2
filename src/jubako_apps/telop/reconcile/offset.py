"""A script whose times are all late or all early: found by the telops that say the same, and moved.

Telops come when their sentence begins. If most that are in the script word for word come the same time before or behind
it, it is the script that is off; a script that merely drifts, or is another video's, is left as it is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from statistics import median
from typing import Final

from jubako_apps.telop.telops import Telop, Transcript, Utterance

WORTH_S: Final = 1.5
"""A smaller offset does no harm."""

FARTHEST_S: Final = 30.0
_WITNESSES: Final = 3
_SPREAD_S: Final = 1.0
_ALIKE: Final = 85.0


def offset(transcript: Transcript, telops: Sequence[Telop]) -> float:
    """Return by how many seconds the script is early (above 0) or late; 0.0 if it is not, or nobody can tell."""
    if transcript.source != "script":
        return 0.0
    gaps = [gap for telop in telops for gap in _gaps(transcript.utterances, telop)]
    if len(gaps) < _WITNESSES:
        return 0.0
    middle = median(gaps)
    agreeing = [gap for gap in gaps if abs(gap - middle) <= _SPREAD_S]
    is_off = abs(middle) >= WORTH_S and len(agreeing) >= max(_WITNESSES, 0.6 * len(gaps))
    return round(median(agreeing), 2) if is_off else 0.0


def moved(transcript: Transcript, seconds: float) -> Transcript:
    """Return the transcript with all its times later by ``seconds``, none before the start."""
    return replace(transcript, utterances=tuple(_moved(one, seconds) for one in transcript.utterances))


def _moved(utterance: Utterance, by: float) -> Utterance:
    words = tuple(
        replace(word, start=_later(word.start, by), end=_later(word.end, by)) for word in utterance.words
    )
    return replace(utterance, start=_later(utterance.start, by), end=_later(utterance.end, by), words=words)


def _later(time: float, by: float) -> float:
    return round(max(0.0, time + by), 3)


def _gaps(utterances: Sequence[Utterance], telop: Telop) -> Iterator[float]:
    """Yield how long after its sentence the telop comes, if just one sentence near it has its words."""
    from rapidfuzz import fuzz  # noqa: PLC0415 - loaded with the languages

    shown = _bare(telop.text)
    if len(shown) < 6:
        return
    near = [one for one in utterances if abs(one.start - telop.start) <= FARTHEST_S]
    alike = [one for one in near if fuzz.ratio(shown, _bare(one.text), score_cutoff=_ALIKE) > 0]
    if len(alike) == 1:
        yield telop.start - alike[0].start


def _bare(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())
