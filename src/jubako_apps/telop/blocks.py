"""The grid on which sound is worked on, and whose task each block of it is; no file is read here.

A block is heard the same way whichever task hears it, so a transcript does not depend on how many tasks there are.
"""

import math
from typing import Final

BLOCK_S: Final = 15.0
"""About how long a block is; it ends at the quietest moment near its nominal end."""


def blocks(duration: float) -> int:
    """Return how many blocks ``duration`` seconds of sound are cut into; the last one is 8 to 23 seconds long."""
    return max(1, round(duration / BLOCK_S))


def parts(duration: float, segments: int) -> int:
    """Return among how many tasks listening is divided: like the pictures, but no task without a block."""
    return max(1, min(segments, blocks(duration)))


def own(part: int, count: int, duration: float) -> range:
    """Return the blocks of task ``part`` of ``count``."""
    total = blocks(duration)
    return range(total * part // count, total * (part + 1) // count)


def span(part: int, count: int, duration: float) -> tuple[float, float]:
    """Return about which time the task listens to, in seconds."""
    mine = own(part, count, duration)
    end = duration if mine.stop == blocks(duration) else mine.stop * BLOCK_S
    return round(mine.start * BLOCK_S, 3), round(math.floor(end * 1000) / 1000, 3)
