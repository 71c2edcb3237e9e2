"""Find burned-in captions: edges that stand still while the picture moves.

How it works, on small gray samples a fifth of a second apart:

1. A pixel is a *static edge* when it is a strong edge in two samples running and its brightness hardly moved.
2. Static edges that last two samples and were not there in the second before are *fresh*. Fresh 8 x 8 cells that
   touch form a candidate; it collects fresh cells until three samples bring none (a fade is over).
3. The candidate, widened along its own text rows, becomes a `Track`: region, edge picture, start. One track per
   connected region, so two telops on screen at once are two tracks.
4. A track lives as long as most of its edge picture is seen, gaps up to a second included. It ends earlier when
   a later track takes over its place.

Every decision about a start looks back a bounded number of samples (`MEMORY`) and never at older tracks. Therefore
a segment that begins reading that much earlier finds exactly the starts that a run over the whole video finds.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from jubako_apps.telop.stacked import aligned
from jubako_apps.telop.telops import LANES

Mask = NDArray[np.bool_]
Gray = NDArray[np.uint8]
Counts = NDArray[np.int32]

CELL = 8
GAP = 5
"""Samples without the telop that still count as a flicker."""

_EDGE = 60
_MOVED = 14
_SETTLED = 3
_CHAIN = 8
MEMORY = _CHAIN + GAP + 2 * _SETTLED
"""Samples before a start that can have a say in it."""

LOOK_BACK = _SETTLED

_ACTIVE_PIXELS = 6
_FRESH_PIXELS = 4
_FRESH_PART = 0.5
_CELLS_MIN = 4
_PIXELS_MIN = 60
_HEIGHT_MIN = 8
_KEPT = 0.5
_ALL_GONE = 0.75
_START_PART = 0.15
_LINE_GAP = 0.65
_LINE_SHARE = 0.8
_LINE_SLACK = 0.2
_TAKEN_OVER = 0.5
_NEW_PIXELS_MIN = 30
_JOIN = np.ones((3, 5), np.uint8)
_NEAR = np.ones((3, 3), np.uint8)


@dataclass(slots=True, kw_only=True, eq=False)
class Track:
    """One static region over time; indices are samples on the global grid.

    Attributes:
        start: First sample that shows it.
        look: The first sample that surely shows all of it: the one to read.
        last: Last sample that shows it, so far.
        cells: Where it stands, on the grid of cells.
        edges: Its picture in static edges.
        closed: Whether ``last`` is final.
        lane: Rank among the tracks with the same start, top to bottom.

    """

    start: int
    look: int
    last: int
    cells: Mask
    edges: Mask
    closed: bool = False
    lane: int = 0

    def box(self) -> tuple[int, int, int, int]:
        """Return (x, y, width, height) of its edges, in pixels of the small picture."""
        rows, columns = np.flatnonzero(self.edges.any(axis=1)), np.flatnonzero(self.edges.any(axis=0))
        x, y = int(columns[0]), int(rows[0])
        return x, y, int(columns[-1]) + 1 - x, int(rows[-1]) + 1 - y


@dataclass(slots=True, kw_only=True, eq=False)
class _Candidate:
    """Fresh cells that touch, and the edges that made the newest of them fresh."""

    fresh: list[tuple[int, Mask]] = field(default_factory=list)
    edges: Mask | None = None

    def add(self, index: int, cells: Mask, lasting: Mask) -> None:
        self.fresh.append((index, cells))
        self.edges = lasting & spread(self.cells())

    def is_settled(self, index: int) -> bool:
        """Say whether nothing came any more, or has come for so long that it is the picture behind that moves."""
        return self.newest <= index - _SETTLED or self.fresh[0][0] <= index - _CHAIN

    def parted(self, static: Mask) -> "_Candidate | None":
        """Part with what is no longer there, if that is most of it and lasted: another text is coming up."""
        if self.edges is None or len(self.fresh) < 2:
            return None
        cells = self.cells()
        had, has = cell_counts(self.edges), cell_counts(self.edges & static)
        gone = cells & (has < _KEPT * had)
        if np.count_nonzero(gone) < _KEPT * np.count_nonzero(cells):
            return None
        if np.count_nonzero(gone) >= _ALL_GONE * np.count_nonzero(cells):
            gone = cells
        past = _Candidate(fresh=_within(self.fresh, gone), edges=self.edges & spread(gone))
        self.fresh, self.edges = _within(self.fresh, ~gone), self.edges & spread(~gone)
        return past

    @property
    def newest(self) -> int:
        return self.fresh[-1][0]

    @property
    def start(self) -> int:
        """The first fresh sample confirmed two earlier ones."""
        return self.fresh[0][0] - 2

    def start_of(self, cells: Mask) -> int:
        """Return when ``cells`` began to show; what moved beside them may have come earlier."""
        part = _START_PART * np.count_nonzero(cells)
        return next(
            (index - 2 for index, mask in self.fresh if np.count_nonzero(mask & cells) >= part), self.start
        )

    def cells(self) -> Mask:
        cells: Mask = np.logical_or.reduce([mask for _, mask in self.fresh])
        return cells


def _lines_joined(tracks: list[Track]) -> list[Track]:
    """Make one track of those that come up together and stand under one another like lines of one text."""
    result: list[Track] = []
    for track in sorted(tracks, key=lambda t: (t.start, t.box()[1])):
        above = next((other for other in result if _are_lines(other, track)), None)
        if above is None:
            result.append(track)
            continue
        above.cells, above.edges = above.cells | track.cells, above.edges | track.edges
        above.look, above.last = max(above.look, track.look), max(above.last, track.last)
    return result


def _are_lines(one: Track, other: Track) -> bool:
    if one.start != other.start:
        return False
    (x, y, width, height), (left, top, wide, high) = one.box(), other.box()
    gap = max(top - y - height, y - top - high)
    shared = min(x + width, left + wide) - max(x, left)
    lower = min(height, high)
    is_under = gap < _LINE_GAP * lower and shared >= _LINE_SHARE * min(width, wide)
    return is_under and aligned(one.box(), other.box(), _LINE_SLACK * lower)


def _keeps(edges: Mask, now: Mask) -> bool:
    return bool(np.count_nonzero(now & edges) >= _KEPT * np.count_nonzero(edges))


def _within(fresh: list[tuple[int, Mask]], cells: Mask) -> list[tuple[int, Mask]]:
    return [(index, mask & cells) for index, mask in fresh if (mask & cells).any()]


class Tracker:
    """Takes the samples in order and keeps the tracks.

    Attributes:
        tracks: All so far but those forgotten, in order of settling.

    """

    def __init__(self) -> None:
        self.tracks: list[Track] = []
        self._candidates: list[_Candidate] = []
        self._static: deque[Mask] = deque(maxlen=MEMORY + _SETTLED)
        self._luma: Gray | None = None
        self._strong: Mask | None = None
        self._index = -1

    def push(self, index: int, luma: Gray) -> list[Track]:
        """Take sample ``index``; return the tracks that became certain with it.

        Their ``look`` lies at most `LOOK_BACK` samples back.
        """
        strong = strong_edges(luma)
        if self._luma is None or self._strong is None:
            static = np.zeros(luma.shape, dtype=np.bool_)
        else:
            moved = cv2.absdiff(luma, self._luma) >= _MOVED
            static = strong & self._strong & ~moved
        self._luma, self._strong, self._index = luma, strong, index
        self._static.append(static)
        self._follow(static)
        past = [gone for candidate in self._candidates if (gone := candidate.parted(static)) is not None]
        self._candidates = [candidate for candidate in self._candidates if candidate.fresh]
        settled = self._become_tracks(past)
        self._collect(index)
        return settled + self._settle(lambda candidate: candidate.is_settled(index))

    def finish(self) -> list[Track]:
        """End the video here: settle what is pending; return the last new tracks."""
        return self._settle(lambda _: True)

    def forget(self, index: int) -> None:
        """Let go of the tracks that were over before sample ``index``; nothing pending may have begun before it."""
        self.tracks = [track for track in self.tracks if not track.closed or track.last >= index]

    @property
    def moving(self) -> Mask:
        """The strong edges of the newest sample that do not stand still."""
        assert self._strong is not None, self._index
        return self._strong & ~self._static[-1]

    def undecided(self, a: int, b: int) -> bool:
        """Tell whether anything that began in samples ``[a, b)`` may still change."""
        pending = any(a <= candidate.start < b for candidate in self._candidates)
        return pending or any(a <= track.start < b and not track.closed for track in self.tracks)

    def _follow(self, static: Mask) -> None:
        for track in self.tracks:
            if not track.closed:
                if _keeps(track.edges, static):
                    track.last = self._index
                elif self._index - track.last > GAP:
                    track.closed = True

    def _collect(self, index: int) -> None:
        lasting = self._static[-1] & self._static[-2] if len(self._static) > 1 else self._static[-1]
        for cells in components(self._fresh_cells()):
            near = cv2.dilate(cells.astype(np.uint8), _NEAR).astype(np.bool_)
            joined = [c for c in self._candidates if (c.cells() & near).any()]
            if not joined:
                joined = [_Candidate()]
                self._candidates += joined
            first, *rest = joined
            for other in rest:
                first.fresh = sorted(first.fresh + other.fresh, key=lambda pair: pair[0])
                self._candidates.remove(other)
            first.add(index, cells, lasting)

    def _fresh_cells(self) -> Mask:
        if len(self._static) < 2:
            return np.zeros([side // CELL for side in self._static[-1].shape], dtype=np.bool_)
        lasting = self._static[-1] & self._static[-2]
        return fresh_cells(lasting, lasting & ~self._seen_before(self._index - 2))

    def _seen_before(self, index: int) -> Mask:
        """Return the static edges of the `GAP` samples before ``index``."""
        end = len(self._static) - 1 - (self._index - index)
        before = list(self._static)[max(0, end - GAP) : max(0, end)]
        seen: Mask = np.zeros_like(self._static[-1])
        for mask in before:
            seen |= mask
        return seen

    def _kept(self, start: int, lasting: Mask) -> Mask:
        """Return what was seen before ``start``, and the pixels next to what of it still is: the rim of an old text."""
        before = self._seen_before(start)
        staying = cv2.dilate((before & lasting).astype(np.uint8), _NEAR).astype(np.bool_)
        kept: Mask = before | staying
        return kept

    def _settle(self, ready: Callable[[_Candidate], bool]) -> list[Track]:
        done = [candidate for candidate in self._candidates if ready(candidate)]
        self._candidates = [candidate for candidate in self._candidates if not ready(candidate)]
        return self._become_tracks(done)

    def _become_tracks(self, done: Iterable[_Candidate]) -> list[Track]:
        found = _lines_joined([track for track in map(self._track, done) if track is not None])
        for track in sorted(found, key=lambda t: t.start):
            self._take_over(track)
            self.tracks.append(track)
        return found

    def _track(self, candidate: _Candidate) -> Track | None:
        """Turn a candidate into a track; None if nothing lasting or text-like is left of it."""
        if len({index for index, _ in candidate.fresh}) < 2:
            return None
        behind = max(self._index - candidate.newest, _SETTLED - 1)
        shown = list(self._static)[-behind - 1 :][:_SETTLED]
        lasting = np.sum(shown, axis=0) * 2 > len(shown)
        if candidate.edges is not None and not _keeps(candidate.edges, lasting):
            # It is gone already: what there was of it is what made it fresh.
            lasting = candidate.edges
        new = spread(candidate.cells()) & lasting & ~self._kept(candidate.start, lasting)
        if np.count_nonzero(new) < _NEW_PIXELS_MIN:
            return None
        cells = along_rows(cell_counts(new) >= _FRESH_PIXELS, cell_counts(lasting) >= _ACTIVE_PIXELS)
        edges = lasting & spread(cells)
        if np.count_nonzero(cells) < _CELLS_MIN or np.count_nonzero(edges) < _PIXELS_MIN:
            return None
        seen = [n for n, static in enumerate(shown) if _keeps(edges, static)]
        last = self._index - behind + (seen[-1] if seen else 0)
        track = Track(
            start=candidate.start_of(cells), look=candidate.newest, last=last, cells=cells, edges=edges
        )
        return track if track.box()[3] >= _HEIGHT_MIN else None

    def _take_over(self, new: Track) -> None:
        for old in self.tracks:
            if old.closed and old.last < new.start:
                continue
            shared = np.count_nonzero(old.cells & new.cells)
            if shared >= _TAKEN_OVER * np.count_nonzero(old.cells):
                old.last = max(old.start, min(old.last, new.start - 1))
                old.closed = True


def strong_edges(luma: Gray) -> Mask:
    """Return where brightness changes strongly to the right or downwards."""
    across = cv2.absdiff(luma[:, 1:], luma[:, :-1]).astype(np.uint16)
    down = cv2.absdiff(luma[1:, :], luma[:-1, :]).astype(np.uint16)
    strength = np.zeros(luma.shape, dtype=np.uint16)
    strength[:, :-1] = across
    strength[:-1, :] += down
    return strength > _EDGE


def cell_counts(mask: Mask) -> Counts:
    """Count the set pixels of each cell."""
    rows, columns = mask.shape[0] // CELL, mask.shape[1] // CELL
    # A row of a cell is one byte of bits; so it takes a twentieth of the time that adding up truth values does.
    rows_of_cells = np.bitwise_count(np.packbits(mask[: rows * CELL, : columns * CELL], axis=1))
    counts: Counts = rows_of_cells.reshape(rows, CELL, columns).sum(axis=1, dtype=np.int32)
    return counts


def fresh_cells(lasting: Mask, fresh: Mask) -> Mask:
    """Return the cells whose static edges are new for the greater part.

    The outer rim of an outlined telop comes and goes as the picture behind it brightens and darkens; the
    greater part of such a cell stays.
    """
    count, new = cell_counts(lasting), cell_counts(fresh)
    return (new >= _FRESH_PIXELS) & (new >= _FRESH_PART * count)


def spread(cells: Mask) -> Mask:
    """Return the pixels of the cells."""
    return cells.repeat(CELL, axis=0).repeat(CELL, axis=1)


def components(cells: Mask) -> list[Mask]:
    """Return the connected regions, words of one line joined, specks left out."""
    closed = cv2.morphologyEx(cells.astype(np.uint8), cv2.MORPH_CLOSE, _JOIN)
    count, labels = cv2.connectedComponents(closed, connectivity=8)
    found = [(labels == label) & cells for label in range(1, count)]
    return [region for region in found if np.count_nonzero(region) >= _CELLS_MIN]


def along_rows(core: Mask, active: Mask) -> Mask:
    """Widen ``core`` to the active cells that continue its rows: the unchanged part of a changed telop."""
    rows = np.flatnonzero((core & active).any(axis=1))
    if not len(rows):
        return core & active
    line = np.zeros_like(active)
    line[rows[0] : rows[-1] + 1] = active[rows[0] : rows[-1] + 1]
    regions = [region for region in components(line) if (region & core).any()]
    return np.logical_or.reduce(regions) if regions else core & active


def in_lanes(tracks: Iterable[Track]) -> list[Track]:
    """Give tracks that start together their lanes, top to bottom, left to right.

    Of more than eight only the eight with the largest picture are kept: that many is a change of scene.
    """
    starts: dict[int, list[Track]] = {}
    for track in tracks:
        starts.setdefault(track.start, []).append(track)
    kept: list[Track] = []
    for start in sorted(starts):
        largest = sorted(starts[start], key=lambda t: -np.count_nonzero(t.edges))[:LANES]
        for lane, track in enumerate(sorted(largest, key=lambda t: (t.box()[1], t.box()[0]))):
            track.lane = lane
            kept.append(track)
    return kept
