"""Aligning all of a telop with some stretch of what is said: edit distance with free ends on the side of the speech."""

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")

Pair = tuple[int | None, int | None]
"""Positions in telop and speech; None on one side is a gap."""

_TELOP, _BOTH, _SPEECH = 1, 0, 2


def align(
    telop: Sequence[T],
    speech: Sequence[T],
    substitution: Callable[[T, T], float],
    gap_in_speech: Callable[[T], float],
    gap_in_telop: Callable[[T], float],
) -> list[Pair]:
    """Return the cheapest alignment of the whole telop with a stretch of the speech.

    Args:
        telop: All of it is used.
        speech: What lies before and behind the stretch costs nothing.
        substitution: Cost of a telop's token against one of the speech; 0 for a match.
        gap_in_speech: Cost of a token of the telop that was not said.
        gap_in_telop: Cost of a token that was said within the stretch and is not in the telop.

    Returns:
        Pairs in order. Of equally cheap alignments always the same one: pairs are preferred to gaps, and an early
        stretch to a late one.

    """
    rows, columns = len(telop), len(speech)
    costs = [0.0] * (columns + 1)
    came = [bytearray(columns + 1) for _ in range(rows + 1)]
    for i in range(1, rows + 1):
        before, costs = costs, [costs[0] + gap_in_speech(telop[i - 1])] + [0.0] * columns
        came[i][0] = _TELOP
        for j in range(1, columns + 1):
            costs[j], came[i][j] = min(
                (before[j - 1] + substitution(telop[i - 1], speech[j - 1]), _BOTH),
                (before[j] + gap_in_speech(telop[i - 1]), _TELOP),
                (costs[j - 1] + gap_in_telop(speech[j - 1]), _SPEECH),
            )
    end = min(range(columns + 1), key=lambda j: (costs[j], j))
    return _walk_back(came, rows, end)


def _walk_back(came: Sequence[bytearray], i: int, j: int) -> list[Pair]:
    pairs: list[Pair] = []
    while i > 0:
        step = came[i][j]
        if step == _SPEECH:
            j -= 1
            pairs.append((None, j))
        elif step == _TELOP:
            i -= 1
            pairs.append((i, None))
        else:
            i, j = i - 1, j - 1
            pairs.append((i, j))
    return pairs[::-1]
