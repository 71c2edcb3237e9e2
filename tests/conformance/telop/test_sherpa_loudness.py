"""sherpa-onnx itself, with a network of ten nodes made by hand: it hears "la" wherever it is loud.

It shows that a model in NeMo's form is loaded and asked, and its tokens put together with their times; not that
speech is recognised: for that a real model is needed (`test_recognisers`).
"""

import base64
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sherpa_onnx")
np = pytest.importorskip("numpy")
pytest.importorskip("av")

from jubako_apps.telop.media import SAMPLE_RATE  # noqa: E402
from jubako_apps.telop.recognisers import RecogniserMissing, recogniser  # noqa: E402
from jubako_apps.telop.recognisers.sherpa import joined  # noqa: E402

NETWORK = (
    # AveragePool 8, ReduceMean over the bands, loud if above -8: "la" against nothing; opset 13, with the metadata of a
    # NeMo CTC model (vocab_size 2, subsampling_factor 8).
    "CAg67gMKQwoMYXVkaW9fc2lnbmFsEgFwIgtBdmVyYWdlUG9vbCoTCgxrZXJuZWxfc2hhcGVACKABByoOCgdzdHJpZGVzQAigAQcK"
    "MAoBcBIBZSIKUmVkdWNlTWVhbioLCgRheGVzQAGgAQcqDwoIa2VlcGRpbXMYAaABAgoQCgFlCgN0aHISAWQiA1N1YgoOCgFkCgFr"
    "EgFhIgNNdWwKDwoBYRIFYmxhbmsiA05lZwoSCgFhCgR6ZXJvEgJiMCIDTXVsChEKAmIwCgNiaWcSAWIiA1N1YgolCgFhCgFiCgVi"
    "bGFuaxIBeCIGQ29uY2F0KgsKBGF4aXMYAaABAgoiCgF4EgF5IglUcmFuc3Bvc2UqDwoEcGVybUAAQAJAAaABBwovCgF5Eghsb2dw"
    "cm9icyIKTG9nU29mdG1heCoUCgRheGlzGP///////////wGgAQISBGxvdWQqDRABQgN0aHJKBAAAAMEqCxABQgFrSgQAAIA/Kg4Q"
    "AUIEemVyb0oEAAAAACoNEAFCA2JpZ0oEAADIQlolCgxhdWRpb19zaWduYWwSFQoTCAESDwoDEgFOCgMSAUMKAxIBVFoVCgZsZW5n"
    "dGgSCwoJCAcSBQoDEgFOYiAKCGxvZ3Byb2JzEhQKEggBEg4KAxIBTgoDEgFMCgIIA0IECgAQDXIPCgp2b2NhYl9zaXplEgEychcK"
    "EnN1YnNhbXBsaW5nX2ZhY3RvchIBOHISCg5ub3JtYWxpemVfdHlwZRIAch8KCm1vZGVsX3R5cGUSEUVuY0RlY0NUQ01vZGVsQlBF"
)
TOKENS = "▁la 0\nla 1\n<blk> 2\n"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "model.onnx").write_bytes(base64.b64decode(NETWORK))
    (tmp_path / "tokens.txt").write_text(TOKENS, "utf-8")
    return tmp_path


def sound(*loud: tuple[float, float], seconds: float = 5.0) -> Any:
    times = np.arange(int(SAMPLE_RATE * seconds)) / SAMPLE_RATE
    noise = np.random.default_rng(1).normal(0, 6000, len(times))
    on = np.any([(times >= start) & (times < end) for start, end in loud], axis=0)
    return np.clip(noise * on, -32768, 32767).astype(np.int16)


def test_words_are_where_it_is_loud_and_end_before_the_pause_does(directory: Path) -> None:
    heard_by = recogniser(f"sherpa-onnx:{directory}", "en")
    words = heard_by.words(sound((0.5, 1.1), (2.0, 2.8), (3.6, 4.4)))
    assert [word.text for word in words] == ["la", "la", "la"]
    assert [word.start for word in words] == pytest.approx([0.5, 2.0, 3.6], abs=0.1)
    assert all(word.end - word.start < 0.5 for word in words)
    assert heard_by.words(sound((0.5, 1.1), (2.0, 2.8), (3.6, 4.4))) == words


def test_silence_and_nothing_hold_no_word(directory: Path) -> None:
    heard_by = recogniser(f"sherpa-onnx:{directory}", "en")
    for seconds in (0.0, 0.01, 1.0, 5.0):
        assert heard_by.words(np.zeros(int(seconds * SAMPLE_RATE), dtype=np.int16)) == []


def test_tokens_become_words_at_spaces_and_none_outlasts_its_sound() -> None:
    words = joined(["▁go", "od", "▁bye"], [0.2, 0.5, 4.0], 4.1)
    assert [(word.text, word.start, word.end) for word in words] == [("good", 0.2, 0.9), ("bye", 4.0, 4.1)]
    signs = joined(["今", "日", "は"], [0.0, 0.2, 0.4], 9.0)
    assert [(word.text, word.end) for word in signs] == [("今", 0.2), ("日", 0.4), ("は", 0.6)]


def test_a_directory_with_tokens_alone_is_called_without_a_network(directory: Path) -> None:
    (directory / "model.onnx").unlink()
    with pytest.raises(RecogniserMissing, match=re.escape(str(directory))):
        recogniser(f"sherpa-onnx:{directory}", "en")
