"""Laying the lines of a plain script over the sound: when is each of them spoken?

Nothing is recognised. A line's length says how long it takes, roughly; pauses say exactly where lines end. Of all ways
to cut the speech into as many parts as there are lines, the likeliest is taken:

1. A line whose time is not what its length promises costs by the logarithm of the ratio: each line has its own pace.
2. A cut in the middle of speech costs most, one in a pause the less the longer the pause. Who speaks fast makes short
   pauses: as long as lines need them, they are measured by one another.
3. All that is heard belongs to a line: music and what the script leaves out move the lines around it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

Span = tuple[float, float]

_STEP_S: Final = 1.0
"""So far apart are the moments inside a stretch at which a line may end."""

_PACE: Final = 0.4
_RATIO_MAX: Final = 4.0
_CUT: Final = 3.0
_PAUSES_S: Final = (0.3, 0.8)
_AWAY: Final = (60.0, 0.15, 600.0)
"""A line is looked for so many seconds of speech around its even place: at least, share of the whole, at most."""

Costs = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moments:
    """Where lines may begin and end, in order.

    Attributes:
        at: Seconds of speech before each.
        end: When a line that ends there ends.
        start: When a line that begins there begins, later by the pause.
        cost: What it costs to end a line there.

    """

    at: Costs
    end: list[float]
    start: list[float]
    cost: Costs


def laid(sizes: Sequence[int], spoken: Sequence[Span]) -> list[Span]:
    """Return the (start, end) of each line.

    Args:
        sizes: The lines' lengths, in characters.
        spoken: When somebody speaks, in order; at least one.

    """
    moments = _moments(spoken, len(sizes))
    total = float(moments.at[-1])
    expected = [total * size / sum(sizes) for size in sizes]
    cuts = _cut(expected, moments) or _even(expected, moments)
    return [(moments.start[first], moments.end[last]) for first, last in cuts]


def _moments(spoken: Sequence[Span], lines: int) -> _Moments:
    """Return the moments; there are always more than ``lines``."""
    length = sum(end - start for start, end in spoken)
    step = min(_STEP_S, length / (2 * lines))
    at, end, start, cost, before = [0.0], [spoken[0][0]], [spoken[0][0]], [0.0], 0.0
    telling = _telling_pause(spoken, lines)
    after = [next_start for next_start, _ in spoken[1:]] + [spoken[-1][1] + telling]
    for (first, last), following in zip(spoken, after, strict=True):
        inside = max(1, round((last - first) / step))
        for number in range(1, inside + 1):
            moment = round(first + (last - first) * number / inside, 3)
            is_last = number == inside
            at.append(before + moment - first)
            end.append(moment)
            start.append(following if is_last else moment)
            pause = following - last if is_last else 0.0
            cost.append(_CUT * max(0.0, 1 - pause / telling) if is_last else _CUT)
        before += last - first
    return _Moments(at=np.array(at), end=end, start=start, cost=np.array(cost))


def _telling_pause(spoken: Sequence[Span], lines: int) -> float:
    """Return how long a pause between lines is: of the longest pauses as many as there are lines, the shortest."""
    pauses = sorted((second[0] - first[1] for first, second in pairwise(spoken)), reverse=True)
    low, high = _PAUSES_S
    return min(max(low, pauses[lines - 2]), high) if len(pauses) >= lines > 1 else high


def _cut(expected: Sequence[float], moments: _Moments) -> list[tuple[int, int]]:
    """Return the first and last moment of each line, by dynamic programming over the lines; [] if there is no way."""
    size = len(moments.at)
    ended = np.full(size, np.inf)
    ended[0] = 0.0
    steps = []
    for low, high, length in _windows(expected, moments):
        begun, ended = ended, np.full(size, np.inf)
        if not np.isfinite(begun[low:high]).any():
            return []
        first = np.zeros(high - low, np.int32)
        for back in range(1, high - low):
            took = moments.at[low + back : high] - moments.at[low : high - back]
            if took.min() > length * _RATIO_MAX and np.isfinite(ended[low + back : high]).any():
                break
            costs = begun[low : high - back] + moments.cost[low + back : high] + _pace_cost(took, length)
            better = costs < ended[low + back : high]
            ended[low + back : high][better] = costs[better]
            first[back:][better] = np.arange(low, high - back, dtype=np.int32)[better]
        steps.append((low, first))
    return _traced(steps, size - 1) if np.isfinite(ended[-1]) else []


def _even(expected: Sequence[float], moments: _Moments) -> list[tuple[int, int]]:
    places = np.searchsorted(moments.at, np.cumsum([0.0, *expected]) - 1e-6).tolist()
    return list(pairwise(min(place, len(moments.at) - 1) for place in places))


def _traced(steps: Sequence[tuple[int, NDArray[np.int32]]], last: int) -> list[tuple[int, int]]:
    cuts, end = [], last
    for low, first in reversed(steps):
        start = int(first[end - low])
        cuts.append((start, end))
        end = start
    return cuts[::-1]


def _windows(expected: Sequence[float], moments: _Moments) -> list[tuple[int, int, float]]:
    """Return, for each line, between which moments it is looked for, and how long it should take."""
    at = moments.at.tolist()
    least, share, most = _AWAY
    away = min(max(least, share * at[-1]), most)
    places = np.cumsum([0.0, *expected]).tolist()
    result = []
    for (start, end), length in zip(pairwise(places), expected, strict=True):
        result.append((bisect_left(at, start - away), bisect_right(at, end + away), length))
    return result


def _pace_cost(took: Costs, length: float) -> Costs:
    ratio: Costs = np.log(np.maximum(took, 1e-3) / max(length, 1e-3)) / _PACE
    return ratio**2 / 2
