"""The grid on which sound is worked on, and which part of it is whose task's; no file is read here.

A block is cut into the same pieces whichever task does it, and a piece is heard by the task whose time its middle lies
in. So a transcript does not depend on how many tasks there are, and they all have about as much to hear.
"""

import math
from typing import Final

Span = tuple[float, float]
"""From when to when, in seconds."""

BLOCK_S: Final = 15.0
"""About how long a block is; it ends at the quietest moment near its nominal end."""
NEAR_S: Final = 4.0
"""How far from its nominal end at most."""
PART_S: Final = 60.0
"""About how long a task listens at most, seconds of sound."""
SHORT_PART_S: Final = 10.0
MANY: Final = 12
"""So many parts are enough to divide listening evenly; a short video has fewer, of `SHORT_PART_S` each."""
_UNEQUAL: Final = 4


def blocks(duration: float) -> int:
    """Return how many blocks ``duration`` seconds of sound are cut into; the last one is 8 to 23 seconds long."""
    return max(1, round(duration / BLOCK_S))


def parts(duration: float) -> int:
    """Return among how many tasks listening is divided."""
    few = min(MANY, round(duration / SHORT_PART_S))
    return max(1, few, math.ceil(duration / PART_S))


def span(part: int, count: int, duration: float) -> Span:
    """Return the time of which task ``part`` of ``count`` hears the pieces, in seconds.

    The first half of the tasks have twice as long a time as the others. If a machine has fewer cores than there are
    tasks, the short ones come last, and nobody waits long for the very last one.
    """
    start, end = (math.floor(duration * 1000 * _share(n, count)) / 1000 for n in (part, part + 1))
    return start, duration if part + 1 == count else end


def _share(part: int, count: int) -> float:
    """Return how much of the sound lies before ``part``, 0 to 1."""
    long = count // 2 if count >= _UNEQUAL else 0
    return (part + min(part, long)) / (count + long)


def around(time: Span, duration: float) -> range:
    """Return the blocks that may reach into ``time``."""
    first, last = math.floor((time[0] - NEAR_S) / BLOCK_S), math.ceil((time[1] + NEAR_S) / BLOCK_S)
    return range(blocks(duration))[max(0, min(first, blocks(duration) - 1)) : last]
