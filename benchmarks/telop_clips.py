"""The bundled clips, from their pictures to the findings: rows of `telop_quality.py`."""

import io
import json
from contextlib import redirect_stdout
from dataclasses import asdict
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

APP = Path(jubako_apps.telop.__file__).parent
CLIPS = APP / "clips"
CASES = (("en", "asr"), ("en", "script"), ("ja", "script"))
SEGMENT_SECONDS = 15.0


def files() -> list[Path]:
    """Return what the rows depend on."""
    return [*APP.rglob("*.py"), *CLIPS.iterdir(), Path(__file__)]


def checked(language: str, source: str) -> dict[str, Any]:
    """Return the counts of each operating point: of one clip, with its script or with what is recognised."""
    truth = json.loads((CLIPS / f"{language}.truth.json").read_text("utf-8"))
    telops, said = read(language), heard(language, source)
    return {mode: asdict(score(reconcile(telops, said, mode), truth)) for mode in THRESHOLDS}


def read(language: str) -> list[Telop]:
    """Read a clip's telops, segment by segment."""
    clip, stages = CLIPS / f"{language}.mp4", RealStages()
    reception = reception_of(clip, language)
    with redirect_stdout(io.StringIO()):  # the progress lines
        parts: list[Any] = [
            stages.ocr(reception, clip, range(n, reception.segments)) for n in range(reception.segments)
        ]
    return merge([telop_from_json(telop) for telop in part["telops"]] for part in parts)


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
