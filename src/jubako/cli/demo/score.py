"""How good the findings on a bundled clip are, by its truth: which planted typos were found, which findings are right.

A finding belongs to the caption of the truth that is shown at that time and reads most alike. It is right if that
caption has a planted error and the suspect part of one holds the other's (``3`` and ``April 3``).
"""

import difflib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SLACK_S = 1.0
"""How far apart a caption's times may lie: fading in and the sampling grid take part of a second."""
ALIKE = 0.6

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Counts; precision and recall follow."""

    findings: int
    right: int
    errors: int
    found: int

    @property
    def precision(self) -> float:
        """Of the findings, the part that is right; 1 if there are none."""
        return self.right / self.findings if self.findings else 1.0

    @property
    def recall(self) -> float:
        """Of the planted errors, the part that was found; 1 if there are none."""
        return self.found / self.errors if self.errors else 1.0


def read_truth(path: Path) -> Document:
    """Return ``{"telops": [{"start", "end", "text"}], "errors": [{"telop": INDEX, "wrong", "right", "kind"}]}``."""
    truth: Document = json.loads(path.read_bytes())
    return truth


def score(findings: Sequence[Document], truth: Document) -> Score:
    """Return how the findings (``start``, ``end``, ``telop``, ``wrong``) compare with the truth."""
    hits = [_hits(finding, truth) for finding in findings]
    return Score(
        findings=len(findings),
        right=sum(bool(hit) for hit in hits),
        errors=len(truth["errors"]),
        found=len({error for hit in hits for error in hit}),
    )


def _hits(finding: Document, truth: Document) -> list[int]:
    """Return the numbers of the planted errors that a finding finds."""
    telop = _telop_of(finding, truth["telops"])
    return [
        number
        for number, error in enumerate(truth["errors"])
        if error["telop"] == telop and _touch(finding.get("wrong") or "", error["wrong"])
    ]


def _telop_of(finding: Document, telops: Sequence[Document]) -> int | None:
    shown = [
        (_likeness(finding["telop"], telop["text"]), -number)
        for number, telop in enumerate(telops)
        if telop["start"] - SLACK_S < finding["end"] and finding["start"] < telop["end"] + SLACK_S
    ]
    likeness, number = max(shown, default=(0.0, 0))
    return -number if likeness >= ALIKE else None


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, _plain(one), _plain(other), autojunk=False).ratio()


def _touch(one: str, other: str) -> bool:
    return _plain(one) in _plain(other) or _plain(other) in _plain(one)


def _plain(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())
