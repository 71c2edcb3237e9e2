"""Join what the segments found into the telops of the video.

Rules:

1. A telop that outlasted its segment's view goes on with the tails of later segments that stand in the same place.
2. The same text in the same place, after no more than `SAME_GAP_S`, is one telop: something beside it had changed.
3. The result depends on the set of telops alone: shards in any order, or twice, give the same list.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from jubako_apps.telop.telops import Box, Telop, Transcript

SAME_GAP_S = 1.0
_SAME_PLACE = 0.5


def merge(shards: Iterable[Iterable[Telop]]) -> list[Telop]:
    """Return the telops of the whole video in order of start, tails used up."""
    every = {telop.id: telop for shard in shards for telop in shard}
    ordered = sorted(every.values(), key=lambda telop: telop.id)
    tails = [telop for telop in ordered if telop.open_start]
    closed = [_closed(telop, tails) for telop in ordered if not telop.open_start]
    return _fused(sorted(closed, key=lambda telop: (telop.start, telop.id)))


def joined(parts: Sequence[Transcript], language: str) -> Transcript:
    """Return the transcript of the video from those of its parts, in time order, utterances counted anew."""
    utterances = sorted(
        (one for part in parts for one in part.utterances), key=lambda one: (one.start, one.id)
    )
    return Transcript(
        source=next((part.source for part in parts if part.source != "none"), "none"),
        language=language,
        utterances=tuple(replace(one, id=number) for number, one in enumerate(utterances)),
    )


def overlap(one: Box, other: Box) -> float:
    """Return how much of the two boxes' union they share, 0 to 1."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (one[2] * one[3] + other[2] * other[3] - shared)


def _closed(telop: Telop, tails: list[Telop]) -> Telop:
    """Follow an open telop through the tails of later segments; without any it stays open: nobody looked."""
    for tail in tails:
        if not telop.open_end:
            break
        goes_on = tail.start <= telop.end and tail.end >= telop.end
        if tail.segment > telop.segment and goes_on and overlap(telop.box, tail.box) >= _SAME_PLACE:
            telop = replace(telop, end=tail.end, open_end=tail.open_end)
    return telop


def _fused(telops: list[Telop]) -> list[Telop]:
    result: list[Telop] = []
    for telop in telops:
        earlier = next((n for n, other in enumerate(result) if _goes_on(other, telop)), None)
        if earlier is None:
            result.append(telop)
        else:
            result[earlier] = _joined(result[earlier], telop)
    return result


def _goes_on(first: Telop, second: Telop) -> bool:
    near = second.start <= first.end + SAME_GAP_S
    same_text = first.text.replace(" ", "") == second.text.replace(" ", "")
    return near and same_text and overlap(first.box, second.box) >= _SAME_PLACE


def _joined(first: Telop, second: Telop) -> Telop:
    later = second if second.end >= first.end else first
    best = max(first, second, key=lambda telop: (len(telop.text.replace(" ", "")), telop.confidence))
    return replace(
        first,
        end=later.end,
        open_end=later.open_end,
        text=best.text,
        confidence=best.confidence,
        box=best.box,
    )
