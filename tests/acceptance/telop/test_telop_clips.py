"""The bundled clips against their truth: every telop found once and read; the English speech recognised."""

import json
import re
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("av")
pytest.importorskip("rapidocr")
distance = pytest.importorskip("rapidfuzz.distance.Levenshtein").distance

from jubako_apps.telop import media, speech  # noqa: E402
from jubako_apps.telop.extract import extract  # noqa: E402
from jubako_apps.telop.merge import merge  # noqa: E402
from jubako_apps.telop.ocr import Line, RapidEngine  # noqa: E402
from jubako_apps.telop.telops import Telop, transcript_from_json, transcript_to_json  # noqa: E402

CLIPS = Path(str(files("jubako_apps.telop"))) / "clips"

pytestmark = pytest.mark.slow


class Counting:
    def __init__(self, engine: RapidEngine) -> None:
        self.engine = engine
        self.calls = 0

    def read(self, image: Any) -> list[Line]:
        self.calls += 1
        return self.engine.read(image)


def bare(text: str) -> str:
    return text.replace(" ", "")


def truth_of(language: str) -> dict[str, Any]:
    truth: dict[str, Any] = json.loads((CLIPS / f"{language}.truth.json").read_text("utf-8"))
    return truth


def best(shown: dict[str, Any], telops: list[Telop]) -> Telop:
    """The telop that is on screen with ``shown`` and reads most like it."""
    beside = [t for t in telops if t.start < shown["end"] and t.end > shown["start"]]
    assert beside, shown
    return min(beside, key=lambda t: distance(bare(t.text), bare(shown["text"])))


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_telop_of_the_clip_is_found_once_at_its_time_and_read(language, capsys):
    path, truth = CLIPS / f"{language}.mp4", truth_of(language)
    engine = Counting(RapidEngine())
    cut = media.segments(media.probe(path).duration, 15.0)
    assert len(cut) == 3
    telops = merge([extract(path, segment, engine) for segment in cut])
    pairs = [(shown, best(shown, telops)) for shown in truth["telops"]]
    wrong = sum(distance(bare(found.text), bare(shown["text"])) for shown, found in pairs)
    cer = wrong / sum(len(bare(shown["text"])) for shown in truth["telops"])
    exact = sum(bare(found.text) == bare(shown["text"]) for shown, found in pairs)
    late = [found.start - shown["start"] for shown, found in pairs]
    early = [found.end - shown["end"] for shown, found in pairs]
    with capsys.disabled():
        sys.stdout.write(
            f"\n{language}: {exact}/{len(pairs)} exact, CER {cer:.4f}, {len(telops)} found, "
            f"{engine.calls} readings, "
            f"start +{min(late):.2f} to +{max(late):.2f} s, end {min(early):+.2f} to {max(early):+.2f} s\n"
        )
    assert len({found.id for _, found in pairs}) == len(telops) == len(pairs)
    assert cer <= 0.01
    assert engine.calls <= 1.3 * len(telops)
    assert all(0 <= delay <= 0.4 for delay in late)
    assert all(abs(delay) <= 0.3 for delay in early)


@pytest.mark.parametrize("language", ["en", "ja"])
def test_every_planted_error_is_visible_in_what_is_read(language):
    path, truth = CLIPS / f"{language}.mp4", truth_of(language)
    (whole,) = media.segments(media.probe(path).duration, 1000.0)
    telops = merge([extract(path, whole, RapidEngine())])
    assert len(truth["errors"]) >= 5
    for error in truth["errors"]:
        read = best(truth["telops"][error["telop"]], telops).text
        assert bare(error["wrong"]) in bare(read)


def test_the_english_speech_is_recognised_well_enough_to_compare(capsys):
    pytest.importorskip("pocketsphinx")
    transcript = speech.transcribe(CLIPS / "en.mp4", "en")
    truth = truth_of("en")
    said = [w for one in truth["speech"] for w in re.findall(r"[a-z']+", one["spoken"].lower())]
    heard = [word.text for utterance in transcript.utterances for word in utterance.words]
    wer = distance(heard, said) / len(said)
    with capsys.disabled():
        sys.stdout.write(
            f"\nen: WER {wer:.3f} of {len(said)} words in {len(transcript.utterances)} utterances\n"
        )
    assert wer <= 0.15
    assert len(transcript.utterances) == len(truth["speech"])
    for utterance, one in zip(transcript.utterances, truth["speech"], strict=True):
        assert utterance.start == pytest.approx(one["start"], abs=0.4)
        assert utterance.end == pytest.approx(one["end"], abs=0.4)
    assert transcript_from_json(transcript_to_json(transcript)) == transcript


@pytest.mark.parametrize("language", ["en", "ja"])
def test_the_script_beside_the_clip_says_what_is_said(language):
    script = (CLIPS / f"{language}.srt").read_bytes()
    transcript = speech.transcribe(CLIPS / f"{language}.mp4", language, (script, ".srt"))
    assert transcript.source == "script"
    truth = truth_of(language)["speech"]
    assert [(u.start, u.end, u.text) for u in transcript.utterances] == [
        (one["start"], one["end"], one["text"]) for one in truth
    ]


def test_the_clips_stay_small():
    assert all((CLIPS / f"{language}.mp4").stat().st_size <= 3_000_000 for language in ("en", "ja"))
