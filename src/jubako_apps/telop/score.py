"""How good findings are against a list of the errors that really are there.

As a program, ``python -m jubako_apps.telop.score``, it reads ``{"findings": [..], "truth": {..}}`` from its standard
input, findings as in ``report.json``, and writes the counts and ratios as JSON.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from jubako_apps.telop.findings import Finding

SAME_KIND: Mapping[str, str] = {"doubled": "extra"}
"""Names of the ground truth for kinds of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What was found, missed and made up; both ratios are 1.0 when there is nothing to divide."""

    found: int
    missed: int
    wrong: int
    right_kind: int

    @property
    def precision(self) -> float:
        """Part of the findings that are real."""
        return self._ratio(self.found, self.found + self.wrong)

    @property
    def recall(self) -> float:
        """Part of the real errors that were found."""
        return self._ratio(self.found, self.found + self.missed)

    @staticmethod
    def _ratio(part: int, whole: int) -> float:
        return part / whole if whole else 1.0


def score(findings: Sequence[Finding], truth: Mapping[str, Any]) -> Score:
    """Count findings against ``truth``.

    Args:
        findings: All findings of one video.
        truth: ``{"telops": [{"start", "end", "text"}], "errors": [{"telop", "kind", "wrong", "right"}]}``, where
            ``telop`` counts the telops from 0. An error may say its ``offset`` in the telop's text.

    A finding is real if its telop is on screen together with the erroneous one, reads like it, and its suspect part
    and the real one overlap. Several findings of one error count once; every other finding counts as made up.
    """
    caught: dict[int, bool] = {}
    made_up = 0
    for finding in findings:
        hit = next((n for n, error in enumerate(truth["errors"]) if _is_same(finding, error, truth)), None)
        if hit is None:
            made_up += 1
            continue
        kind = truth["errors"][hit]["kind"]
        caught[hit] = caught.get(hit, False) or finding.kind == SAME_KIND.get(kind, kind)
    return Score(
        found=len(caught),
        missed=len(truth["errors"]) - len(caught),
        wrong=made_up,
        right_kind=sum(caught.values()),
    )


def _is_same(finding: Finding, error: Mapping[str, Any], truth: Mapping[str, Any]) -> bool:
    telop = truth["telops"][error["telop"]]
    if finding.start >= telop["end"] or finding.end <= telop["start"]:
        return False
    shown, text = _bare(finding.telop), _bare(telop["text"])
    if not _alike(shown, text):
        return False
    wrong = _bare(error["wrong"])
    # Where it stands may be told; else it is the first of its kind.
    at = len(_bare(telop["text"][: error["offset"]])) if "offset" in error else shown.find(wrong)
    return _overlap(finding, wrong, at)


def _overlap(finding: Finding, wrong: str, at: int) -> bool:
    """Say whether the finding's part and the erroneous part share a place; for what is missing, touch."""
    begin = len(_bare(finding.telop[: finding.offset]))
    end = begin + len(_bare(finding.wrong))
    if at < 0:
        return False
    if begin == end:
        begin, end = begin - 1, end + 1
    return begin < at + len(wrong) and end > at


def _alike(one: str, other: str) -> bool:
    from rapidfuzz.distance import Levenshtein  # noqa: PLC0415 - only measuring needs it

    return Levenshtein.normalized_similarity(one, other) >= 0.75


def _bare(text: str) -> str:
    return "".join(text.split()).lower()


def main() -> None:
    """Answer one question."""
    question = json.load(sys.stdin)
    names = [field.name for field in fields(Finding)]
    findings = [Finding(**{name: one[name] for name in names}) for one in question["findings"]]
    result = score(findings, question["truth"])
    answer = asdict(result) | {"precision": result.precision, "recall": result.recall}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
