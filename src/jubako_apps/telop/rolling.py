"""Find and read text that rolls: edges that move up together at one speed.

How it works, on the small samples of `jubako_apps.telop.detect`:

1. The edges of one sample are laid over those of the sample before, moved up by each number of rows (`_SPEEDS`). If
   one speed fits far better than all others, for `_STEADY` samples, a text is rolling. A picture that pans or tilts
   does not fit: its edges move sideways too, or slowly.
2. How far it has rolled is added up; a line's place plus that is its *mark*, which stays the same while it rolls.
3. The picture is read whenever the text has rolled nearly half of the picture, so that each line is whole in one
   reading at least. Lines with the same mark are one line; lines close to each other are one telop.
4. A telop starts when its mark passes the lower edge, and ends at the upper one, or with the rolling.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from jubako_apps.telop.detect import Mask
from jubako_apps.telop.ocr import Line
from jubako_apps.telop.signs import as_japanese
from jubako_apps.telop.stacked import aligned

_SPEEDS: Final = range(3, 31)
"""Rows of the small picture for each sample: slow enough to be read, fast enough to be seen to move."""

_STEADY: Final = 3
_LOST: Final = 3
_BASE: Final = 4
"""Samples over which the speed is measured finely."""

_FIT_MIN: Final = 250
_FIT_FACTOR: Final = 2.5
_DENSE_PART: Final = 0.35
_DENSE_FACTOR: Final = 1.6
"""Kanji have edges everywhere, so any shift fits some of them; there it counts which part of all edges fits, and
that none fits better which goes sideways too."""

_SIDEWAYS: Final = range(1, 9)

_READ_AGAIN: Final = 0.4
"""Part of the picture's height after which it is read anew."""

_MOVING: Final = 0.2
_EDGE_ROWS: Final = 3
_SAME_MARK: Final = 0.6
_NEXT_LINE: Final = 1.3
"""How far apart, for their height as found, the middles of lines of one telop may be."""

_EVEN: Final = 1.2
_ALIGNED: Final = 0.35


@dataclass(frozen=True, slots=True, kw_only=True)
class Rolled:
    """A telop that rolled through the picture: first and last sample (may be fractions), text, box at its widest."""

    start: float
    end: float
    text: str
    confidence: float
    x: float
    width: float
    height: float


@dataclass(slots=True, kw_only=True)
class _Mark:
    place: float
    height: float
    x: float
    width: float
    text: str
    confidence: float


@dataclass(slots=True, kw_only=True)
class Roll:
    """One stretch of rolling; rows and columns are those of the small picture."""

    first: int
    last: int
    speed: float
    far: float = 0.0
    read_at: float | None = None
    marks: list[_Mark] = field(default_factory=list)

    def telops(self, rows: int) -> list[Rolled]:
        """Return what rolled by, lines that stand close together as one."""
        lines = sorted(self.marks, key=lambda one: one.place)
        # What neither begins nor has its middle below the line before belongs to another telop, however near it is.
        gaps = [
            below.place - above.place if _aligned(above, below) else float("inf")
            for above, below in pairwise(lines)
        ]
        # Where distances differ the smallest is that of lines; a lone one is, if it is small for their height.
        least = min(gaps, default=0.0)
        near = (
            _EVEN * least
            if max(gaps, default=0.0) > _EVEN * least
            else 0.0
            if len(gaps) > 1
            else float("inf")
        )
        groups = [[line] for line in lines[:1]]
        for gap, line in zip(gaps, lines[1:], strict=True):
            height = max(line.height, groups[-1][-1].height)
            if gap < near and gap < (_NEXT_LINE if len(gaps) > 1 else 1.0) * height:
                groups[-1].append(line)
            else:
                groups.append([line])
        return [self._telop(group, rows) for group in groups]

    def _telop(self, group: Sequence[_Mark], rows: int) -> Rolled:
        top, bottom = group[0].place - group[0].height / 2, group[-1].place + group[-1].height / 2
        at = self.last - self.far / self.speed  # the sample at which nothing had rolled yet
        left, right = min(one.x for one in group), max(one.x + one.width for one in group)
        signs = sum(len(one.text) for one in group)
        return Rolled(
            start=at + (top - rows) / self.speed,
            end=min(float(self.last), at + bottom / self.speed),
            text=as_japanese(" ".join(one.text for one in group)),
            confidence=round(sum(one.confidence * len(one.text) for one in group) / signs, 4),
            x=left, width=right - left, height=bottom - top,
        )  # fmt: skip


