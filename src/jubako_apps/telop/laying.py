"""Laying the lines of a plain script over the sound: when is each of them spoken?

Nothing is recognised. A line's length says how long it takes, roughly; pauses say exactly where lines end. Of all ways
to cut the speech into as many parts as there are lines, the likeliest is taken:

1. A line whose time is not what its length and the pace promise costs by the logarithm of the ratio. The pace is found
   with the lines: it goes on from one line to the next and changes at a price, so speech that gets twice as fast in
   the middle is followed. Who changes with every line has a pace of that kind.
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

_STEADY: Final = (0.55, 0.68, 0.84, 1.0, 1.2, 1.45, 1.8)
"""How long lines may take for their length, beside the even pace: it changes seldom, and little by little."""

_PACES: Final = np.array([*_STEADY, 1.0])
_UNEVEN: Final = np.array([0.25] * len(_STEADY) + [0.4])
"""How far, as a logarithm, lines are off their pace; the last one is that of speakers who change with each line."""

_RESTLESS: Final = 0.3
_CHANGE: Final = 0.8
"""What it costs to go one pace further; to become restless, or calm again, as much as two."""

_RATIO_MAX: Final = 4.0
_CUT: Final = 3.0
_PAUSES_S: Final = (0.3, 0.8)
_AWAY: Final = (60.0, 0.15, 600.0)
"""A line is looked for so many seconds of speech around its even place: at least, share of the whole, at most."""

Costs = NDArray[np.float64]


def _changes() -> Costs:
    count = len(_STEADY)
    result = np.full((count + 1, count + 1), 2 * _CHANGE)
    result[:count, :count] = _CHANGE * np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    result[count, count] = _RESTLESS
    return result


_CHANGES: Final = _changes()


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
    """Return the first and last moment of each line, by dynamic programming over the lines; [] if there is no way.

    A state is the moment at which a line ends and the pace at which it was spoken.
    """
    size = len(moments.at)
    ended = np.full((len(_PACES), size), np.inf)
    ended[:, 0] = 0.0
    steps: list[_Step] = []
    for low, high, length in _windows(expected, moments):
        begun, came = _changed(ended[:, low:high])
        ended = np.full((len(_PACES), size), np.inf)
        if not np.isfinite(begun).any():
            return []
        back_to = np.zeros((len(_PACES), high - low), np.uint16)
        for back in range(1, high - low):
            took = moments.at[low + back : high] - moments.at[low : high - back]
            if took.min() > length * _RATIO_MAX and np.isfinite(ended[:, low + back : high]).any():
                break
            costs = begun[:, : high - low - back] + moments.cost[low + back : high] + _pace_cost(took, length)
            better = costs < ended[:, low + back : high]
            ended[:, low + back : high][better] = costs[better]
            back_to[:, back:][better] = back
        steps.append(_Step(low, back_to, came))
    return _traced(steps, int(ended[:, -1].argmin()), size - 1) if np.isfinite(ended[:, -1]).any() else []


@dataclass(frozen=True, slots=True)
class _Step:
    """How each state of one line was come to: how many moments it is long, and the pace of the line before.

    Kept in as few bytes as they need: a programme of twelve hours has thousands of lines.
    """

    low: int
    length: NDArray[np.uint16]
    came: NDArray[np.uint8]


def _changed(ended: Costs) -> tuple[Costs, NDArray[np.uint8]]:
    """Return what it costs at best to go on from each moment at each pace, and at which pace one came there."""
    ways = ended[:, None, :] + _CHANGES[:, :, None]
    came = ways.argmin(axis=0).astype(np.uint8)
    return ways.min(axis=0), came


def _even(expected: Sequence[float], moments: _Moments) -> list[tuple[int, int]]:
    places = np.searchsorted(moments.at, np.cumsum([0.0, *expected]) - 1e-6).tolist()
    return list(pairwise(min(place, len(moments.at) - 1) for place in places))


def _traced(steps: Sequence[_Step], pace: int, last: int) -> list[tuple[int, int]]:
    cuts, end = [], last
    for step in reversed(steps):
        start = end - int(step.length[pace, end - step.low])
        cuts.append((start, end))
        pace, end = int(step.came[pace, start - step.low]), start
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
    """Return, for each pace, what lines cost that take so long."""
    ratio = np.log(np.maximum(took, 1e-3) / max(length, 1e-3))
    costs: Costs = ((ratio[None, :] - np.log(_PACES)[:, None]) / _UNEVEN[:, None]) ** 2 / 2
    return costs
