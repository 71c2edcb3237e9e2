"""Lines that stand close together and are telops of their own, told by the size of their signs: a name above a caption.

Sizes are compared only of lines that have signs of full height: two kanji, or letters that reach up and down.
"""

import re
from collections.abc import Sequence
from typing import Final, Protocol

from jubako_apps.telop.telops import Box

_OTHER_SIZE: Final = 1.25
_KANJI: Final = re.compile("[\u3400-\u9fff々]")
_UP: Final = re.compile("[A-Zbdfhklt0-9]")
_DOWN: Final = re.compile("[gjpqy]")


class _Sized(Protocol):
    @property
    def text(self) -> str: ...
    @property
    def box(self) -> Box: ...


def size(row: Sequence[_Sized]) -> float | None:
    """Return the height of the signs of a row; None if none of them has its full height."""
    heights = [line.box[3] for line in row if _is_full(line.text)]
    return max(heights, default=None)


def first_of_other_size(rows: Sequence[Sequence[_Sized]]) -> int:
    """Return before which row another telop begins; the number of rows if all are of one size."""
    known: float | None = None
    for place, row in enumerate(rows):
        this = size(row)
        if known is not None and this is not None and max(known, this) > _OTHER_SIZE * min(known, this):
            return place
        known = known or this
    return len(rows)


def _is_full(text: str) -> bool:
    if _KANJI.search(text):
        return len(_KANJI.findall(text)) > 1
    return bool(_UP.search(text) and _DOWN.search(text))
