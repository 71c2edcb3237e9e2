"""Decoding what may be broken: what can be decoded comes in the order of time, what cannot is noted.

Rules:

1. A broken packet is left out, and so is a frame whose time stamp cannot be right.
2. A damaged picture is shown all the same, for a caption may be readable in it; `Damage` remembers when it was.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Final, TypeVar

from av import AudioFrame, AudioStream, Packet, VideoFrame, VideoStream
from av.container import InputContainer
from av.error import FFmpegError

from jubako_apps.telop.container import TOLERANCE_S, packets, seek, time_of
from jubako_apps.telop.sparing import Sparing

Frame = TypeVar("Frame", VideoFrame, AudioFrame)

_SEEK_MARGINS_S: Final = (0.0, 10.0, math.inf)
_BEFORE_ALL_S: Final = -3600.0
_ONE_S: Final = 1.0
_WORTH_S: Final = 0.4
_MANY: Final = 10


class Damage:
    """When a video could not be decoded, or not well; in seconds."""

    def __init__(self) -> None:
        self._spans: list[tuple[float, float]] = []

    def note(self, start: float, end: float | None = None) -> None:
        """Remember that the picture at ``start``, or all until ``end``, is damaged."""
        self._spans.append((start, start if end is None else end))

    def spans(self, start: float, end: float) -> list[tuple[float, float]]:
        """Return the damaged stretches that begin in ``[start, end)``; a flash of a few pictures is none."""
        found: list[tuple[float, float]] = []
        for first, last in sorted(self._spans):
            if found and first - found[-1][1] <= _ONE_S:
                found[-1] = (found[-1][0], max(last, found[-1][1]))
            else:
                found.append((first, last))
        return [(round(a, 3), round(b, 3)) for a, b in found if start <= a < end and b - a >= _WORTH_S]


def decode_from(
    container: InputContainer, stream: VideoStream, t0: float, fps: float, damage: Damage | None = None
) -> Iterator[tuple[float, VideoFrame]]:
    """Yield (time, picture) from the last key frame not after ``t0``, in order of time.

    Pictures that are on screen at no sample ``k / fps`` from ``t0`` on may be missing.
    """
    for margin in _SEEK_MARGINS_S:
        # Transport streams are searched by decoding times, which lie before second 0 for what is shown first.
        seek(container, stream, max(0.0, t0 - margin) if margin < math.inf else _BEFORE_ALL_S)
        timed = in_order(_sampled(container, stream, fps, t0, damage))
        first = next(timed, None)
        # Some indexes are built on decoding order and land behind the wish: then start earlier.
        if first is not None and (first[0] <= t0 + TOLERANCE_S or margin == math.inf):
            yield first
            yield from timed
            return


def _sampled(
    container: InputContainer, stream: VideoStream, fps: float, t0: float, damage: Damage | None
) -> Iterator[tuple[float, VideoFrame]]:
    sparing = Sparing(container, stream, fps, t0)
    source = sparing.packets(packets(container, stream))
    for picture in decoded(container, stream, damage, source):
        sparing.note(picture)
        if picture.pts is not None:
            yield time_of(picture, container), picture


def in_order(timed: Iterator[tuple[float, Frame]]) -> Iterator[tuple[float, Frame]]:
    """Yield the (time, frame) pairs without those that lie: frames come in the order of their times."""
    last, held = -math.inf, None
    for pair in timed:
        if held is not None and pair[0] <= held[0]:
            # One of the two is wrong: this one if it is not even behind the one before, else the other.
            held = held if pair[0] <= last else pair
            continue
        if held is not None:
            yield held
            last = held[0]
        held = pair
    if held is not None:
        yield held


def decoded(
    container: InputContainer,
    stream: VideoStream | AudioStream,
    damage: Damage | None = None,
    source: Iterable[Packet] | None = None,
) -> Iterator[VideoFrame | AudioFrame]:
    """Yield every frame of ``source``, the whole stream if None; broken packets are left out, a broken file ends."""
    for packet in source or packets(container, stream):
        try:
            found = packet.decode()
        except FFmpegError:
            if damage is not None and packet.pts is not None:
                damage.note(time_of(packet, container))
            continue
        for frame in found:
            if damage is not None and frame.is_corrupt and frame.pts is not None:
                damage.note(time_of(frame, container))
            yield frame


def shown_for(picture: VideoFrame, stream: VideoStream) -> float:
    """Return for how many seconds the picture is on screen, as far as the file says."""
    if picture.duration:
        return float(picture.duration * picture.time_base)
    return _usual_s(stream)


def is_hole(seconds: float, stream: VideoStream) -> bool:
    """Tell whether so long without a picture, after the last one's time was over, means that pictures are lost."""
    return seconds > max(_ONE_S, _MANY * _usual_s(stream))


def _usual_s(stream: VideoStream) -> float:
    return 1.0 / float(stream.average_rate) if stream.average_rate else 0.04
