"""How likely a finding of a given score is real.

A score ranks; what is reported as confidence is the part of findings of that score that were real on test sentences
with planted errors, scripts and poor transcripts of both languages together (``benchmarks/telop_calibration.py``).
"""

from itertools import pairwise
from typing import Final

TABLE: Final = (
    (0.0, 0.0),
    (0.297, 0.048),
    (0.404, 0.293),
    (0.486, 0.439),
    (0.570, 0.727),
    (0.633, 0.833),
    (0.673, 0.871),
    (0.732, 0.950),
    (0.800, 0.965),
    (0.886, 0.975),
    (0.950, 0.980),
    (1.0, 1.0),
)
"""(score, probability), rising; in between it is a straight line.

Nothing but certainty is taken for more than 0.98, however well it went on the test sentences.
"""


def probability(score: float) -> float:
    """Return the probability that a finding with this score is real."""
    for (low, below), (high, above) in pairwise(TABLE):
        if score <= high:
            return round(below + (above - below) * (score - low) / (high - low), 4)
    return TABLE[-1][1]
