"""Whoever recognises speech behaves alike: the built-in recogniser, and each whose package and model are here.

``JUBAKO_TEST_MODELS`` names a directory with one model in each of ``faster-whisper``, ``vosk`` and ``sherpa-onnx``.
"""

import os
import re
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("av")
np = pytest.importorskip("numpy")

from jubako_apps.telop import media  # noqa: E402
from jubako_apps.telop.media import SAMPLE_RATE  # noqa: E402
from jubako_apps.telop.recognisers import BUILT_IN, KINDS, RecogniserMissing, recogniser  # noqa: E402

CLIPS = Path(str(files("jubako_apps.telop"))) / "clips"
PACKAGES = {
    "pocketsphinx": "pocketsphinx",
    "faster-whisper": "faster_whisper",
    "vosk": "vosk",
    "sherpa-onnx": "sherpa_onnx",
}
SENTENCE = (3.6, 8.7)
SAID = {"en": "the city council approved a budget of", "ja": "補正予算"}


def name_of(kind: str) -> str:
    if find_spec(PACKAGES[kind]) is None:
        pytest.skip(f"{kind} is not installed")
    if kind == BUILT_IN:
        return BUILT_IN
    directory = Path(os.environ.get("JUBAKO_TEST_MODELS", "/nonexistent")) / kind
    if not directory.is_dir():
        pytest.skip(f"no model of {kind}: JUBAKO_TEST_MODELS names no directory with one")
    return f"{kind}:{directory}"


@pytest.fixture(scope="module", params=KINDS)
def heard_by(request: pytest.FixtureRequest) -> Any:
    return recogniser(name_of(request.param), "en")


@pytest.fixture(scope="module")
def sentence() -> Any:
    return media.audio(CLIPS / "en.mp4", *SENTENCE)


def test_silence_and_nothing_hold_no_word(heard_by: Any) -> None:
    for seconds in (0.0, 0.01, 1.0, 5.0):
        assert heard_by.words(np.zeros(int(seconds * SAMPLE_RATE), dtype=np.int16)) == []


def test_words_come_in_order_inside_the_sound_with_a_confidence(heard_by: Any, sentence: Any) -> None:
    words = heard_by.words(sentence)
    assert [word.start for word in words] == sorted(word.start for word in words)
    for word in words:
        assert 0 <= word.start <= word.end <= len(sentence) / SAMPLE_RATE + 0.02
        assert 0 <= word.confidence <= 1
        assert word.text == word.text.strip() != ""


def test_nothing_is_remembered_from_one_sound_to_the_next(heard_by: Any, sentence: Any) -> None:
    first = heard_by.words(sentence)
    heard_by.words(np.random.default_rng(1).normal(0, 3000, SAMPLE_RATE).astype(np.int16))
    again = heard_by.words(sentence)
    assert [word.text for word in again] == [word.text for word in first]
    # Kaldi's dither is drawn anew each time: a word may move by a millisecond or two.
    assert [word.start for word in again] == pytest.approx([word.start for word in first], abs=0.02)


@pytest.mark.parametrize(
    ("kind", "language"), [("pocketsphinx", "en"), ("faster-whisper", "en"), ("faster-whisper", "ja")]
)
def test_a_recogniser_that_knows_the_language_hears_what_is_said(kind: str, language: str) -> None:
    words = recogniser(name_of(kind), language).words(media.audio(CLIPS / f"{language}.mp4", *SENTENCE))
    between = " " if language == "en" else ""
    text = re.sub(r"[^\w ]", "", between.join(word.text for word in words).lower())
    assert SAID[language] in text


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != BUILT_IN])
def test_a_directory_without_a_model_is_called_so_and_nothing_is_fetched(kind: str, tmp_path: Path) -> None:
    if find_spec(PACKAGES[kind]) is None:
        pytest.skip(f"{kind} is not installed")
    with pytest.raises(RecogniserMissing, match=re.escape(str(tmp_path))):
        recogniser(f"{kind}:{tmp_path}", "en")


def test_a_gpu_that_cannot_be_used_is_done_without(monkeypatch: Any, capsys: Any) -> None:
    name = name_of("faster-whisper")
    ctranslate2 = pytest.importorskip("ctranslate2")
    if ctranslate2.get_cuda_device_count():
        pytest.skip("there is one that can")
    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 1)
    assert recogniser(name, "en").words(np.zeros(SAMPLE_RATE, dtype=np.int16)) == []
    assert "there is a GPU, but it cannot be used" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kind", "files"),
    [
        ("faster-whisper", ["model.bin"]),
        ("vosk", ["am/final.mdl"]),
        ("sherpa-onnx", ["tokens.txt", "model.onnx"]),
    ],
)
def test_a_model_that_is_broken_is_called_so(kind: str, files: list[str], tmp_path: Path) -> None:
    if find_spec(PACKAGES[kind]) is None:
        pytest.skip(f"{kind} is not installed")
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"broken 0")
    with pytest.raises(RecogniserMissing, match=re.escape(str(tmp_path))):
        recogniser(f"{kind}:{tmp_path}", "en")


def test_a_package_that_is_missing_is_named_with_what_to_install(tmp_path: Path) -> None:
    for kind, package in PACKAGES.items():
        if kind != BUILT_IN and find_spec(package) is None:
            with pytest.raises(RecogniserMissing, match="pip install"):
                recogniser(f"{kind}:{tmp_path}", "en")


def test_a_recogniser_that_judges_wordings_prefers_what_was_said(sentence: Any) -> None:
    listener: Any = recogniser(name_of("faster-whisper"), "en")
    said = "The city council approved a budget of {} million dollars on {}."
    right, number, day = listener.fits(
        sentence,
        [said.format(*slots) for slots in (("45", "Tuesday"), ("54", "Tuesday"), ("45", "Thursday"))],
    )
    assert right > max(number, day)
