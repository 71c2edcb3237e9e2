"""English sentences really spoken (flite) and really recognised (pocketsphinx), for `telop_quality.py`.

Odd sentences are said by one voice, even ones by the other, half a second apart.
"""

import subprocess
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jubako_apps.telop import speech
from jubako_apps.telop.media import SAMPLE_RATE, Pcm
from jubako_apps.telop.recognisers.sphinx import PocketSphinx
from jubako_apps.telop.telops import Transcript
from jubako_apps.telop.voice import Samples
from telop_sentences import Half, sentences

VOICES = ("slt", "rms")
PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Spoken:
    """The sound of all sentences of one half, when each is said, and what was recognised."""

    sound: Samples
    times: dict[str, tuple[float, float]]
    heard: Transcript


def spoken(half: Half) -> Spoken:
    """Say all sentences of one half and listen to them."""
    parts: list[Pcm] = []
    times, now = {}, 0.0
    pause = np.zeros(round(PAUSE_S * SAMPLE_RATE), dtype=np.int16)
    for number, sentence in enumerate(sentences("en", half)):
        voice = _say(sentence.said, VOICES[number % len(VOICES)])
        parts += [pause, voice]
        now += PAUSE_S
        times[sentence.id] = (now, now + len(voice) / SAMPLE_RATE)
        now = times[sentence.id][1]
    sound = Samples(np.concatenate([*parts, pause]))
    return Spoken(sound, times, speech.listen(sound, "en", PocketSphinx()))


def _say(text: str, voice: str) -> Pcm:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "voice.wav"
        subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(path)], check=True)
        with wave.open(str(path)) as file:
            assert file.getframerate() == SAMPLE_RATE, file.getframerate()
            return np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)
