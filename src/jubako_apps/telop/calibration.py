"""How likely a finding of a given score is real.

A score ranks; what is reported as confidence is the part of findings of that score that were real on test sentences
with planted errors. `calibration.json` has a table for scripts and one for recognised speech, and says what it was
measured on; ``benchmarks/telop_calibration.py`` writes it.
"""

import json
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Final

from jubako_apps.telop.telops import Source

Table = tuple[tuple[float, float], ...]

_DATA: Final = "calibration.json"


@cache
def table(source: Source) -> Table:
    """Return the points (score, probability), both rising from 0 to 1, for findings that rest on this source."""
    told = json.loads(files(__package__).joinpath(_DATA).read_text("utf-8"))
    points = told["tables"]["asr" if source == "asr" else "script"]
    return ((0.0, 0.0), *((score, share) for score, share in points), (1.0, 1.0))


def probability(score: float, source: Source) -> float:
    """Return the probability that a finding with this score is real; straight lines lie between the table's points."""
    points = table(source)
    for (low, below), (high, above) in pairwise(points):
        if score <= high:
            return round(below + (above - below) * (score - low) / (high - low), 4)
    return points[-1][1]
