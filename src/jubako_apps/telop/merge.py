"""Join what the segments found into the telops of the video.

Rules:

1. A telop that outlasted its segment's view goes on with the tails of later segments that stand in the same place.
2. The same text in the same place, after no more than `SAME_GAP_S`, is one telop: something beside it had changed.
3. A piece of a telop's text inside its place, while it is there or just before or behind, is no telop of its own: an
   edge that flickered, or a cut of the scene behind it, brought it up. One sign that differs makes it one: it may be
   the error.
4. The result depends on the set of telops alone: shards in any order, or twice, give the same list.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from jubako_apps.telop.stacked import aligned
from jubako_apps.telop.telops import Box, Telop, Transcript

SAME_GAP_S = 1.0
_SAME_PLACE = 0.5
_NEARLY_THERE = 0.3
_PIECE_GAP_S = 0.4
_INSIDE = 0.8
_SAME_SIDE = 0.005
_FEWER_LINES = 0.7
_SAME_LEFT = 0.01
_LINE_SIDES = 3
"""A piece that comes before or after the whole has three of its sides; a shorter telop is laid out anew."""


def merge(shards: Iterable[Iterable[Telop]]) -> list[Telop]:
    """Return the telops of the whole video in order of start, tails used up."""
    every = {telop.id: telop for shard in shards for telop in shard}
    ordered = sorted(every.values(), key=lambda telop: telop.id)
    tails = [telop for telop in ordered if telop.open_start]
    closed = [_closed(telop, tails) for telop in ordered if not telop.open_start]
    return _without_pieces(_fused(sorted(closed, key=lambda telop: (telop.start, telop.id))))


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
    same_text = bare(first.text) == bare(second.text)
    together = second.start < first.end
    # What is read alike at the same time stands nearly there: a cut behind it has moved the edges that were found.
    return (
        near and same_text and overlap(first.box, second.box) >= (_NEARLY_THERE if together else _SAME_PLACE)
    )


def _without_pieces(telops: Sequence[Telop]) -> list[Telop]:
    """Leave pieces out; what they were a piece of lasts as long as they do."""
    kept: list[Telop] = []
    for telop in sorted(telops, key=lambda one: (-len(bare(one.text)), one.start, one.id)):
        whole = next((n for n, other in enumerate(kept) if _is_piece(telop, other)), None)
        if whole is None:
            kept.append(telop)
        else:
            start, later = (
                min(kept[whole].start, telop.start),
                max(kept[whole], telop, key=lambda one: one.end),
            )
            kept[whole] = replace(kept[whole], start=start, end=later.end, open_end=later.open_end)
    return sorted(kept, key=lambda telop: (telop.start, telop.id))


def _is_piece(telop: Telop, whole: Telop) -> bool:
    part, text = bare(telop.text), bare(whole.text)
    is_near = telop.start <= whole.end + _PIECE_GAP_S and telop.end >= whole.start - _PIECE_GAP_S
    is_together = telop.start < whole.end and telop.end > whole.start
    is_left = _sides(telop.box, whole.box) == _LINE_SIDES or _is_end_line(telop, whole)
    return is_near and (is_together or is_left) and part in text and _is_inside(telop.box, whole.box)


def _is_end_line(telop: Telop, whole: Telop) -> bool:
    """Say whether it stands where the first or the last lines of the whole do, and reads like them."""
    part, text = bare(telop.text), bare(whole.text)
    (_, top, _, height), (_, whole_top, _, whole_height) = telop.box, whole.box
    if height > _FEWER_LINES * whole_height or not aligned(telop.box, whole.box, _SAME_LEFT):
        return False
    above, below = abs(top - whole_top), abs(top + height - whole_top - whole_height)
    return (text.startswith(part) and above < height / 4) or (text.endswith(part) and below < height / 4)


def _is_inside(box: Box, other: Box) -> bool:
    """Say whether nearly all of ``box`` lies in ``other``."""
    width = min(box[0] + box[2], other[0] + other[2]) - max(box[0], other[0])
    height = min(box[1] + box[3], other[1] + other[3]) - max(box[1], other[1])
    return width > 0 and height > 0 and width * height >= _INSIDE * box[2] * box[3]


def _sides(box: Box, other: Box) -> int:
    """Return how many of their sides are the same; a line of several, or a line that lost its end, has three."""
    edges = [(x, y, x + width, y + height) for x, y, width, height in (box, other)]
    return sum(abs(one - its) <= _SAME_SIDE for one, its in zip(*edges, strict=True))


def bare(text: str) -> str:
    """Return the text without its spaces."""
    return "".join(text.split())


def _joined(first: Telop, second: Telop) -> Telop:
    later = second if second.end >= first.end else first
    best = max(first, second, key=lambda telop: (len(bare(telop.text)), telop.confidence))
    return replace(
        first,
        end=later.end,
        open_end=later.open_end,
        text=best.text,
        confidence=best.confidence,
        box=best.box,
    )
