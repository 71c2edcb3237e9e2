"""Findings: what a caption editor should look at, with ids and an order that depend on the content alone."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal[
    "misspelling",
    "homophone",
    "number",
    "date",
    "name",
    "kana",
    "lookalike",
    "extra",
    "missing",
    "variant",
    "unknown word",
    "inconsistency",
    "forbidden word",
]
Severity = Literal["high", "medium", "low"]

SEVERITY: Mapping[Kind, Severity] = {
    "number": "high",
    "date": "high",
    "name": "high",
    "homophone": "high",
    "forbidden word": "high",
    "inconsistency": "medium",
    "misspelling": "medium",
    "kana": "medium",
    "lookalike": "medium",
    "extra": "medium",
    "missing": "medium",
    "unknown word": "low",
    "variant": "low",
}
"""How bad it is on air: a wrong fact is worse than a slip of the pen."""

THRESHOLDS: Mapping[str, float] = {"strict": 0.8, "balanced": 0.6, "sensitive": 0.4}
"""From which score on each mode reports; `jubako_apps.telop.calibration` says how sure a score is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspicion:
    """What looks wrong in one telop, before it has an id.

    Attributes:
        kind: The class of error.
        offset: Where ``wrong`` begins in the telop's text, in characters.
        wrong: The suspect part as shown; may be empty for ``missing``.
        right: What should stand there; None if nobody knows.
        confidence: Its score, 0 to 1.
        heard_at: Where the speech differs, (start, end) in characters of the speech it was compared with; None if
            the suspicion does not rest on a word that was heard.

    """

    kind: Kind
    offset: int
    wrong: str
    right: str | None
    confidence: float
    heard_at: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A suspicion with its place in the video.

    Attributes:
        id: ``TELOP-OFFSET-KIND``: the same whenever the same thing is found.
        telop_id: The telop's id.
        start: When the telop appears, seconds.
        end: When it goes.
        kind: The class of error.
        telop: The whole text of the telop.
        offset: Where ``wrong`` begins in it.
        wrong: The suspect part.
        right: What should stand there, in the telop's notation, or None.
        said: The sentence heard or scripted at that time, or None.
        confidence: The probability that it is real, 0 to 1.
        severity: How bad it would be on air.

    """

    id: str
    telop_id: int
    start: float
    end: float
    kind: Kind
    telop: str
    offset: int
    wrong: str
    right: str | None
    said: str | None
    confidence: float
    severity: Severity


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings in the order of the video, each id once (the surest)."""
    best: dict[str, Finding] = {}
    for finding in findings:
        known = best.get(finding.id)
        if known is None or known.confidence < finding.confidence:
            best[finding.id] = finding
    return sorted(best.values(), key=lambda found: (found.start, found.telop_id, found.offset, found.kind))


def finding_to_json(finding: Finding) -> dict[str, Any]:
    """Return the finding as plain JSON values."""
    return asdict(finding)
