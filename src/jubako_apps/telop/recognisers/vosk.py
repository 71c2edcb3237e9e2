"""Vosk with a model directory (am/, conf/, graph/ as its makers publish it); one language each."""

import json
from pathlib import Path
from typing import Any

from vosk import KaldiRecognizer, Model, SetLogLevel

from jubako_apps.telop.media import SAMPLE_RATE, Pcm
from jubako_apps.telop.recognisers import RecogniserMissing
from jubako_apps.telop.telops import Word

_ACOUSTIC_MODELS = ("am/final.mdl", "final.mdl")
_UNKNOWN = frozenset({"[unk]", "<unk>"})


class Vosk:
    """See `jubako_apps.telop.recognisers.Recogniser`."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def words(self, sound: Pcm) -> list[Word]:
        """See Recogniser."""
        # One for each piece: it adapts to what it hears.
        recogniser = KaldiRecognizer(self._model, SAMPLE_RATE)
        recogniser.SetWords(True)
        data, step = sound.tobytes(), SAMPLE_RATE // 2
        results = [
            json.loads(recogniser.Result())
            for first in range(0, len(data), step)
            if recogniser.AcceptWaveform(data[first : first + step])
        ]
        results.append(json.loads(recogniser.FinalResult()))
        return [_word(found) for result in results for found in result.get("result", ())]


def _word(found: dict[str, Any]) -> Word:
    return Word(
        start=round(found["start"], 3),
        end=round(found["end"], 3),
        text=found["word"],
        confidence=0.0 if found["word"] in _UNKNOWN else round(min(1.0, found["conf"]), 4),
    )


def load(directory: Path, language: str) -> Vosk:  # noqa: ARG001 - a model knows its language
    """Load the model; raise RecogniserMissing if the directory holds none."""
    # The library does not say what it misses: look first.
    if not any((directory / name).is_file() for name in _ACOUSTIC_MODELS):
        raise RecogniserMissing(
            f"{directory} holds no model of vosk: there is no {_ACOUSTIC_MODELS[0]} in it."
        )
    SetLogLevel(-1)
    try:
        return Vosk(Model(str(directory)))
    except Exception as error:  # it raises nothing narrower
        raise RecogniserMissing(f"{directory} holds no model that vosk can load: {error}") from error
