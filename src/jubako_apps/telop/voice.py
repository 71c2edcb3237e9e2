"""Where somebody speaks, and the pieces of sound to recognise.

How sound is cut:

1. A block (`jubako_apps.telop.blocks`) ends at the quietest moment near its nominal end. Both neighbours find the same
   moment, because both look at the same few seconds.
2. In a block, stretches of speech are told from pauses by loudness, compared with the sound around the block only:
   nothing that is far away has a say, and no more than a minute is ever held in memory.
3. A piece owns the words whose middle lies in it and is heard with `OVERLAP_S` of its neighbours, so no word is lost or
   doubled at a cut.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from jubako_apps.telop import media
from jubako_apps.telop.blocks import BLOCK_S, NEAR_S, Span, blocks
from jubako_apps.telop.media import SAMPLE_RATE, Pcm

OVERLAP_S: Final = 0.5

_AROUND_S: Final = 10.0
_HUSH_S: Final = 0.2
_STEP_S: Final = 0.02
_PAUSE_S: Final = 0.3
_PADDING_S: Final = 0.15
_SHORTEST_S: Final = 0.1
_FLOOR_DB: Final = -60.0
_RANGE: Final = 0.35


class Sound(Protocol):
    """Sound at 16 kHz, mono; ``duration`` in seconds."""

    @property
    def duration(self) -> float:
        """How long it is."""

    def between(self, start: float, end: float) -> Pcm:
        """Return the samples of ``[start, end)``, fewer where the sound ends."""


class Samples:
    """Sound that is in memory."""

    def __init__(self, pcm: Pcm) -> None:
        self._pcm = pcm
        self.duration = len(pcm) / SAMPLE_RATE

    def between(self, start: float, end: float) -> Pcm:
        """See Sound."""
        return self._pcm[max(0, round(start * SAMPLE_RATE)) : max(0, round(end * SAMPLE_RATE))]


class FileSound:
    """Sound of a media file, read when it is asked for; what was asked for last is not read again."""

    def __init__(self, path: Path, duration: float) -> None:
        self._path = path
        self.duration = duration

    def between(self, start: float, end: float) -> Pcm:
        """See Sound."""
        return _read(self._path, max(0.0, start), min(self.duration, end))


@lru_cache(maxsize=4)
def _read(path: Path, start: float, end: float) -> Pcm:
    """Read a stretch; a task's next part begins in the block in which this one ends."""
    sound = media.audio(path, start, end)
    sound.flags.writeable = False
    return sound


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A stretch of sound to recognise: it is heard over ``heard`` and owns the words inside ``owned``."""

    owned: Span
    heard: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    """A block with the sound around it; all times count from ``first``, the time at which ``pcm`` begins."""

    first: float
    pcm: Pcm
    block: Span
    speech: list[Span]


def by_block(
    sound: Sound, own: Iterable[int], within: Span = (0.0, math.inf)
) -> Iterator[list[tuple[Piece, Pcm]]]:
    """Yield the pieces of each of these blocks, each with what is heard of it; of blocks that miss ``within`` none."""
    for window in _windows(sound, own, within):
        if window is None:
            yield []
            continue
        length = len(window.pcm) / SAMPLE_RATE
        yield [
            (
                Piece(owned=_later(piece.owned, window.first), heard=_later(piece.heard, window.first)),
                window.pcm[round(piece.heard[0] * SAMPLE_RATE) : round(piece.heard[1] * SAMPLE_RATE)],
            )
            for piece in _pieces(window.speech, window.block, length)
        ]


def pieces(sound: Sound) -> list[Piece]:
    """Return all pieces of the sound."""
    return [piece for block in by_block(sound, range(blocks(sound.duration))) for piece, _ in block]


def stretches(sound: Sound) -> list[Span]:
    """Return when somebody speaks, over the whole sound."""
    found: list[Span] = []
    for window in filter(None, _windows(sound, range(blocks(sound.duration)))):
        low, high = window.block
        inside = [(max(a, low), min(b, high)) for a, b in window.speech if b > low and a < high]
        for start, end in (_later(span, window.first) for span in inside):
            if found and start - found[-1][1] < _STEP_S:
                found[-1] = (found[-1][0], end)
            else:
                found.append((start, end))
    return found


def _windows(sound: Sound, own: Iterable[int], within: Span = (0.0, math.inf)) -> Iterator[_Window | None]:
    """Yield each block; None in place of one that turns out to miss ``within`` once its ends are known."""
    cut_at = lru_cache(maxsize=2)(lambda number: _cut(sound, number))
    for block in own:
        start, end = cut_at(block), cut_at(block + 1)
        if end <= within[0] or start >= within[1]:
            yield None
            continue
        first = max(0.0, start - _AROUND_S)
        pcm = sound.between(first, end + _AROUND_S)
        yield _Window(first=first, pcm=pcm, block=(start - first, end - first), speech=spoken(pcm))


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
    parts = sound[: len(sound) // step * step].reshape(-1, step).astype(np.float64) / 32768
    power = np.maximum((parts**2).mean(axis=1), 1e-12) if len(parts) else np.zeros(0)
    decibels: NDArray[np.float64] = np.maximum(10 * np.log10(power), _FLOOR_DB)
    return decibels


def _pieces(speech: list[Span], block: Span, length: float) -> Iterator[Piece]:
    """Yield the pieces of the stretches inside a block; all times from the start of a sound of ``length``."""
    for start, end in speech:
        if end <= block[0] or start >= block[1]:
            continue
        before = OVERLAP_S if start < block[0] else _PADDING_S
        after = OVERLAP_S if end > block[1] else _PADDING_S
        first, last = max(start, block[0]), min(end, block[1])
        heard = (max(0.0, first - before), min(length, last + after))
        yield Piece(owned=(max(heard[0], block[0]), min(heard[1], block[1])), heard=heard)


def _cut(sound: Sound, number: int) -> float:
    """Return where block ``number`` begins: the quietest moment near its nominal beginning."""
    if number == 0:
        return 0.0
    if number >= blocks(sound.duration):
        return sound.duration
    first = number * BLOCK_S - NEAR_S
    level = levels(sound.between(first, first + 2 * NEAR_S))
    width = round(_HUSH_S / _STEP_S)
    if len(level) <= width:
        return math.floor(number * BLOCK_S)
    hush = np.convolve(level, np.ones(width), "valid")
    # Of moments equally quiet the one nearest to the nominal beginning: then silence is cut evenly.
    away = np.abs(np.arange(len(hush)) + width / 2 - NEAR_S / _STEP_S)
    best = int(np.lexsort((away, np.round(hush, 3)))[0])
    return round(first + (best + width / 2) * _STEP_S, 3)


def _later(span: Span, by: float) -> Span:
    return round(span[0] + by, 3), round(span[1] + by, 3)
