"""Interlaced pictures made whole.

Two fields of different moments, woven into one frame, look like a comb where things move.

Rules:

1. Only what is combed is changed: there the lower field's lines give way to what lies between the upper field's. A
   telop that stands still has both fields in place and keeps its full height of lines.
2. A frame is mended if it says that it is interlaced, or if it is combed although it does not (a conversion that wove
   what it should have kept apart).
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_TOOTH: Final = 14
"""By how much a line must differ from both neighbours, to the same side, to be a tooth of a comb."""

_TEETH_RUN: Final = 3
"""Teeth under one another that make a comb; fine print has one or two."""

_COMBED_PART: Final = 0.004
"""From which part of its pixels on an unmarked frame is taken for interlaced."""

_AROUND: Final = np.ones((5, 9), np.uint8)


def woven_apart(picture: Picture, *, marked: bool) -> Picture:
    """Return the picture (height x width x 3, RGB) without combs; itself if there are none.

    Args:
        picture: Both fields woven together, the upper one in the even lines.
        marked: Whether the file says that it is interlaced.

    """
    if picture.shape[0] < 2 * _TEETH_RUN:
        return picture
    combs = combed(np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), dtype=np.uint8))
    share = np.count_nonzero(combs) / combs.size
    if share == 0 or (not marked and share < _COMBED_PART):
        return picture
    changed = cv2.dilate(combs.astype(np.uint8), _AROUND).astype(np.bool_)
    changed[0::2] = False
    result = picture.copy()
    result[changed] = _between(picture)[changed]
    return result


def combed(gray: NDArray[np.uint8]) -> Mask:
    """Return where lines are brighter, or darker, than both their neighbours, by turns, several times running."""
    lines = gray.astype(np.int16)
    up, down = lines[1:-1] - lines[:-2], lines[1:-1] - lines[2:]
    bright, dark = (up > _TOOTH) & (down > _TOOTH), (up < -_TOOTH) & (down < -_TOOTH)
    height = gray.shape[0] - 2
    inside = np.ones((height - _TEETH_RUN + 1, gray.shape[1]), dtype=np.bool_)
    other = inside.copy()
    for step in range(_TEETH_RUN):
        rows = slice(step, height - _TEETH_RUN + 1 + step)
        inside &= (bright if step % 2 == 0 else dark)[rows]
        other &= (dark if step % 2 == 0 else bright)[rows]
    found = np.zeros(gray.shape, dtype=np.bool_)
    middle = 1 + _TEETH_RUN // 2
    found[middle : middle + inside.shape[0]] = inside | other
    return found


def _between(picture: Picture) -> Picture:
    """Return the picture with each lower field's line made of the upper field's lines around it."""
    above = picture[0::2]
    below = np.concatenate([above[1:], above[-1:]])
    result = picture.copy()
    lower = result[1::2]
    result[1::2] = ((above[: len(lower)].astype(np.uint16) + below[: len(lower)] + 1) >> 1).astype(np.uint8)
    return result
