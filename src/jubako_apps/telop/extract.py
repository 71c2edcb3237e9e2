"""One segment of a video in, its telops out: decode, detect, read.

Rules:

1. A segment owns the telops that *start* in ``[start, end)``. It begins to read `Options.pre_roll` earlier, so
   that it sees starts as a run over the whole video would, and goes on at most `Options.post_roll` later, to
   see its telops end.
2. It stops as soon as nothing it owns is still open.
3. A telop that outlasts the post-roll is returned with ``open_end``. Every later segment that still sees it
   returns a tail (``open_start``); `jubako_apps.telop.merge` joins them.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from jubako_apps.telop import media
from jubako_apps.telop.decoding import Damage
from jubako_apps.telop.detect import MEMORY, Track, Tracker, in_lanes
from jubako_apps.telop.media import Frame, Segment
from jubako_apps.telop.ocr import Engine, Reading, read_region, surer
from jubako_apps.telop.rolling import Rolled, RollWatch
from jubako_apps.telop.telops import LANES, STRIDE, TAILS, Box, Telop, telop_id

_HELD = 6
_EPSILON = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to look: ``fps`` samples per second, ``pre_roll`` and ``post_roll`` in seconds."""

    fps: float = 5.0
    pre_roll: float = 4.0
    post_roll: float = 12.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What a segment saw.

    Attributes:
        tracks: All, owned or not.
        readings: By identity of track, of the owned ones that hold text.
        rolled: What rolled through the picture, owned or not.
        ended: Whether the video ended before the view did.
        shape: Height and width of the small pictures.

    """

    tracks: list[Track]
    readings: dict[int, Reading]
    rolled: list[Rolled]
    ended: bool
    shape: tuple[int, int]


def extract(
    path: Path,
    segment: Segment,
    engine: Engine,
    options: Options | None = None,
    progress: Callable[[float], None] | None = None,
    damage: Damage | None = None,
) -> list[Telop]:
    """Return the telops that the segment owns, in order of start, then its tails.

    Args:
        path: The video.
        segment: Which part of it to own.
        engine: Reads the text.
        options: How to look.
        progress: Told the finished part, 0 to 1, after each sample.
        damage: Told what could not be decoded.

    Raises:
        MediaError: The file cannot be read or breaks off (`jubako_apps.telop.media`).

    """
    options = options or Options()
    a, b = _grid(segment.start, options.fps), _grid(segment.end, options.fps)
    post_roll = math.ceil(options.post_roll * options.fps)
    first = max(0, a - max(math.ceil(options.pre_roll * options.fps), MEMORY))
    last = b + post_roll
    samples = media.frames(path, first / options.fps, last / options.fps, options.fps, damage)
    seen = _look(_telling(samples, first, b, progress), engine, (a, b), last)
    owned = [track for track in in_lanes(seen.tracks) if a <= track.start < b]
    telops = [_telop(track, segment, a, seen, options.fps) for track in owned if id(track) in seen.readings]
    telops += _rolled(seen, segment, (a, b), options.fps)
    # Every earlier segment has looked beyond its own end, so what had gone before ``a`` was seen to go.
    earlier = [track for track in seen.tracks if track.start < a <= track.last]
    return telops + [_tail(track, segment, n, seen, options.fps) for n, track in enumerate(earlier)]


def _grid(time: float, fps: float) -> int:
    """Return the first sample that is not before ``time``."""
    return math.ceil(time * fps - _EPSILON)


def _telling(
    frames: Iterator[Frame], first: int, end: int, progress: Callable[[float], None] | None
) -> Iterator[Frame]:
    for frame in frames:
        yield frame
        if progress is not None:
            progress(min(1.0, (frame.index + 1 - first) / max(1, end - first)))


def _look(frames: Iterator[Frame], engine: Engine, owned: tuple[int, int], last: int) -> _Seen:
    """Follow the samples; read each owned track at the moment it is certain, while its picture is at hand."""
    tracker, watch = Tracker(), RollWatch()
    held: deque[Frame] = deque(maxlen=_HELD)
    readings: dict[int, Reading] = {}

    def read(tracks: list[Track]) -> None:
        for track in tracks:
            if owned[0] <= track.start < owned[1]:
                frame = next(f for f in held if f.index >= track.look)
                region = _box(track, _shape(frame))
                reading = read_region(engine, frame.image(), region)
                if reading is not None:
                    other = next((f for f in reversed(held) if f.index <= track.last), frame)
                    readings[id(track)] = surer(engine, reading, other.image, region)

    ended = True
    for frame in frames:
        held.append(frame)
        read(tracker.push(frame.index, frame.luma))
        if watch.push(frame.index, tracker.moving):
            image = frame.image()
            watch.take(engine.read(image), image.shape[0] / frame.luma.shape[0])
        decided = frame.index >= owned[1] + MEMORY and not tracker.undecided(*owned) and watch.roll is None
        if decided or frame.index + 1 >= last:
            ended = False
            break
    read(tracker.finish())
    watch.finish()
    shape = _shape(held[-1]) if held else (1, 1)
    rolled = [telop for roll in watch.rolls for telop in roll.telops(shape[0])]
    return _Seen(tracks=tracker.tracks, readings=readings, rolled=rolled, ended=ended, shape=shape)


def _telop(track: Track, segment: Segment, first: int, seen: _Seen, fps: float) -> Telop:
    reading = seen.readings[id(track)]
    return Telop(
        id=telop_id(segment.index, track.start - first, track.lane),
        segment=segment.index,
        lane=track.lane,
        start=round(track.start / fps, 3),
        end=round((track.last + 1) / fps, 3),
        open_end=not (track.closed or seen.ended),
        text=reading.text,
        confidence=reading.confidence,
        box=_box(track, seen.shape),
    )


def _rolled(seen: _Seen, segment: Segment, owned: tuple[int, int], fps: float) -> list[Telop]:
    """Return what began to roll in the segment; what began within a sample of its ends is everybody's, and merged."""
    result: list[Telop] = []
    for one in sorted(seen.rolled, key=lambda rolled: rolled.start):
        start = round(one.start)
        if not owned[0] - 1 <= start <= owned[1]:
            continue
        sample = min(max(start, owned[0]), owned[1] - 1) - owned[0]
        beside = sum(telop.start == round(max(0, start) / fps, 3) for telop in result)
        height, width = seen.shape
        result.append(
            Telop(
                id=telop_id(segment.index, sample, LANES - 1 - min(beside, LANES - 1)),
                segment=segment.index, lane=LANES - 1 - min(beside, LANES - 1),
                start=round(max(0, start) / fps, 3), end=round((max(one.end, one.start) + 1) / fps, 3),
                open_end=False, text=one.text, confidence=one.confidence,
                # It stood everywhere; the middle is where everybody finds it.
                box=(round(one.x / width, 4), 0.5, round(one.width / width, 4), round(one.height / height, 4)),
            )
        )  # fmt: skip
    return result


def _tail(track: Track, segment: Segment, ordinal: int, seen: _Seen, fps: float) -> Telop:
    return Telop(
        id=segment.index * STRIDE + TAILS + ordinal,
        segment=segment.index,
        lane=track.lane,
        start=round(track.start / fps, 3),
        end=round((track.last + 1) / fps, 3),
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
