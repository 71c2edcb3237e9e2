"""Sentences really spoken and really recognised, for `telop_quality.py`: English by flite, Japanese by Open JTalk.

Odd English sentences are said by one voice, even ones by the other; half a second lies between any two.
"""

import subprocess
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jubako_apps.telop import speech
from jubako_apps.telop.media import SAMPLE_RATE, Pcm
from jubako_apps.telop.recognisers import BUILT_IN, recogniser
from jubako_apps.telop.telops import Transcript, transcript_from_json, transcript_to_json
from jubako_apps.telop.verify import Ear, ear_of
from jubako_apps.telop.voice import Samples
from telop_kept import APP, kept, key
from telop_sentences import FOLDER, Half, sentences

VOICES = ("slt", "rms")
PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Spoken:
    """The sound of all sentences of one half, when each is said, and what was recognised."""

    sound: Samples
    times: dict[str, tuple[float, float]]
    heard: Transcript


def spoken(language: str, half: Half, listener: str = BUILT_IN) -> Spoken:
    """Say all sentences of one half and listen to them; what was heard is kept."""
    parts: list[Pcm] = []
    times, now = {}, 0.0
    pause = np.zeros(round(PAUSE_S * SAMPLE_RATE), dtype=np.int16)
    for number, sentence in enumerate(sentences(language, half)):
        voice = _english(sentence.said, VOICES[number % 2]) if language == "en" else _japanese(sentence.said)
        parts += [pause, voice]
        now += PAUSE_S
        times[sentence.id] = (now, now + len(voice) / SAMPLE_RATE)
        now = times[sentence.id][1]
    sound = Samples(np.concatenate([*parts, pause]))
    files = [
        APP / "voice.py",
        APP / "speech.py",
        *APP.glob("recognisers/*.py"),
        FOLDER / f"{language}.{half}.txt",
    ]
    heard = kept(
        f"heard-{language}-{half}-{key([*files, Path(__file__)], listener)}",
        lambda: transcript_to_json(speech.listen(sound, language, recogniser(listener, language))),
    )
    return Spoken(sound, times, transcript_from_json(heard))


def verifying(said: Spoken, language: str, listener: str = BUILT_IN) -> Ear:
    """Return what listens again."""
    ear = ear_of(said.sound, listener, language)
    assert ear is not None, listener
    return ear


def _english(text: str, voice: str) -> Pcm:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "voice.wav"
        subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(path)], check=True)
        with wave.open(str(path)) as file:
            assert file.getframerate() == SAMPLE_RATE, file.getframerate()
            return np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)


def _japanese(text: str) -> Pcm:
    import pyopenjtalk  # noqa: PLC0415 - loads its dictionary and its voice

    samples, rate = pyopenjtalk.tts(text)
    # Three samples become one: what lies between them is averaged away, or it would come back as noise.
    assert rate == 3 * SAMPLE_RATE, rate
    whole = np.asarray(samples[: len(samples) // 3 * 3], dtype=np.float64)
    averaged: Pcm = whole.reshape(-1, 3).mean(axis=1).astype(np.int16)
    return averaged
