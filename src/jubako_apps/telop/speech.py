"""What is said in a video: from a script, from the video's own subtitle track, or by listening; or nobody knows.

Who may be asked is decided once, when the video is received (`jubako_apps.telop.sources`); here it is done.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jubako_apps.telop import media, voice
from jubako_apps.telop.blocks import around, span
from jubako_apps.telop.media import Pcm
from jubako_apps.telop.recognisers import BUILT_IN, BUILT_IN_LANGUAGES, Recogniser, recogniser
from jubako_apps.telop.script import parse
from jubako_apps.telop.telops import Transcript, Utterance, Word
from jubako_apps.telop.voice import FileSound, Piece, Sound

Progress = Callable[[float], None]

_NO_SPACES = frozenset({"ja"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which of ``count`` tasks is listening."""

    index: int
    count: int


WHOLE = Part(index=0, count=1)


def transcribe(
    path: Path,
    language: str,
    script: tuple[bytes, str] | None = None,
    progress: Progress | None = None,
    part: Part = WHOLE,
    listener: str | None = BUILT_IN,
) -> Transcript:
    """Return what is said in the video.

    Args:
        path: The video.
        language: ``en`` or ``ja``.
        script: A script's bytes and kind (`jubako_apps.telop.script.KINDS`), if there is one.
        progress: Told the finished part, 0 to 1, after each block of sound.
        part: Which share of the speech to listen to; a script is always read as a whole.
        listener: Name of the recogniser; None: nobody listens.

    Raises:
        MediaError: The video cannot be read.
        ScriptError: The script cannot be used.
        RecogniserMissing: The recogniser cannot be used.

    """
    facts = media.probe(path)
    sound = FileSound(path, facts.duration)
    if script is not None:
        data, kind = script
        whole = [(0.0, facts.duration)]
        heard = voice.stretches(sound) if kind == ".txt" and facts.has_audio else whole
        return parse(data, kind, language, heard or whole)
    is_deaf = listener is None or (listener == BUILT_IN and language not in BUILT_IN_LANGUAGES)
    if listener is None or is_deaf or not facts.has_audio:
        return Transcript(source="none", language=language, utterances=())
    return listen(sound, language, recogniser(listener, language), progress, part)


def listen(
    sound: Sound,
    language: str,
    heard_by: Recogniser,
    progress: Progress | None = None,
    part: Part = WHOLE,
) -> Transcript:
    """Recognise the sound, or one task's part of it, block by block."""
    utterances: list[Utterance] = []
    mine = span(part.index, part.count, sound.duration)
    near = around(mine, sound.duration)
    between = "" if language in _NO_SPACES else " "
    for done, block in enumerate(voice.by_block(sound, near, mine), start=1):
        own = ((piece, heard) for piece, heard in block if mine[0] <= sum(piece.owned) / 2 < mine[1])
        for words in filter(None, (recognise(piece, heard, heard_by) for piece, heard in own)):
            text = between.join(word.text for word in words)
            start, end = words[0].start, words[-1].end
            number = len(utterances)
            utterances.append(Utterance(id=number, start=start, end=end, text=text, words=tuple(words)))
        if progress is not None:
            progress(done / len(near))
    return Transcript(source="asr", language=language, utterances=tuple(utterances))


def recognise(piece: Piece, heard: Pcm, heard_by: Recogniser) -> list[Word]:
    """Return the words that the piece owns, times from the start of the video."""
    start = piece.heard[0]
    moved = [
        Word(
            start=round(start + word.start, 3),
            end=round(start + word.end, 3),
            text=word.text,
            confidence=word.confidence,
        )
        for word in heard_by.words(heard)
    ]
    return [word for word in moved if piece.owned[0] <= (word.start + word.end) / 2 < piece.owned[1]]
