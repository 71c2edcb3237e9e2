"""Precision and recall of the telop check on the bundled clips: from the pictures, through OCR, to the findings.

python benchmarks/telop_quality.py            all three: EN recognised, EN script, JA script
python benchmarks/telop_quality.py --text     the same with the telops' true texts: reconciliation alone
"""

import argparse
import io
import json
import random
import time
from collections.abc import Iterator
from contextlib import redirect_stdout
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
from jubako_apps.telop.telops import Telop, Transcript, Utterance, telop_from_json
from telop_sentences import cases, noisy

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


def measure_sentences(*, held_back: bool) -> None:
    """Print precision and recall over all seeds, and recall by class."""
    print("held-back half" if held_back else "tuning half")
    print(
        f"{'transcript':17}{'mode':11}{'precision':>10}{'recall':>8}{'kind':>9}{'found':>7}{'missed':>8}{'made up':>9}"
    )
    for language in ("en", "ja"):
        for source, noise in NOISES:
            for mode in THRESHOLDS:
                runs = [run(language, source, noise, seed, mode, held_back=held_back) for seed in SEEDS]
                total = Score(
                    found=sum(r.found for r, _ in runs),
                    missed=sum(r.missed for r, _ in runs),
                    wrong=sum(r.wrong for r, _ in runs),
                    right_kind=sum(r.right_kind for r, _ in runs),
                )
                print(f"{language} {source:7}{noise:<7}{mode:11}{line(total)}")
                if mode == "balanced":
                    print(f"    {by_kind(runs)}")
                    if not held_back and noise == 0:
                        for _, texts in runs[:3]:
                            print("".join(f"    {text}\n" for text in texts), end="")


def run(
    language: str, source: str, noise: float, seed: int, mode: str, *, held_back: bool
) -> tuple[Score, list[str]]:
    made = cases(language, seed, held_back=held_back)
    rng = random.Random(f"{seed} {noise}")
    spoken = [noisy(case.spoken, language, noise, rng) if source == "asr" else case.spoken for case in made]
    said = Transcript(
        source="asr" if source == "asr" else "script",
        language=language,
        utterances=tuple(
            Utterance(id=n, start=5.0 * n, end=5.0 * n + 4.5, text=text, words=())
            for n, text in enumerate(spoken)
        ),
    )
    telops = [plain_telop(n, 5.0 * n + 0.3, 5.0 * n + 4.3, case.telop) for n, case in enumerate(made)]
    truth: dict[str, Any] = {
        "telops": [{"start": t.start, "end": t.end, "text": t.text} for t in telops],
        "errors": [
            {"telop": n, "kind": case.error[0], "wrong": case.error[1], "right": case.error[2]}
            for n, case in enumerate(made)
            if case.error is not None
        ],
    }
    findings = reconcile(telops, said, mode)
    return score(findings, truth), [*notes(findings, truth), *kinds_of(findings, truth)]


def kinds_of(findings: list[Finding], truth: dict[str, Any]) -> Iterator[str]:
    for error in truth["errors"]:
        missed = score(findings, {**truth, "errors": [error]}).missed
        yield f"#{error['kind']} {missed}"


def by_kind(runs: list[tuple[Score, list[str]]]) -> str:
    counts: dict[str, list[int]] = {}
    for _, texts in runs:
        for text in texts:
            if text.startswith("#"):
                kind, missed = text[1:].split()
                counts.setdefault(kind, []).append(1 - int(missed))
    return ", ".join(f"{kind} {sum(hits)}/{len(hits)}" for kind, hits in sorted(counts.items()))


def plain_telop(number: int, start: float, end: float, text: str) -> Telop:
    return Telop(
        id=number, segment=0, lane=0, start=start, end=end, open_end=False, text=text, confidence=1.0,
        box=(0.0, 0.0, 1.0, 1.0),
    )  # fmt: skip


if __name__ == "__main__":
    main()
