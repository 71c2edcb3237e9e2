"""A stretch of neighbouring segments of a video in, the telops of each out: decode, detect, read.

Rules:

1. A segment owns the telops that *start* in ``[start, end)``. The stretch begins to be read `Options.pre_roll`
   earlier, so that it sees starts as a run over the whole video would, and a segment is looked at for
   `Options.post_roll` longer at most, to see its telops end.
2. A segment is done as soon as nothing it owns is still open; the next one of the stretch goes on from there.
3. A telop that outlasts the post-roll is returned with ``open_end``. Every later segment that still sees it
   returns a tail (``open_start``); `jubako_apps.telop.merge` joins them.
4. How segments are put together into stretches does not change what is found.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from jubako_apps.telop import media
from jubako_apps.telop.decoding import Damage
from jubako_apps.telop.detect import MEMORY, Track, Tracker, in_lanes
from jubako_apps.telop.media import Frame, Segment
from jubako_apps.telop.ocr import Engine, Reading, read_telops, surer
from jubako_apps.telop.rolling import Rolled, RollWatch
from jubako_apps.telop.stacked import whole
from jubako_apps.telop.telops import LANES, STRIDE, TAILS, Box, Telop, telop_id

_HELD = 6
_EPSILON = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to look: ``fps`` samples per second, ``pre_roll`` and ``post_roll`` in seconds."""

    fps: float = 5.0
    pre_roll: float = 4.0
    post_roll: float = 12.0


def extract(
    path: Path,
    segment: Segment,
    engine: Engine,
    options: Options | None = None,
    progress: Callable[[float], None] | None = None,
    damage: Damage | None = None,
) -> list[Telop]:
    """Return the telops of one segment that is looked at alone; see `Lookout`."""
    return Lookout(path, [segment], engine, options, damage).telops(segment, progress)


