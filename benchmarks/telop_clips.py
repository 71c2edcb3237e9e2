"""The bundled clips, from their pictures to the findings: rows of `telop_quality.py`."""

import io
import json
import time
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import jubako_apps.telop
from jubako_apps.telop import media, receptions, speech
from jubako_apps.telop.findings import THRESHOLDS
from jubako_apps.telop.merge import merge
from jubako_apps.telop.pipeline import RealStages
from jubako_apps.telop.receptions import Reception
from jubako_apps.telop.reconcile import reconcile
from jubako_apps.telop.score import score
from jubako_apps.telop.telops import Telop, Transcript, telop_from_json

CLIPS = Path(jubako_apps.telop.__file__).parent / "clips"
CASES = (("en", "asr"), ("en", "script"), ("ja", "script"))
SEGMENT_SECONDS = 15.0


def measure(head: str) -> None:
    """Print the clips' rows under the table's head."""
    telops = {language: read(language) for language in ("en", "ja")}
    print(head)
    for language, source in CASES:
        truth = json.loads((CLIPS / f"{language}.truth.json").read_text("utf-8"))
        said = heard(language, source)
        for mode in THRESHOLDS:
            result = score(reconcile(telops[language], said, mode), truth)
            row = f"{result.precision:>10.3f}{result.recall:>8.3f}{result.right_kind:>6}/{result.found}"
            counts = f"{result.found:>7}{result.missed:>8}{result.wrong:>9}"
            print(f"{f'{language} clip {source}':17}{mode:11}{row:27}{counts}")


def read(language: str) -> list[Telop]:
    """Read a clip's telops, segment by segment."""
    truth: dict[str, Any] = json.loads((CLIPS / f"{language}.truth.json").read_text("utf-8"))
    clip, stages, begun = CLIPS / f"{language}.mp4", RealStages(), time.process_time()
    reception = reception_of(clip, language)
    with redirect_stdout(io.StringIO()):  # the progress lines
        parts: list[Any] = [
            stages.ocr(reception, clip, range(n, reception.segments)) for n in range(reception.segments)
        ]
    telops = merge([telop_from_json(telop) for telop in part["telops"]] for part in parts)
    true, found = [t["text"] for t in truth["telops"]], [t.text for t in telops]
    exact = len({"".join(text.split()) for text in true} & {"".join(text.split()) for text in found})
    seconds = time.process_time() - begun
    print(
        f"{language} clip: {exact} of {len(true)} telops read exactly, {len(found)} read, {seconds:.1f} CPU s"
    )
    return telops


def heard(language: str, source: str) -> Transcript:
    """Return the clip's script, or what is recognised."""
    clip, sidecar = CLIPS / f"{language}.mp4", CLIPS / f"{language}.srt"
    return speech.transcribe(clip, language, (sidecar.read_bytes(), ".srt") if source == "script" else None)


def reception_of(clip: Path, language: str) -> Reception:
    """Return a reception as the service would make it."""
    duration = media.probe(clip).duration
    return Reception(
        id=receptions.reception_id(language, None), fingerprint=language, name=clip.name, video=str(clip),
        size=clip.stat().st_size, script=None, language="ja" if language == "ja" else "en", mode="balanced",
        duration=duration, segment_seconds=SEGMENT_SECONDS,
        segments=len(media.segments(duration, SEGMENT_SECONDS)),
    )  # fmt: skip
