"""Precision and recall of the telop check on the bundled clips: from the pictures, through OCR, to the findings.

python benchmarks/telop_quality.py            all three: EN recognised, EN script, JA script
python benchmarks/telop_quality.py --text     the same with the telops' true texts: reconciliation alone
python benchmarks/telop_quality.py --sentences   planted errors in held-back sentences: script, noisy transcript, and
                                                 English really spoken, without and with asking the sound again
"""

import argparse
import io
import json
import random
import shutil
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import jubako_apps.telop
from jubako_apps.telop import media, receptions, speech
from jubako_apps.telop.findings import THRESHOLDS, Finding
from jubako_apps.telop.merge import merge
from jubako_apps.telop.pipeline import RealStages
from jubako_apps.telop.receptions import Reception
from jubako_apps.telop.reconcile import reconcile
from jubako_apps.telop.score import SAME_KIND, Score, score
from jubako_apps.telop.telops import Source, Telop, Transcript, Utterance, telop_from_json
from jubako_apps.telop.verify import SphinxEar
from telop_sentences import Case, cases, noisy
from telop_spoken import Spoken, spoken

CLIPS = Path(jubako_apps.telop.__file__).parent / "clips"
CASES = (("en", "asr"), ("en", "script"), ("ja", "script"))
SEGMENT_SECONDS = 15.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--text", action="store_true", help="leave the pictures out")
    parser.add_argument("--sentences", action="store_true", help="planted errors in sentences, no clips")
    parser.add_argument(
        "--even", action="store_true", help="with --sentences: the half that rules are tuned on"
    )
    arguments = parser.parse_args()
    if arguments.sentences:
        measure_sentences(held_back=not arguments.even)
        return
    only_text = arguments.text
    telops = {language: shown(language, only_text=only_text) for language in ("en", "ja")}
    print(
        f"{'clip':10}{'mode':11}{'precision':>10}{'recall':>8}{'kind':>7}{'found':>7}{'missed':>8}{'made up':>9}"
    )
    for language, source in CASES:
        truth, said = truth_of(language), heard(language, source)
        for mode in THRESHOLDS:
            findings = reconcile(telops[language], said, mode)
            print(f"{language} {source:7}{mode:11}{line(score(findings, truth))}")
        for text in notes(reconcile(telops[language], said), truth):
            print(f"    {text}")


def line(result: Score) -> str:
    kinds = f"{result.right_kind}/{result.found}"
    numbers = f"{result.found:>7}{result.missed:>8}{result.wrong:>9}"
    return f"{result.precision:>10.3f}{result.recall:>8.3f}{kinds:>7}{numbers}"


def notes(findings: list[Finding], truth: dict[str, Any]) -> Iterator[str]:
    """Say what was made up and what was missed in the mode that is the default."""
    for finding in findings:
        if score([finding], truth).wrong:
            yield f"made up: {finding.kind} {finding.wrong!r} -> {finding.right!r} in {finding.telop!r}"
    for error in truth["errors"]:
        kind = SAME_KIND.get(error["kind"], error["kind"])
        if score(findings, {**truth, "errors": [error]}).missed:
            yield f"missed: {kind} {error['wrong']!r} for {error['right']!r}"


def truth_of(language: str) -> dict[str, Any]:
    truth: dict[str, Any] = json.loads((CLIPS / f"{language}.truth.json").read_text("utf-8"))
    return truth


def shown(language: str, *, only_text: bool) -> list[Telop]:
    truth = truth_of(language)
    if only_text:
        return [plain_telop(n, t["start"], t["end"], t["text"]) for n, t in enumerate(truth["telops"])]
    clip, stages, begun = CLIPS / f"{language}.mp4", RealStages(), time.process_time()
    reception = reception_of(clip, language)
    with redirect_stdout(io.StringIO()):  # the progress lines
        parts: list[Any] = [stages.ocr(reception, clip, segment) for segment in range(reception.segments)]
    telops = merge([telop_from_json(telop) for telop in part["telops"]] for part in parts)
    true, read = [t["text"] for t in truth["telops"]], [t.text for t in telops]
    exact = len({"".join(text.split()) for text in true} & {"".join(text.split()) for text in read})
    seconds = time.process_time() - begun
    print(f"{language}: {exact} of {len(true)} telops read exactly, {len(read)} read, {seconds:.1f} CPU s")
    return telops


def heard(language: str, source: str) -> Transcript:
    clip, sidecar = CLIPS / f"{language}.mp4", CLIPS / f"{language}.srt"
    return speech.transcribe(clip, language, (sidecar.read_bytes(), ".srt") if source == "script" else None)


def reception_of(clip: Path, language: str) -> Reception:
    duration = media.probe(clip).duration
    return Reception(
        id=receptions.reception_id(language, None), fingerprint=language, name=clip.name, video=str(clip),
        size=clip.stat().st_size, script=None, language="ja" if language == "ja" else "en", mode="balanced",
        duration=duration, segment_seconds=SEGMENT_SECONDS,
        segments=len(media.segments(duration, SEGMENT_SECONDS)),
    )  # fmt: skip


