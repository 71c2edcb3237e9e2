"""How good the findings on a bundled clip are, by the typos that were planted in it.

A finding is real if its caption is on screen together with the erroneous one, reads like it, and the suspect part and
the planted one share a place in it. Several findings of one error count once; every other finding is a false alarm.
(The rule is the application's own; the command line knows the application by its API only, so it is here again.)
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ALIKE = 0.75

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Counts; precision and recall follow and are 1.0 where there is nothing to divide."""

    found: int
    missed: int
    false_alarms: int

    @property
    def precision(self) -> float:
        """Part of the findings that are real."""
        return _ratio(self.found, self.found + self.false_alarms)

    @property
    def recall(self) -> float:
        """Part of the planted errors that were found."""
        return _ratio(self.found, self.found + self.missed)


def score(findings: Sequence[Document], truth: Document) -> Score:
    """Count findings against the truth.

    Args:
        findings: ``{"start", "end", "telop", "offset", "wrong"}`` each, as in ``report.json``.
        truth: ``{"telops": [{"start", "end", "text"}], "errors": [{"telop": INDEX, "wrong"}]}``.

    """
    errors: Sequence[Document] = truth["errors"]
    hits = [_error_of(finding, errors, truth["telops"]) for finding in findings]
    found = len({hit for hit in hits if hit is not None})
    return Score(found=found, missed=len(errors) - found, false_alarms=hits.count(None))


def _error_of(finding: Document, errors: Sequence[Document], telops: Sequence[Document]) -> int | None:
    for number, error in enumerate(errors):
        telop = telops[error["telop"]]
        is_shown = finding["start"] < telop["end"] and telop["start"] < finding["end"]
        if is_shown and _are_alike(finding["telop"], telop["text"]) and _overlap(finding, error["wrong"]):
            return number
    return None


def _overlap(finding: Document, wrong: str) -> bool:
    begin = len(_bare(finding["telop"][: finding["offset"]]))
    end = begin + max(1, len(_bare(finding["wrong"])))
    at = _bare(finding["telop"]).find(_bare(wrong))
    return at >= 0 and begin <= at + len(_bare(wrong)) and end >= at


def _are_alike(one: str, other: str) -> bool:
    return difflib.SequenceMatcher(None, _bare(one), _bare(other), autojunk=False).ratio() >= ALIKE


def _bare(text: str) -> str:
    return "".join(text.split()).lower()


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 1.0
