"""What is said in a video: from a script beside it, or by listening.

Order of sources: a script is authoritative; without one English is recognised by pocketsphinx (its models lie inside
its wheel, nothing is downloaded); else nobody knows, and the transcript says so.

How listening works:

1. Sound is cut where nobody speaks (`spoken`); speech without a pause is cut at its quietest moment, and
   each piece is heard with `OVERLAP_S` of its neighbours.
2. A piece owns the words whose middle lies in it, so no word is lost or doubled at a cut, and pieces can be recognised
   in any order, by any task.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from jubako_apps.telop import media
from jubako_apps.telop.media import SAMPLE_RATE, Pcm
from jubako_apps.telop.script import Span, parse
from jubako_apps.telop.telops import Transcript, Utterance, Word

LISTENED = ("en",)
"""Languages that can be recognised without a script."""

OVERLAP_S = 0.5

_STEP_S = 0.02
_PAUSE_S = 0.3
_PADDING_S = 0.15
_SHORTEST_S = 0.1
_LONGEST_S = 20.0
_PART_S = 20.0
_FLOOR_DB = -60.0
_RANGE = 0.35
_FRAMES_PER_S = 100
_VARIANT = re.compile(r"\(\d+\)$")
_NO_WORD = re.compile(r"^[<\[+]")


PARTS_MAX = 8
"""Most tasks that listen to one video: each decodes all of its sound, to find where somebody speaks."""


def parts(duration: float, segments: int) -> int:
    """Return among how many tasks listening to ``duration`` seconds of sound is divided."""
    return max(1, min(PARTS_MAX, segments, math.ceil(duration / _PART_S)))


class Recogniser(Protocol):
    """Turns sound into words."""

    def words(self, sound: Pcm) -> list[Word]:
        """Return the words heard in 16 kHz mono sound, times from its start."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A stretch of sound to recognise: it is heard over ``heard`` and owns the words inside ``owned``."""

    owned: Span
    heard: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which of ``count`` tasks is listening."""

    index: int
    count: int

    def own(self, cut: Sequence[Piece]) -> Sequence[Piece]:
        """Return this task's pieces: a run of neighbours, about as much sound as everybody else's.

        A piece belongs to the task in whose share of the speech its middle lies, so each piece has one owner.
        """
        total = sum(piece.owned[1] - piece.owned[0] for piece in cut)
        own, before = [], 0.0
        for piece in cut:
            length = piece.owned[1] - piece.owned[0]
            owner = min(self.count - 1, int((before + length / 2) / total * self.count))
            own += [piece] if owner == self.index else []
            before += length
        return own


WHOLE = Part(index=0, count=1)


class PocketSphinx:
    """The English recogniser."""

    def __init__(self) -> None:
        from pocketsphinx import Decoder  # noqa: PLC0415 - loads its models; only tasks that listen pay it

        self._decoder = Decoder(samprate=SAMPLE_RATE, loglevel="FATAL")

    def words(self, sound: Pcm) -> list[Word]:
        """See Recogniser."""
        # It adapts to the sound it has heard; started afresh, no piece depends on the ones before it.
        self._decoder.reinit_feat()
        self._decoder.start_utt()
        self._decoder.process_raw(sound.tobytes(), full_utt=True)
        self._decoder.end_utt()
        # No hypothesis at all is None, not an empty list.
        found = self._decoder.seg() or ()
        return [
            Word(
                start=round(segment.start_frame / _FRAMES_PER_S, 3),
                end=round((segment.end_frame + 1) / _FRAMES_PER_S, 3),
                text=_VARIANT.sub("", segment.word),
                confidence=round(min(1.0, max(0.0, segment.prob)), 4),
            )
            for segment in found
            if not _NO_WORD.match(segment.word)
        ]


def transcribe(
    path: Path,
    language: str,
    script: tuple[bytes, str] | None = None,
    progress: Callable[[float], None] | None = None,
    part: Part = WHOLE,
) -> Transcript:
    """Return what is said in the video.

    Args:
        path: The video.
        language: ``en`` or ``ja``.
        script: A script's bytes and kind (`jubako_apps.telop.script.KINDS`), if there is one.
        progress: Told the finished part, 0 to 1, after each piece of sound.
        part: Which share of the speech to listen to; a script is always read as a whole.

    Raises:
        MediaError: The video cannot be read.
        ScriptError: The script cannot be used.

    """
    facts = media.probe(path)
    if script is not None:
        data, kind = script
        whole = [(0.0, facts.duration)]
        heard = spoken(media.audio(path)) if kind == ".txt" and facts.has_audio else whole
        return parse(data, kind, language, heard or whole)
    if language not in LISTENED or not facts.has_audio:
        return Transcript(source="none", language=language, utterances=())
    return listen(media.audio(path), language, PocketSphinx(), progress, part)


def listen(
    sound: Pcm,
    language: str,
    recogniser: Recogniser,
    progress: Callable[[float], None] | None = None,
    part: Part = WHOLE,
) -> Transcript:
    """Recognise the sound, or one task's part of it, piece by piece."""
    utterances: list[Utterance] = []
    cut = part.own(pieces(sound))
    for done, piece in enumerate(cut, start=1):
        words = recognise(sound, piece, recogniser)
        if words:
            text = " ".join(word.text for word in words)
            start, end = words[0].start, words[-1].end
            utterances.append(
                Utterance(id=len(utterances), start=start, end=end, text=text, words=tuple(words))
            )
        if progress is not None:
            progress(done / len(cut))
    return Transcript(source="asr", language=language, utterances=tuple(utterances))


