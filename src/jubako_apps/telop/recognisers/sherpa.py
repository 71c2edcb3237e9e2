"""sherpa-onnx with a model directory: tokens.txt and the networks, whose names tell the kind of model.

encoder, decoder and joiner are a transducer; encoder and decoder alone are Whisper; one network is SenseVoice or
Paraformer if the directory is named so, else a CTC model in NeMo's form. ``.int8.onnx`` is preferred.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sherpa_onnx

from jubako_apps.telop.media import SAMPLE_RATE, Pcm
from jubako_apps.telop.recognisers import RecogniserMissing
from jubako_apps.telop.script import words as spread
from jubako_apps.telop.telops import Word

CONFIDENCE = 0.5
"""The library gives none for most kinds of model."""

_SHORTEST_S = 0.1
_LAST_TOKEN_S = 0.2
_LONGEST_TOKEN_S = 0.4
_WORD_BEGINS = ("▁", " ")


class Sherpa:
    """See `jubako_apps.telop.recognisers.Recogniser`."""

    def __init__(self, recogniser: Any, language: str) -> None:  # noqa: ANN401 - an untyped library
        self._recogniser = recogniser
        self._language = language

    def words(self, sound: Pcm) -> list[Word]:
        """See Recogniser."""
        length = len(sound) / SAMPLE_RATE
        if length < _SHORTEST_S or not np.any(sound):
            return []
        stream = self._recogniser.create_stream()
        stream.accept_waveform(SAMPLE_RATE, sound.astype(np.float32) / 32768)
        self._recogniser.decode_stream(stream)
        result = stream.result
        if len(result.timestamps) == len(result.tokens) and result.tokens:
            return joined(result.tokens, result.timestamps, length)
        return [
            Word(start=word.start, end=word.end, text=word.text, confidence=CONFIDENCE)
            for word in spread(result.text.strip(), (0.0, length), self._language)
        ]


def joined(tokens: Sequence[str], times: Sequence[float], length: float) -> list[Word]:
    """Join tokens into words: a token that begins with a space begins a word; without any, each is its own."""
    has_spaces = any(token.startswith(_WORD_BEGINS) for token in tokens)
    # The library tells only where a token begins; what follows may be a long pause.
    ends = [
        min(start + _LONGEST_TOKEN_S, following)
        for start, following in zip(times, [*times[1:], times[-1] + _LAST_TOKEN_S], strict=True)
    ]
    words: list[Word] = []
    for token, start, end in zip(tokens, times, ends, strict=True):
        text = token.lstrip("▁ ").strip()
        if words and has_spaces and not token.startswith(_WORD_BEGINS):
            before = words.pop()
            start, text = before.start, before.text + text  # noqa: PLW2901 - the word grows
        if text:
            word = Word(
                start=round(start, 3), end=round(min(end, length), 3), text=text, confidence=CONFIDENCE
            )
            words.append(word)
    return words


def load(directory: Path, language: str) -> Sherpa:
    """Load the model; raise RecogniserMissing if the directory holds none."""
    tokens = directory / "tokens.txt"
    found = {part: _network(directory, part) for part in ("encoder", "decoder", "joiner", "model")}
    common = {"tokens": str(tokens), "num_threads": 1}
    make = sherpa_onnx.OfflineRecognizer
    try:
        if not tokens.is_file():
            raise RecogniserMissing(
                f"{directory} holds no model of sherpa-onnx: there is no tokens.txt in it."
            )
        if found["encoder"] and found["decoder"]:
            pair = {"encoder": found["encoder"], "decoder": found["decoder"], **common}
            if found["joiner"]:
                return Sherpa(make.from_transducer(joiner=found["joiner"], **pair), language)
            return Sherpa(make.from_whisper(language=language, **pair), language)
        if found["model"]:
            return Sherpa(_single(directory.name.lower(), found["model"], language, common), language)
    except (RuntimeError, ValueError) as error:
        raise RecogniserMissing(f"{directory} holds no model that sherpa-onnx can load: {error}") from error
    raise RecogniserMissing(f"{directory} holds no model of sherpa-onnx: there is no network (.onnx) in it.")


def _single(name: str, network: str, language: str, common: dict[str, Any]) -> Any:  # noqa: ANN401
    make = sherpa_onnx.OfflineRecognizer
    if "sense" in name:
        return make.from_sense_voice(model=network, language=language, use_itn=True, **common)
    if "paraformer" in name:
        return make.from_paraformer(paraformer=network, **common)
    return make.from_nemo_ctc(model=network, **common)


def _network(directory: Path, part: str) -> str:
    names = sorted(directory.glob(f"*{part}*.onnx"), key=lambda path: (".int8." not in path.name, path.name))
    return str(names[0]) if names else ""
