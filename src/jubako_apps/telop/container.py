"""The layer over PyAV: opening hostile files, seeking, decoding, and errors a caption editor understands.

Rules:

1. Time runs from the container's own start, so pictures and sound stay aligned when a file does not begin at 0.
2. One thread per decoder: the tasks are the parallelism.
3. Input is hostile: only container formats of real media, only local files, never a playlist.
4. A broken packet is left out; a file that ends early says so (`Truncated`).
"""

import math
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import av
from av import AudioFrame, AudioStream, VideoFrame, VideoStream
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition

TOLERANCE_S = 0.001
"""Time stamps of some containers are whole milliseconds: closer than this is the same instant."""

MISSING_S = 1.0
"""So much less picture than promised is a matter of rounding; more is a cut."""

_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,mpegvideo,avi,flv,asf,mxf,ogg,dv,gxf,h264,hevc,"
    "wav,mp3,aac,flac"
)
_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}
_SEEK_MARGINS_S = (0.0, 10.0, math.inf)


class MediaError(Exception):
    """The file cannot be used; the message is one sentence for the person who sent it."""


class Truncated(MediaError):
    """The pictures stop before the file's own length says; ``at`` is the time of the last one."""

    def __init__(self, message: str, at: float) -> None:
        super().__init__(message)
        self.at = at


@contextmanager
def opened(path: Path) -> Iterator[InputContainer]:
    """Open a media file for reading.

    Raises:
        MediaError: It is missing, empty, unreadable or no media file.
        Truncated: Its beginning is right, but the index at its end is missing.

    """
    _check_readable(path)
    try:
        container = av.open(f"file:{path}", options=dict(_OPTIONS), metadata_errors="replace")
    except FFmpegError as error:
        if _starts_like_mp4(path):
            message = f"{path.name} is cut off: its index is missing, so nothing in it can be read."
            raise Truncated(message, 0.0) from error
        raise MediaError(f"{path.name} is not a video file that can be read here.") from error
    with closing(container):
        yield container


def pictures(container: InputContainer, path: Path) -> VideoStream:
    """Return the stream of moving pictures; raise MediaError if there is none (a cover picture is none)."""
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        what = "only sound" if container.streams.audio else "neither pictures nor sound"
        raise MediaError(f"{path.name} holds {what}: there are no pictures to read telops from.")
    streams[0].thread_count = 1
    return streams[0]


def sound(container: InputContainer, path: Path) -> AudioStream:
    """Return the first stream of sound; raise MediaError if there is none."""
    if not container.streams.audio:
        raise MediaError(f"{path.name} has no sound track.")
    stream = container.streams.audio[0]
    stream.codec_context.thread_count = 1
    return stream


def origin(container: InputContainer) -> float:
    """Return the container's time stamp that is our second 0."""
    start: int = container.start_time or 0
    return start / float(av.time_base)


def file_end(container: InputContainer) -> float:
    """Return the length of the whole file, 0.0 if it does not say."""
    duration: int = container.duration or 0
    return duration / float(av.time_base)


def stream_end(container: InputContainer, stream: VideoStream | AudioStream) -> float:
    """Return when the stream ends by its own word; without one, the file's end."""
    if not stream.duration:
        return file_end(container)
    return float(((stream.start_time or 0) + stream.duration) * stream.time_base) - origin(container)


def time_of(frame: VideoFrame | AudioFrame, container: InputContainer) -> float:
    """Return when the frame begins, in seconds from the start of the video."""
    return float(frame.pts * frame.time_base) - origin(container)


def check_end(container: InputContainer, stream: VideoStream, path: Path) -> None:
    """Raise Truncated if the pictures do not reach the end that the file's index promises."""
    end = stream_end(container, stream)
    seek(container, stream, end)
    last = 0.0
    try:
        for packet in container.demux(stream):
            if packet.pts is not None:
                last = max(last, float(packet.pts * packet.time_base) - origin(container))
    except FFmpegError:
        last = min(last, end)
    if last < end - MISSING_S:
        raise truncated(path, last, end)


def truncated(path: Path, at: float, end: float) -> Truncated:
    """Return the error for pictures that stop at ``at`` (0.0: nobody knows where) instead of ``end``."""
    where = f" after {at:.0f} of {end:.0f} seconds" if at else f" before the {end:.0f} seconds it promises"
    return Truncated(f"{path.name} is cut off: its pictures stop{where}.", at)


def seek(container: InputContainer, stream: VideoStream | AudioStream, time: float) -> None:
    """Go to the last key frame not after ``time``, or to the very start where there is no index."""
    try:
        stamp = int((time + origin(container)) / stream.time_base)
        container.seek(stamp, stream=stream, backward=True, any_frame=False)
    except FFmpegError:
        container.seek(0)


def decode_from(
    container: InputContainer, stream: VideoStream, t0: float
) -> Iterator[tuple[float, VideoFrame]]:
    """Yield (time, picture) from the last key frame not after ``t0``, in order of time."""
    for margin in _SEEK_MARGINS_S:
        seek(container, stream, max(0.0, t0 - margin))
        timed = ((time_of(f, container), f) for f in decoded(container, stream) if f.pts is not None)
        first = next(timed, None)
        # Some indexes are built on decoding order and land behind the wish: then start earlier.
        if first is not None and (first[0] <= t0 + TOLERANCE_S or margin == math.inf):
            yield first
            yield from timed
            return


def decoded(
    container: InputContainer, stream: VideoStream | AudioStream
) -> Iterator[VideoFrame | AudioFrame]:
    """Yield every frame that can be decoded; broken packets are left out, a broken file ends."""
    packets = iter(container.demux(stream))
    while True:
        try:
            packet = next(packets, None)
        except FFmpegError:
            return
        if packet is None:
            return
        try:
            found = packet.decode()
        except FFmpegError:
            continue
        yield from found


def shown_for(picture: VideoFrame, stream: VideoStream) -> float:
    """Return for how many seconds the picture is on screen, as far as the file says."""
    if picture.duration:
        return float(picture.duration * picture.time_base)
    return 1.0 / float(stream.average_rate) if stream.average_rate else 0.04


def _check_readable(path: Path) -> None:
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise MediaError(f"{path.name} is empty.")
    except FileNotFoundError as error:
        raise MediaError(f"There is no file at {path}.") from error
    except IsADirectoryError as error:
        raise MediaError(f"{path} is a folder, not a video file.") from error
    except OSError as error:
        raise MediaError(f"{path} cannot be opened: {error.strerror}.") from error


def _starts_like_mp4(path: Path) -> bool:
    """Tell whether it is an MP4 or QuickTime file that begins well: what fails then is its end."""
    with path.open("rb") as file:
        return file.read(12)[4:8] == b"ftyp"
