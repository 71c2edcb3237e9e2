"""faster-whisper with a model directory (CTranslate2 format: model.bin, config.json, tokenizer.json, vocabulary)."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

# Set before the import: the library asks a hub on its own if it may.
os.environ["HF_HUB_OFFLINE"] = "1"

import ctranslate2
from faster_whisper import WhisperModel
from faster_whisper.audio import pad_or_trim
from faster_whisper.tokenizer import Tokenizer

from jubako_apps.telop.media import SAMPLE_RATE, Pcm
from jubako_apps.telop.recognisers import RecogniserMissing
from jubako_apps.telop.telops import Word
from jubako_sdk import log

_SHORTEST_S = 0.1
_FRAMES = 3000
"""What the model hears at once: 30 seconds."""

_LEAST = 1e-9


class FasterWhisper:
    """See `jubako_apps.telop.recognisers.Recogniser`; on a GPU when there is one."""

    def __init__(self, model: WhisperModel, language: str) -> None:
        self._model = model
        self._language = language

    def words(self, sound: Pcm) -> list[Word]:
        """See Recogniser."""
        length = len(sound) / SAMPLE_RATE
        # Digital silence would be filled with what the model has seen at the end of films.
        if length < _SHORTEST_S or not np.any(sound):
            return []
        segments, _ = self._model.transcribe(
            sound.astype(np.float32) / 32768,
            language=self._language,
            word_timestamps=True,
            # Each piece stands alone, and gives the same words each time.
            condition_on_previous_text=False,
            temperature=0.0,
        )
        return [
            Word(
                start=round(min(float(word.start), length), 3),
                end=round(min(float(word.end), length), 3),
                text=word.word.strip(),
                confidence=round(float(word.probability), 4),
            )
            for segment in segments
            for word in segment.words or ()
            if word.word.strip()
        ]

    def fits(self, sound: Pcm, texts: Sequence[str]) -> list[float]:
        """Return how well each text fits the sound (30 seconds at most): the logarithm of its probability."""
        tokenizer = Tokenizer(
            self._model.hf_tokenizer,
            self._model.model.is_multilingual,
            task="transcribe",
            language=self._language,
        )
        features = self._model.feature_extractor(sound.astype(np.float32) / 32768)
        frames = min(features.shape[-1], _FRAMES)
        encoded = self._model.encode(pad_or_trim(features[:, :frames], _FRAMES))
        tokens = [tokenizer.encode(text) for text in texts]
        # One after the other: it takes one piece of sound for each text.
        found = [
            self._model.model.align(encoded, tokenizer.sot_sequence, [each], frames)[0].text_token_probs
            for each in tokens
        ]
        return [float(np.log(np.maximum(chances, _LEAST)).sum()) for chances in found]


def load(directory: Path, language: str) -> FasterWhisper:
    """Load the model; raise RecogniserMissing if the directory holds none."""
    if ctranslate2.get_cuda_device_count() > 0:
        try:
            model = _model(directory, "cuda", "float16")
            # That its libraries are missing, or its memory is full, is only found out by using it.
            list(model.transcribe(np.zeros(SAMPLE_RATE, np.float32), language=language)[0])
            return FasterWhisper(model, language)
        except (RuntimeError, ValueError) as error:
            log("WARNING", f"there is a GPU, but it cannot be used: {error}")
    try:
        return FasterWhisper(_model(directory, "cpu", "int8"), language)
    except (RuntimeError, ValueError, OSError) as error:
        raise RecogniserMissing(
            f"{directory} holds no model that faster-whisper can load: {error}"
        ) from error


def _model(directory: Path, device: str, numbers: str) -> WhisperModel:
    # One thread: tasks are the parallelism.
    return WhisperModel(
        str(directory), device=device, compute_type=numbers, cpu_threads=1, local_files_only=True
    )
