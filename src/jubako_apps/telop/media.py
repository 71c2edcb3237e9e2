"""What a video file is, its segments, its pictures on a sampling grid, its sound at 16 kHz.

Rules:

1. Pictures are sampled on the *global* grid ``k / fps``; at a grid point the picture on screen is the last one
   whose time stamp is not later. Cutting the time axis anywhere therefore never changes a sample, and variable
   frame rate does no harm. Frame counts are never used as time.
2. Times run from the start of the video (`jubako_apps.telop.container`).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av import AudioFrame, AudioStream, VideoFrame
from av.container import InputContainer
from numpy.typing import NDArray

from jubako_apps.telop import container as files
from jubako_apps.telop import fields, tones, tracks
from jubako_apps.telop.container import MISSING_S, TOLERANCE_S, MediaError, Truncated
from jubako_apps.telop.decoding import Damage, decode_from, decoded, in_order, is_hole, shown_for

__all__ = ["Frame", "Media", "MediaError", "Segment", "Truncated", "audio", "frames", "probe", "segments"]

SAMPLE_RATE = 16_000
LUMA_SIDE = 640
"""Longest side of the small pictures; smaller videos are not enlarged."""

_REST = 0.25

Gray = NDArray[np.uint8]
Pcm = NDArray[np.int16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """What a video file says about itself.

    Attributes:
        duration: Seconds, of the whole file.
        width: Pixels as shown, so after rotation.
        height: Pixels as shown.
        fps: Average frames per second, as the file states it (0.0 if it does not).
        has_audio: Whether there is sound.
        codec: Name of the picture coding.
        tracks: The languages of its subtitle tracks of text, ``und`` where the file does not say.

    """

    duration: float
    width: int
    height: int
    fps: float
    has_audio: bool
    codec: str
    tracks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """The part ``[start, end)`` of the time axis that one task owns."""

    index: int
    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The picture on screen at grid point ``index``, small and gray in ``luma``, whole through `image`."""

    index: int
    time: float
    luma: Gray
    picture: VideoFrame
    turns: int

    def image(self) -> NDArray[np.uint8]:
        """Return the whole picture, height x width x 3, RGB, upright, the combs of interlacing gone."""
        woven: NDArray[np.uint8] = self.picture.to_ndarray(format="rgb24")
        rgb = fields.woven_apart(woven, marked=self.picture.interlaced_frame)
        return np.ascontiguousarray(np.rot90(tones.shown(rgb, self.picture.color_trc), self.turns))


def segments(duration: float, length: float = 60.0) -> list[Segment]:
    """Cut ``[0, duration)`` into segments of ``length`` seconds.

    A rest shorter than a quarter of ``length`` joins the last segment: a task of its own would cost more to
    start than to run.
    """
    if duration <= 0 or length <= 0:
        raise ValueError(f"duration {duration} and length {length} must be positive")
    count = max(1, math.ceil(duration / length - _REST))
    ends = [(index + 1) * length for index in range(count - 1)] + [duration]
    return [Segment(index=index, start=index * length, end=end) for index, end in enumerate(ends)]


def probe(path: Path) -> Media:
    """Say what the file is.

    Raises:
        MediaError: It cannot be read, is no media file, has no pictures or no length.
        Truncated: The end that its index promises is not there.

    """
    with files.opened(path) as container:
        stream = files.pictures(container, path)
        first = next(iter(decoded(container, stream)), None)
        if first is None:
            raise MediaError(f"{path.name} has a picture track, but no picture in it can be decoded.")
        duration = files.length(container, stream)
        if duration <= 0:
            raise MediaError(f"{path.name} has no length: there is nothing to read in it.")
        files.check_end(container, stream, path)
        upright = _turns(first) % 2 == 0
        return Media(
            duration=round(duration, 3),
            width=first.width if upright else first.height,
            height=first.height if upright else first.width,
            fps=float(stream.average_rate or 0),
            has_audio=bool(container.streams.audio),
            codec=stream.codec_context.name,
            tracks=tracks.languages(container),
        )