SEEDS = range(1, 9)
NOISES = (("script", 0.0), ("asr", 0.05), ("asr", 0.10))
SPOKEN_SEEDS = range(1, 4)
BINS = (0.4, 0.6, 0.8, 0.9, 1.01)


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """One row of the table: whose transcript, and over which seeds."""

    language: str
    source: str
    noise: float = 0.0
    spoken: Spoken | None = None
    ear: SphinxEar | None = None

    @property
    def seeds(self) -> range:
        return SPOKEN_SEEDS if self.spoken else SEEDS

    @property
    def name(self) -> str:
        return f"{self.language} {self.source} {self.noise or ''}".strip()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run came to: the score, remarks, each finding's confidence and whether it was right."""

    score: Score
    remarks: list[str]
    sure: list[tuple[float, bool]]


def materials(*, held_back: bool) -> Iterator[Material]:
    yield from (Material(language="en", source=source, noise=noise) for source, noise in NOISES)
    if shutil.which("flite"):
        said = spoken(held_back=held_back)
        yield Material(language="en", source="spoken", spoken=said)
        yield Material(language="en", source="verified", spoken=said, ear=SphinxEar(said.sound))
    yield from (Material(language="ja", source=source, noise=noise) for source, noise in NOISES)


def measure_sentences(*, held_back: bool) -> None:
    """Print one table: three operating points, recall by class and calibration, over all seeds."""
    print("held-back half" if held_back else "tuning half")
    print(
        f"{'transcript':17}{'mode':11}{'precision':>10}{'recall':>8}{'kind':>9}{'found':>7}{'missed':>8}{'made up':>9}"
    )
    for material in materials(held_back=held_back):
        for mode in THRESHOLDS:
            runs = [run(material, seed, mode, held_back=held_back) for seed in material.seeds]
            print(f"{material.name:17}{mode:11}{line(summed([one.score for one in runs]))}", flush=True)
            if mode == "balanced":
                print(f"    {by_kind(runs)}")
                if not held_back and material.source != "asr":
                    print(
                        "".join(
                            f"    {text}\n" for one in runs[:3] for text in one.remarks if text[0] != "#"
                        ),
                        end="",
                    )
            if mode == "sensitive":
                print(f"    {calibration([pair for one in runs for pair in one.sure])}")


def summed(scores: list[Score]) -> Score:
    return Score(
        found=sum(one.found for one in scores),
        missed=sum(one.missed for one in scores),
        wrong=sum(one.wrong for one in scores),
        right_kind=sum(one.right_kind for one in scores),
    )


def calibration(sure: list[tuple[float, bool]]) -> str:
    """Return, for each range of confidence, how many findings claimed it and which part of them was right."""
    parts = []
    for low, high in pairwise(BINS):
        inside = [right for confidence, right in sure if low <= confidence < high]
        if inside:
            parts.append(f"{low:.1f}-{min(high, 1.0):.1f}: {sum(inside) / len(inside):.2f} of {len(inside)}")
    return "right by confidence: " + ", ".join(parts)


def run(material: Material, seed: int, mode: str, *, held_back: bool) -> Outcome:
    made = cases(material.language, seed, held_back=held_back)
    said, times = transcript(material, made, seed)
    telops = [
        plain_telop(n, start + 0.3, end - 0.2, case.telop)
        for n, (case, (start, end)) in enumerate(zip(made, times, strict=True))
    ]
    truth: dict[str, Any] = {
        "telops": [{"start": t.start, "end": t.end, "text": t.text} for t in telops],
        "errors": [
            {"telop": n, "kind": case.error[0], "wrong": case.error[1], "right": case.error[2]}
            for n, case in enumerate(made)
            if case.error is not None
        ],
    }
    findings = reconcile(telops, said, mode, ear=material.ear)
    sure = [(finding.confidence, not score([finding], truth).wrong) for finding in findings]
    return Outcome(score(findings, truth), [*notes(findings, truth), *kinds_of(findings, truth)], sure)


def transcript(
    material: Material, made: list[Case], seed: int
) -> tuple[Transcript, list[tuple[float, float]]]:
    """Return what is "heard", and when each sentence is said."""
    if material.spoken:
        return material.spoken.heard, material.spoken.times
    rng = random.Random(f"{seed} {material.noise}")
    source: Source = "asr" if material.source == "asr" else "script"
    texts = [
        noisy(case.spoken, material.language, material.noise, rng) if source == "asr" else case.spoken
        for case in made
    ]
    times = [(5.0 * n, 5.0 * n + 4.5) for n in range(len(made))]
    utterances = tuple(
        Utterance(id=n, start=start, end=end, text=text, words=())
        for n, (text, (start, end)) in enumerate(zip(texts, times, strict=True))
    )
    return Transcript(source=source, language=material.language, utterances=utterances), times


def kinds_of(findings: list[Finding], truth: dict[str, Any]) -> Iterator[str]:
    for error in truth["errors"]:
        missed = score(findings, {**truth, "errors": [error]}).missed
        yield f"#{error['kind']} {missed}"


def by_kind(runs: list[Outcome]) -> str:
    counts: dict[str, list[int]] = {}
    for one in runs:
        for text in one.remarks:
            if text.startswith("#"):
                kind, missed = text[1:].split()
                counts.setdefault(kind, []).append(1 - int(missed))
    return "recall by class: " + ", ".join(
        f"{kind} {sum(hits)}/{len(hits)}" for kind, hits in sorted(counts.items())
    )


def plain_telop(number: int, start: float, end: float, text: str) -> Telop:
    return Telop(
        id=number, segment=0, lane=0, start=start, end=end, open_end=False, text=text, confidence=1.0,
        box=(0.0, 0.0, 1.0, 1.0),
    )  # fmt: skip


if __name__ == "__main__":
    main()
