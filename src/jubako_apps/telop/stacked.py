"""Lines that were found one by one, though they are one telop: they come and go together, one right below the other."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from jubako_apps.telop.telops import Box, Telop

_NEXT: Final = 0.7
"""How far below a line, for the height of the lower one of both, the next one may stand."""

_ALIGNED: Final = 0.5
"""By how much their left edges, or their middles, may differ, for the same height."""

_SAME_TIME_S: Final = 0.4


def whole(telops: Iterable[Telop], aspect: float) -> list[Telop]:
    """Join the lines of one telop; ``aspect`` is the picture's width for its height."""
    result: list[Telop] = []
    for telop in sorted(telops, key=lambda one: (one.start, one.box[1])):
        above = next((n for n, other in enumerate(result) if _is_next(other, telop, aspect)), None)
        if above is None:
            result.append(telop)
        else:
            result[above] = _joined(result[above], telop)
    return sorted(result, key=lambda one: one.id)


def aligned(one: Box, other: Box, slack: float) -> bool:
    """Tell whether two lines begin, or have their middles, below one another; ``slack`` in the unit of the boxes."""
    left = abs(one[0] - other[0])
    middle = abs(one[0] + one[2] / 2 - other[0] - other[2] / 2)
    return min(left, middle) <= slack


def _is_next(above: Telop, below: Telop, aspect: float) -> bool:
    if above.start != below.start or abs(above.end - below.end) > _SAME_TIME_S:
        return False
    height = min(above.box[3], below.box[3])
    gap = below.box[1] - above.box[1] - above.box[3]
    return -height / 2 < gap < _NEXT * height and aligned(above.box, below.box, _ALIGNED * height / aspect)


def _joined(above: Telop, below: Telop) -> Telop:
    left, top = min(above.box[0], below.box[0]), min(above.box[1], below.box[1])
    right = max(above.box[0] + above.box[2], below.box[0] + below.box[2])
    bottom = max(above.box[1] + above.box[3], below.box[1] + below.box[3])
    later = above if above.end >= below.end else below
    signs = len(above.text), len(below.text)
    sure = (above.confidence * signs[0] + below.confidence * signs[1]) / max(1, sum(signs))
    return replace(
        above,
        end=later.end,
        open_end=later.open_end,
        text=f"{above.text} {below.text}",
        confidence=round(sure, 4),
        box=(left, top, round(right - left, 4), round(bottom - top, 4)),
    )