class Lookout:
    """Follows a stretch of neighbouring segments, every sample of it once.

    Args:
        path: The video.
        stretch: The segments, in order.
        engine: Reads the text.
        options: How to look.
        damage: Told what could not be decoded.

    """

    def __init__(
        self,
        path: Path,
        stretch: Sequence[Segment],
        engine: Engine,
        options: Options | None = None,
        damage: Damage | None = None,
    ) -> None:
        options = options or Options()
        self._fps, self._engine = options.fps, engine
        self._post_roll = math.ceil(options.post_roll * options.fps)
        self._owned = _grid(stretch[0].start, options.fps), _grid(stretch[-1].end, options.fps)
        first = max(0, self._owned[0] - max(math.ceil(options.pre_roll * options.fps), MEMORY))
        last = self._owned[1] + self._post_roll
        self._frames = media.frames(path, first / options.fps, last / options.fps, options.fps, damage)
        self._index = first - 1
        self._ended = False
        self._tracker, self._watch = Tracker(), RollWatch()
        self._held: deque[Frame] = deque(maxlen=_HELD)
        self._readings: dict[Track, list[Reading]] = {}

    def telops(self, segment: Segment, progress: Callable[[float], None] | None = None) -> list[Telop]:
        """Return the telops that the segment owns, in order of start, then its tails.

        Args:
            segment: The next one of the stretch.
            progress: Told the finished part, 0 to 1, after each sample.

        Raises:
            MediaError: The file cannot be read or breaks off (`jubako_apps.telop.media`).

        """
        a, b = _grid(segment.start, self._fps), _grid(segment.end, self._fps)
        first = self._index
        while not self._is_decided(a, b) and self._look():
            if progress is not None:
                progress(min(1.0, (self._index - first) / max(1, b - 1 - first)))
        if b == self._owned[1]:
            self._read(self._tracker.finish())
        found = self._found(segment, (a, b))
        self._forget(b)
        return found

    def _is_decided(self, a: int, b: int) -> bool:
        if self._ended or self._index + 1 >= b + self._post_roll:
            return True
        return self._index >= b + MEMORY and not self._tracker.undecided(a, b) and self._watch.roll is None

    def _look(self) -> bool:
        """Take the next sample; return False if there is none."""
        frame = next(self._frames, None)
        if frame is None:
            self._ended = True
            self._read(self._tracker.finish())
            self._watch.finish()
            return False
        self._index = frame.index
        self._held.append(frame)
        self._read(self._tracker.push(frame.index, frame.luma))
        if self._watch.push(frame.index, self._tracker.moving):
            image = frame.image()
            self._watch.take(self._engine.read(image), image.shape[0] / frame.luma.shape[0])
        return True

    def _read(self, tracks: Iterable[Track]) -> None:
        """Read each owned track at the moment it is certain, while its picture is at hand."""
        for track in tracks:
            if self._owned[0] <= track.start < self._owned[1]:
                frame = next(f for f in self._held if f.index >= track.look)
                region = _box(track, _shape(frame))
                found = read_telops(self._engine, frame.image(), region)
                others = [f.image for f in reversed(self._held) if frame.index < f.index <= track.last]
                self._readings[track] = [
                    surer(self._engine, one, others or [frame.image], region if len(found) == 1 else one.box)
                    for one in found
                ]

    def _found(self, segment: Segment, owned: tuple[int, int]) -> list[Telop]:
        a, b = owned
        seen = _Seen(shape=_shape(self._held[-1]) if self._held else (1, 1), ended=self._ended, fps=self._fps)
        tracks = [track for track in in_lanes(self._tracker.tracks) if a <= track.start < b]
        read = [list(self._telops(track, tracks, segment, seen)) for track in tracks]
        # What was told apart by its size is not joined again.
        telops = whole(
            [one for found in read if len(found) == 1 for one in found], seen.shape[1] / seen.shape[0]
        )
        telops = sorted(
            [*telops, *(one for found in read if len(found) > 1 for one in found)], key=lambda one: one.id
        )
        telops += _rolled(self._rolls(seen.shape[0]), segment, owned, seen)
        # Every earlier segment has looked beyond its own end, so what had gone before ``a`` was seen to go.
        earlier = [track for track in self._tracker.tracks if track.start < a <= track.last]
        return telops + [_tail(track, segment, n, seen) for n, track in enumerate(earlier)]

    def _telops(
        self, track: Track, tracks: Sequence[Track], segment: Segment, seen: "_Seen"
    ) -> Iterator[Telop]:
        """Yield what was read of a track; several telops if they stood too close together for a track each."""
        first = _grid(segment.start, self._fps)
        readings = self._readings.get(track, [])
        beside = [other for other in tracks if other.start == track.start]
        # Those after the first take the lanes that no track has, counted from below.
        taken = sum(
            max(0, len(self._readings.get(other, [])) - 1) for other in beside if other.lane < track.lane
        )
        for number, reading in enumerate(readings):
            lane = len(beside) + taken + number - 1 if number else track.lane
            if lane < LANES:
                box = _box(track, seen.shape) if len(readings) == 1 else reading.box
                yield Telop(
                    id=telop_id(segment.index, track.start - first, lane), segment=segment.index, lane=lane,
                    start=round(track.start / seen.fps, 3), end=round((track.last + 1) / seen.fps, 3),
                    open_end=not (track.closed or seen.ended), text=reading.text,
                    confidence=reading.confidence, box=box,
                )  # fmt: skip

    def _rolls(self, rows: int) -> list[Rolled]:
        rolls = [*self._watch.rolls, *filter(None, [self._watch.roll])]
        return [telop for roll in rolls for telop in roll.telops(rows)]

    def _forget(self, index: int) -> None:
        """Let go of what no segment from ``index`` on can have to do with."""
        self._tracker.forget(index)
        self._watch.forget(index)
        self._readings = {
            track: self._readings[track] for track in self._tracker.tracks if track in self._readings
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What everything seen has in common.

    Attributes:
        shape: Height and width of the small pictures.
        ended: Whether the video is over.
        fps: Samples per second.

    """

    shape: tuple[int, int]
    ended: bool
    fps: float


def _grid(time: float, fps: float) -> int:
    """Return the first sample that is not before ``time``."""
    return math.ceil(time * fps - _EPSILON)


def _rolled(rolled: Iterable[Rolled], segment: Segment, owned: tuple[int, int], seen: _Seen) -> list[Telop]:
    """Return what began to roll in the segment; what began within a sample of its ends is everybody's, and merged."""
    result: list[Telop] = []
    for one in sorted(rolled, key=lambda one: one.start):
        start = round(one.start)
        if not owned[0] - 1 <= start <= owned[1]:
            continue
        sample = min(max(start, owned[0]), owned[1] - 1) - owned[0]
        beside = sum(telop.start == round(max(0, start) / seen.fps, 3) for telop in result)
        height, width = seen.shape
        result.append(
            Telop(
                id=telop_id(segment.index, sample, LANES - 1 - min(beside, LANES - 1)),
                segment=segment.index, lane=LANES - 1 - min(beside, LANES - 1),
                start=round(max(0, start) / seen.fps, 3), end=round((max(one.end, one.start) + 1) / seen.fps, 3),
                open_end=False, text=one.text, confidence=one.confidence,
                # It stood everywhere; the middle is where everybody finds it.
                box=(round(one.x / width, 4), 0.5, round(one.width / width, 4), round(one.height / height, 4)),
            )
        )  # fmt: skip
    return result


def _tail(track: Track, segment: Segment, ordinal: int, seen: _Seen) -> Telop:
    return Telop(
        id=segment.index * STRIDE + TAILS + ordinal,
        segment=segment.index,
        lane=track.lane,
        start=round(track.start / seen.fps, 3),
        end=round((track.last + 1) / seen.fps, 3),
        open_end=not (track.closed or seen.ended),
        open_start=True,
        text="",
        confidence=0.0,
        box=_box(track, seen.shape),
    )


def _shape(frame: Frame) -> tuple[int, int]:
    return frame.luma.shape[0], frame.luma.shape[1]


def _box(track: Track, shape: tuple[int, int]) -> Box:
    x, y, width, height = track.box()
    return (
        round(x / shape[1], 4),
        round(y / shape[0], 4),
        round(width / shape[1], 4),
        round(height / shape[0], 4),
    )