def recognise(sound: Pcm, piece: Piece, recogniser: Recogniser) -> list[Word]:
    """Return the words that the piece owns, times from the start of ``sound``."""
    start, end = piece.heard
    heard = recogniser.words(sound[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)])
    moved = [
        Word(
            start=round(start + word.start, 3),
            end=round(start + word.end, 3),
            text=word.text,
            confidence=word.confidence,
        )
        for word in heard
    ]
    return [word for word in moved if piece.owned[0] <= (word.start + word.end) / 2 < piece.owned[1]]


def pieces(sound: Pcm) -> list[Piece]:
    """Cut the sound into pieces to recognise, none longer than about 20 seconds."""
    level = levels(sound)
    length = len(sound) / SAMPLE_RATE
    result = []
    for start, end in spoken(sound):
        cuts = [start, *_cuts(level, start, end), end]
        for first, last in pairwise(cuts):
            before = _PADDING_S if first == start else OVERLAP_S
            after = _PADDING_S if last == end else OVERLAP_S
            heard = (max(0.0, first - before), min(length, last + after))
            owned = (heard[0] if first == start else first, heard[1] if last == end else last)
            result.append(Piece(owned=owned, heard=heard))
    return result


def spoken(sound: Pcm) -> list[Span]:
    """Return the (start, end) of every stretch of speech, by loudness alone; pauses under 0.3 s belong to it."""
    level = levels(sound)
    if not len(level):
        return []
    quiet, loud = np.percentile(level, 10), np.percentile(level, 95)
    on = np.flatnonzero(level > max(_FLOOR_DB, quiet + _RANGE * (loud - quiet)))
    if not len(on):
        return []
    breaks = np.flatnonzero(np.diff(on) * _STEP_S > _PAUSE_S)
    firsts, lasts = [on[0], *on[breaks + 1]], [*on[breaks], on[-1]]
    spans = [
        (round(float(a) * _STEP_S, 3), round(float(b + 1) * _STEP_S, 3))
        for a, b in zip(firsts, lasts, strict=True)
    ]
    return [span for span in spans if span[1] - span[0] >= _SHORTEST_S]


def levels(sound: Pcm) -> NDArray[np.float64]:
    """Return the loudness of every 20 ms, in decibels below full scale, -60 at the lowest."""
    step = int(_STEP_S * SAMPLE_RATE)
    blocks = sound[: len(sound) // step * step].reshape(-1, step).astype(np.float64) / 32768
    power = np.maximum((blocks**2).mean(axis=1), 1e-12) if len(blocks) else np.zeros(0)
    decibels: NDArray[np.float64] = np.maximum(10 * np.log10(power), _FLOOR_DB)
    return decibels


def _cuts(level: NDArray[np.float64], start: float, end: float) -> Iterator[float]:
    """Yield the times at which a long stretch is cut: the quietest moments not far from even parts."""
    parts = math.ceil((end - start) / _LONGEST_S)
    while parts > 1:
        share = (end - start) / parts
        farthest = min(start + 1.5 * share, start + _LONGEST_S)
        first, last = round((start + 0.5 * share) / _STEP_S), round(farthest / _STEP_S)
        start = round((first + int(np.argmin(level[first:last]))) * _STEP_S, 3)
        yield start
        parts = math.ceil((end - start) / _LONGEST_S)
