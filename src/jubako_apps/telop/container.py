"""The layer over PyAV: opening hostile files, what they say of themselves, seeking, and errors people understand.

Rules:

1. Time runs from the container's own start, so pictures and sound stay aligned when a file does not begin at 0.
2. One thread per decoder: the tasks are the parallelism.
3. Input is hostile: only container formats of real media, only local files, never a playlist.
4. A file that ends early says so (`Truncated`).
"""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import pairwise
from pathlib import Path

import av
from av import AudioFrame, AudioStream, Packet, VideoFrame, VideoStream
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition

TOLERANCE_S = 0.001
"""Time stamps of some containers are whole milliseconds: closer than this is the same instant."""

MISSING_S = 1.0
"""So much less picture than promised is a matter of rounding; more is a cut."""

_TAIL_S = 10.0

_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,mpeg,mpegvideo,avi,flv,asf,mxf,ogg,dv,gxf,h264,hevc,"
    "wav,mp3,aac,flac"
)
_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}


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


def length(container: InputContainer, stream: VideoStream) -> float:
    """Return the length of the video, 0.0 if nobody knows.

    A transport stream has no index; what it says is guessed from time stamps, of which a single broken one is enough to
    make a day of it. There the pictures are looked at.
    """
    if _promises(container):
        return file_end(container) or stream_end(container, stream)
    for start in (stream_end(container, stream) - _TAIL_S, 0.0):
        times = sorted(_times(container, stream, max(0.0, start)), reverse=True)
        for last, before in pairwise(times):
            if last - before <= MISSING_S:
                return last + (last - before)
    return 0.0


def promised_end(container: InputContainer, stream: VideoStream) -> float:
    """Return the time up to which the file's index promises pictures; 0.0 if it has none."""
    return stream_end(container, stream) if _promises(container) else 0.0


def stream_end(container: InputContainer, stream: VideoStream | AudioStream) -> float:
    """Return when the stream ends by its own word; without one, the file's end."""
    if not stream.duration:
        return file_end(container)
    return float(((stream.start_time or 0) + stream.duration) * stream.time_base) - origin(container)


def time_of(frame: VideoFrame | AudioFrame | Packet, container: InputContainer) -> float:
    """Return when the frame begins, in seconds from the start of the video."""
    # Dividing integers gives what the fraction would, and takes a third of its time.
    base = frame.time_base
    seconds: float = frame.pts * base.numerator / base.denominator
    return seconds - origin(container)


def packets(container: InputContainer, stream: VideoStream | AudioStream) -> Iterator[Packet]:
    """Yield what the stream is packed in; a file that cannot be read on ends here."""
    while True:
        try:
            yield from container.demux(stream)
        except FFmpegError:
            return
        except IndexError:
            # Damage made a packet look like one of a stream that PyAV has not seen: the packets behind it are good.
            continue
        return


def check_end(container: InputContainer, stream: VideoStream, path: Path) -> None:
    """Raise Truncated if the pictures do not reach the end that the file's index promises."""
    end = promised_end(container, stream)
    last = max(_times(container, stream, end), default=0.0) if end else 0.0
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


def _promises(container: InputContainer) -> bool:
    return container.format.name != "mpegts"


def _times(container: InputContainer, stream: VideoStream, start: float) -> Iterator[float]:
    """Yield when each packet from about ``start`` on begins to be shown; not in order."""
    seek(container, stream, start)
    for packet in packets(container, stream):
        if packet.pts is not None:
            yield time_of(packet, container)


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