def frames(path: Path, t0: float, t1: float, fps: float, damage: Damage | None = None) -> Iterator[Frame]:
    """Yield the pictures on screen at the grid points in ``[t0, t1)``; ``damage`` is told what could not be decoded.

    Raises:
        MediaError: As `probe`.
        Truncated: After the last picture there is, when more than a second should have followed.

    """
    index = math.ceil(t0 * fps - TOLERANCE_S)
    with files.opened(path) as container:
        stream = files.pictures(container, path)
        shown, until = None, 0.0
        for time, picture in decode_from(container, stream, t0, fps, damage):
            while shown is not None and index / fps < min(t1, time - TOLERANCE_S):
                yield _frame(shown, index, fps)
                index += 1
            if damage is not None and shown is not None and is_hole(time - until, stream):
                damage.note(until, time)
            shown, until = picture, time + shown_for(picture, stream)
            if time >= t1:
                return
        while shown is not None and index / fps < min(t1, until - TOLERANCE_S):
            yield _frame(shown, index, fps)
            index += 1
        end = min(t1, files.promised_end(container, stream))
        if until < end - MISSING_S:
            raise files.truncated(path, until, end)


def audio(path: Path, t0: float = 0.0, t1: float | None = None) -> Pcm:
    """Return the sound of ``[t0, t1)`` (to the end without ``t1``) as 16 kHz mono; silence where there is none.

    Raises:
        MediaError: The file cannot be read, or has no sound at all.

    """
    with files.opened(path) as container:
        stream = files.sound(container, path)
        end = _whole(container, stream) if t1 is None else t1
        result = np.zeros(max(0, round((end - t0) * SAMPLE_RATE)), dtype=np.int16)
        position: int | None = None
        for time, samples in _sound(container, stream, t0, end):
            wanted = round((time - t0) * SAMPLE_RATE)
            # Gapless over the rounding of time stamps, but a real jump of them is followed.
            if position is None or abs(wanted - position) > SAMPLE_RATE // 20:
                position = wanted
            position = _lay(result, samples, position)
        return result


def _whole(container: InputContainer, stream: AudioStream) -> float:
    pictures = container.streams.video
    if pictures:
        return files.length(container, pictures[0])
    return files.file_end(container) or files.stream_end(container, stream)


def _lay(result: Pcm, samples: Pcm, position: int) -> int:
    """Write ``samples`` at ``position``, as far as they lie inside; return where the next ones go."""
    first, last = max(0, position), min(len(result), position + len(samples))
    if first < last:
        result[first:last] = samples[first - position : last - position]
    return position + len(samples)


def _sound(
    container: InputContainer, stream: AudioStream, t0: float, t1: float
) -> Iterator[tuple[float, Pcm]]:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    # A little earlier: the first frame after a seek is not yet clean in most codecs.
    files.seek(container, stream, max(0.0, t0 - 0.25))
    time = 0.0
    for begin, frame in in_order(_timed(container, stream)):
        if begin >= t1:
            break
        time, frame.pts = begin, None
        for piece in resampler.resample(frame):
            samples = _samples(piece)
            yield time, samples
            time += len(samples) / SAMPLE_RATE
    for piece in resampler.resample(None):
        yield time, _samples(piece)


def _samples(piece: AudioFrame) -> Pcm:
    """Return what is in a resampled frame: one plane, which ends before its padding."""
    return np.frombuffer(piece.planes[0], dtype=np.int16, count=piece.samples)


def _timed(container: InputContainer, stream: AudioStream) -> Iterator[tuple[float, AudioFrame]]:
    """Yield (time, frame); a frame without a time stamp follows the one before."""
    time = 0.0
    for frame in decoded(container, stream):
        time = files.time_of(frame, container) if frame.pts is not None else time
        yield time, frame
        time += frame.samples / frame.sample_rate


def _turns(picture: VideoFrame) -> int:
    """Return the quarter turns, counter-clockwise, that make the picture upright."""
    return round(float(picture.rotation) / 90) % 4


def _frame(picture: VideoFrame, index: int, fps: float) -> Frame:
    turns = _turns(picture)
    scale = min(1.0, LUMA_SIDE / max(picture.width, picture.height))
    width, height = (max(8, round(side * scale / 8) * 8) for side in (picture.width, picture.height))
    small = picture.reformat(width=width, height=height, format="gray").to_ndarray()
    luma = np.rot90(tones.shown(small, picture.color_trc), turns)
    return Frame(index=index, time=index / fps, luma=luma, picture=picture, turns=turns)
