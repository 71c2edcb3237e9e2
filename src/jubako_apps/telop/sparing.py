"""Decode no picture that nobody looks at and that no other picture is built from.

Rules:

1. The decoder itself knows which pictures no other is built from (``nal_ref_idc`` of 0, H.264 7.4.1); it leaves them
   out when `Sparing` says so. What is looked at does not change by a bit.
2. Only where this is safe: H.264 whose pictures are not interlaced. There a packet is a picture; of interlaced ones it
   may be a half.
3. Until when a picture is shown is known once those around it are: `_AHEAD` packets are read in advance. H.264 lets no
   more than 16 pictures be decoded before their time.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable, Iterator
from math import ceil, inf
from typing import Final

from av import Packet, VideoFrame, VideoStream
from av.container import InputContainer

from jubako_apps.telop.container import TOLERANCE_S, time_of

_AHEAD: Final = 17
_EPSILON: Final = 1e-6


class Sparing:
    """Stands between the packets of a video and their decoder.

    Args:
        container: The open file.
        stream: Its pictures; their decoder is told what to leave out.
        fps: How many samples a second are looked at, on the grid ``k / fps``.
        t0: Since when.

    """

    def __init__(self, container: InputContainer, stream: VideoStream, fps: float, t0: float) -> None:
        self._container = container
        self._decoder = stream.codec_context
        self._fps, self._first = fps, ceil(t0 * fps - TOLERANCE_S)
        self._is_safe: bool | None = None if self._decoder.name == "h264" else False

    def note(self, picture: VideoFrame) -> None:
        """Learn from each picture that was decoded whether leaving out is safe; once it is not, it never is again."""
        if self._is_safe is not False:
            self._is_safe = not picture.interlaced_frame

    def packets(self, source: Iterable[Packet]) -> Iterator[Packet]:
        """Yield the packets of ``source``, each to be decoded before the next one is asked for."""
        held: deque[tuple[Packet, float | None]] = deque()
        times: deque[float] = deque(maxlen=2 * _AHEAD + 1)
        for packet in source:
            time = time_of(packet, self._container) if packet.pts is not None else None
            held.append((packet, time))
            if time is not None:
                times.append(time)
            if len(held) > _AHEAD:
                yield self._told(*held.popleft(), times)
        while held:
            yield self._told(*held.popleft(), times)

    def _told(self, packet: Packet, time: float | None, times: Iterable[float]) -> Packet:
        is_spare = self._is_safe is True and time is not None and not self._is_seen(time, sorted(times))
        self._decoder.skip_frame = "NONREF" if is_spare else "DEFAULT"
        return packet

    def _is_seen(self, start: float, times: list[float]) -> bool:
        """Tell whether a sample falls into the time for which the picture of ``start`` is on screen."""
        later = bisect_right(times, start)
        end = times[later] if later < len(times) else inf
        sample = max(self._first, ceil((start - TOLERANCE_S) * self._fps - _EPSILON))
        return sample / self._fps < end - TOLERANCE_S + _EPSILON
