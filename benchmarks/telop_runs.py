"""The telop check run over planted errors, without pictures: against a script, a poor transcript, and real speech."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from jubako_apps.telop.calibration import probability
from jubako_apps.telop.findings import THRESHOLDS, Finding
from jubako_apps.telop.reconcile import scored
from jubako_apps.telop.score import SAME_KIND, Score, score
from jubako_apps.telop.telops import Source, Telop, Transcript, Utterance
from jubako_apps.telop.verify import Ear
from telop_noise import noisy
from telop_sentences import Case, Half, cases, sentences
from telop_spoken import Spoken

SEEDS = range(1, 7)
SPOKEN_SEEDS = range(1, 4)
UNSEEN_SEEDS = range(1, 13)
"""Twice as many, so that each class of errors comes often enough."""

FEW = 2
LENGTH_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """One row of the table: whose transcript, and over which seeds."""

    language: str
    source: str
    half: Half
    noise: float = 0.0
    spoken: Spoken | None = None
    ear: Ear | None = None
    few: bool = False

    @property
    def seeds(self) -> range:
        """Seeds over which errors are planted."""
        if self.spoken:
            # Whisper takes seconds for each wording that it is asked about.
            return SPOKEN_SEEDS[: 1 if self.few or self.language == "ja" else None]
        seeds = UNSEEN_SEEDS if self.half == "unseen" else SEEDS
        return seeds[:FEW] if self.few else seeds

    @property
    def name(self) -> str:
        """What the row is called."""
        return row(self.language, self.source, self.noise)


@dataclass(slots=True)
class Outcome:
    """What one run came to: the score, by class, each finding's confidence and whether it was right, and remarks."""

    score: Score
    classes: dict[str, list[bool]] = field(default_factory=dict)
    sure: list[tuple[str, float, bool]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def row(language: str, source: str, noise: float = 0.0) -> str:
    """Return what the row of the table is called."""
    return f"{language} {source} {noise or ''}".strip()


def run(material: Material, seed: int) -> dict[str, Outcome]:
    """Plant, compare, count, at each operating point: they differ in nothing but the score from which they report."""
    made = cases(material.language, seed, material.half)
    said, times = transcript(material, seed)
    telops = list(shown(made, times))
    truth = truth_of(made, telops)
    every = scored(telops, said, min(THRESHOLDS.values()), ear=material.ear)
    result = {}
    for mode, least in THRESHOLDS.items():
        reported = [one for one in every if one.confidence >= least]
        sure = [replace(one, confidence=probability(one.confidence, said.source)) for one in reported]
        result[mode] = judged(sure, truth)
    return result


def shown(made: Sequence[Case], times: Mapping[str, tuple[float, float]]) -> list[Telop]:
    """Return the telops of a sentence one after the other while it is said; its name super all the time."""
    together: dict[str, list[int]] = {}
    for number, case in enumerate(made):
        together.setdefault(case.sentence.id, []).append(number)
    result = []
    for number, case in enumerate(made):
        start, end = times[case.sentence.id]
        siblings = [n for n in together[case.sentence.id] if made[n].form != "name"]
        if case.form != "name":
            share = (end - start) / len(siblings)
            start, end = (start + (siblings.index(number) + part) * share for part in (0, 1))
        result.append(plain_telop(number, start + 0.1, end - 0.1, case.telop))
    return result


def truth_of(made: Sequence[Case], telops: Sequence[Telop]) -> dict[str, Any]:
    """Return what is planted, as `score` wants it."""
    return {
        "telops": [{"start": t.start, "end": t.end, "text": t.text} for t in telops],
        "errors": [
            {"telop": n, **asdict(case.error)} for n, case in enumerate(made) if case.error is not None
        ],
    }


def judged(findings: list[Finding], truth: dict[str, Any]) -> Outcome:
    """Count the findings against the truth."""
    outcome = Outcome(score(findings, truth))
    for error in truth["errors"]:
        missed = score(findings, {**truth, "errors": [error]}).missed
        outcome.classes.setdefault(error["kind"], []).append(not missed)
        if missed:
            text = truth["telops"][error["telop"]]["text"]
            kind = SAME_KIND.get(error["kind"], error["kind"])
            outcome.remarks.append(f"missed: {kind} {error['wrong']!r} for {error['right']!r} in {text!r}")
    for finding in findings:
        is_real = not score([finding], truth).wrong
        outcome.sure.append((finding.kind, finding.confidence, is_real))
        if not is_real:
            outcome.remarks.append(
                f"made up: {finding.kind} {finding.confidence} {finding.wrong!r} -> {finding.right!r}"
                f" in {finding.telop!r}; said {finding.said!r}"
            )
    return outcome


def transcript(material: Material, seed: int) -> tuple[Transcript, dict[str, tuple[float, float]]]:
    """Return what is "heard", and when each sentence is said."""
    if material.spoken:
        return material.spoken.heard, material.spoken.times
    rng = random.Random(f"{seed} {material.noise}")
    source: Source = "asr" if material.source == "asr" else "script"
    utterances, times = [], {}
    for number, sentence in enumerate(sentences(material.language, material.half)):
        start, end = LENGTH_S * number, LENGTH_S * number + LENGTH_S - 0.5
        text = (
            noisy(sentence.said, material.language, material.noise, rng) if source == "asr" else sentence.said
        )
        utterances.append(Utterance(id=number, start=start, end=end, text=text, words=()))
        times[sentence.id] = (start, end)
    heard = Transcript(source=source, language=material.language, utterances=tuple(utterances))
    return heard, times


def plain_telop(number: int, start: float, end: float, text: str) -> Telop:
    """Return a telop as if it had been read without doubt."""
    return Telop(
        id=number, segment=0, lane=0, start=round(start, 3), end=round(end, 3), open_end=False, text=text,
        confidence=1.0, box=(0.0, 0.0, 1.0, 1.0),
    )  # fmt: skip
