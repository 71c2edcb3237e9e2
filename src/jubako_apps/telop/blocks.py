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


def blocks(duration: float) -> int:
    """Return how many blocks ``duration`` seconds of sound are cut into; the last one is 8 to 23 seconds long."""
    return max(1, round(duration / BLOCK_S))


def parts(duration: float, segments: int) -> int:
    """Return among how many tasks listening is divided: like the pictures, but no task without a block."""
    return max(1, min(segments, blocks(duration)))


def span(part: int, count: int, duration: float) -> Span:
    """Return the time of which task ``part`` of ``count`` hears the pieces, in seconds; all tasks' are equally long."""
    ends = (math.floor(duration * 1000 * n / count) / 1000 for n in (part, part + 1))
    start, end = ends
    return start, duration if part + 1 == count else end


def around(time: Span, duration: float) -> range:
    """Return the blocks that may reach into ``time``."""
    first, last = math.floor((time[0] - NEAR_S) / BLOCK_S), math.ceil((time[1] + NEAR_S) / BLOCK_S)
    return range(blocks(duration))[max(0, min(first, blocks(duration) - 1)) : last]