class RollWatch:
    """Takes the edges of the samples in order and keeps the rolls.

    Attributes:
        rolls: All that have ended, but those forgotten.
        roll: The one that goes on, if any.

    """

    def __init__(self) -> None:
        self.rolls: list[Roll] = []
        self.roll: Roll | None = None
        self._edges: deque[Mask] = deque(maxlen=_BASE + 1)
        self._speeds: deque[int] = deque(maxlen=_STEADY)
        self._lost = 0

    def push(self, index: int, moving: Mask) -> bool:
        """Take the edges of sample ``index`` that do not stand still; return whether to read the picture now."""
        self._edges.append(moving)
        speed = self._fitting(moving)
        self._speeds.append(speed)
        if self.roll is None:
            is_steady = (
                speed > 0 and len(self._speeds) == _STEADY and max(self._speeds) - min(self._speeds) <= 1
            )
            if is_steady:
                self.roll, self._lost = Roll(first=index - _STEADY, last=index, speed=float(speed)), 0
            return self._is_due(moving.shape[0])
        return self._go_on(self.roll, index, speed, moving.shape[0])

    def finish(self) -> None:
        """End what is still rolling."""
        if self.roll is not None:
            self.rolls.append(self.roll)
            self.roll = None

    def forget(self, index: int) -> None:
        """Let go of the rolls that were over before sample ``index``."""
        self.rolls = [roll for roll in self.rolls if roll.last >= index]

    def take(self, lines: Sequence[Line], scale: float) -> None:
        """Take what was read from the current sample's picture, ``scale`` times the size of the small one."""
        assert self.roll is not None, lines
        moved = self._moved(round(self.roll.speed))
        for line in lines:
            x, y, width, height = (value / scale for value in line.box)
            if y < _EDGE_ROWS or y + height > moved.shape[0] - _EDGE_ROWS or not line.text:
                continue
            inside = slice(int(y), int(y + height)), slice(max(0, int(x)), int(x + width))
            edges = np.count_nonzero(self._edges[-1][inside])
            if edges and np.count_nonzero(moved[inside]) >= _MOVING * edges:
                mark = _Mark(
                    place=y + height / 2 + self.roll.far, height=height, x=x, width=width, text=line.text,
                    confidence=line.confidence,
                )  # fmt: skip
                _add(self.roll.marks, mark)

    def _go_on(self, roll: Roll, index: int, speed: int, rows: int) -> bool:
        roll.far += roll.speed
        if speed and abs(speed - roll.speed) <= 1:
            self._lost = 0
            roll.last = index
            fine = self._fine_speed(roll.speed)
            roll.speed += (fine - roll.speed) / 4
        else:
            self._lost += 1
        if self._lost >= _LOST:
            roll.far -= roll.speed * self._lost
            self.finish()
            return False
        return self._lost == 0 and self._is_due(rows)

    def _is_due(self, rows: int) -> bool:
        roll = self.roll
        if roll is None or (roll.read_at is not None and roll.far - roll.read_at < _READ_AGAIN * rows):
            return False
        roll.read_at = roll.far
        return True

    def _fitting(self, now: Mask) -> int:
        """Return by how many rows the edges have moved up; 0 if nothing stands out."""
        if len(self._edges) < 2:
            return 0
        bits, before = _bits(now), _bits(self._edges[-2])
        fits = np.array([np.bitwise_count(bits[:-speed] & before[speed:]).sum() for speed in _SPEEDS])
        best = int(fits.argmax())
        others = np.delete(fits, range(max(0, best - 2), min(len(fits), best + 3)))
        by_chance = float(np.median(others))
        if fits[best] < _FIT_MIN or fits[best] < _DENSE_FACTOR * by_chance:
            return 0
        if fits[best] < _FIT_FACTOR * by_chance:
            is_most = fits[best] >= _DENSE_PART * np.count_nonzero(now)
            if not is_most or fits[best] <= self._fit_sideways(_SPEEDS[best]):
                return 0
        return _SPEEDS[best]

    def _fit_sideways(self, speed: int) -> int:
        """Return how many edges fit at best if they have moved to a side as well."""
        now, before = self._edges[-1][:-speed], self._edges[-2][speed:]
        pairs = [(now[:, by:], before[:, :-by]) for by in _SIDEWAYS]
        pairs += [(now[:, :-by], before[:, by:]) for by in _SIDEWAYS]
        return max(int(np.count_nonzero(one & other)) for one, other in pairs)

    def _fine_speed(self, speed: float) -> float:
        if len(self._edges) <= _BASE:
            return speed
        now, before = self._edges[-1], self._edges[0]
        middle = round(speed * _BASE)
        shifts = [shift for shift in range(middle - _BASE, middle + _BASE + 1) if 0 < shift < now.shape[0]]
        return max(shifts, key=lambda shift: np.count_nonzero(now[:-shift] & before[shift:])) / _BASE

    def _moved(self, speed: int) -> Mask:
        """Return the edges that came from where they would have been a sample ago, a row more or less."""
        now, before = self._edges[-1], self._edges[-2]
        found = np.zeros_like(now)
        for shift in (speed - 1, speed, speed + 1):
            found[:-shift] |= now[:-shift] & before[shift:]
        return found


def _bits(mask: Mask) -> NDArray[np.uint64]:
    """Return the rows as whole words of bits: to lay a picture over another is then an eighth of the work."""
    packed = np.packbits(mask, axis=1)
    rest = -packed.shape[1] % 8
    return np.pad(packed, ((0, 0), (0, rest))).view(np.uint64)


def _add(marks: list[_Mark], new: _Mark) -> None:
    """Add a line, or keep the surer of two readings of one."""
    for place, mark in enumerate(marks):
        if abs(mark.place - new.place) < _SAME_MARK * max(mark.height, new.height) and _beside(mark, new):
            if new.confidence > mark.confidence:
                marks[place] = new
            return
    marks.append(new)


def _aligned(above: _Mark, below: _Mark) -> bool:
    one, other = ((line.x, line.place, line.width, line.height) for line in (above, below))
    return aligned(one, other, _ALIGNED * min(above.height, below.height))


def _beside(one: _Mark, other: _Mark) -> bool:
    return one.x < other.x + other.width and other.x < one.x + one.width
