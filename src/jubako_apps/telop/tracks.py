"""Subtitles that a video carries as a track of their own: what is said, written by somebody who knew."""

from pathlib import Path
from typing import Final

from av import Packet
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Stream

from jubako_apps.telop import container as files
from jubako_apps.telop.container import MediaError

TEXTS: Final = frozenset({"mov_text", "subrip", "srt", "ass", "ssa", "webvtt", "text"})
"""Names of FFmpeg's codecs for subtitles of text; the others are pictures of text."""

LANGUAGES: Final = {"en": ("en", "eng"), "ja": ("ja", "jpn")}

_UNSAID: Final = (None, "", "und")


def languages(container: InputContainer) -> tuple[str, ...]:
    """Return the language of every track of text, ``und`` where the file does not say."""
    return tuple(stream.language or "und" for stream in container.streams.subtitles if _is_text(stream))


def is_for(told: tuple[str, ...], language: str) -> bool:
    """Say whether one of the tracks is, or may be, in the language."""
    return any(one in LANGUAGES[language] or one in _UNSAID for one in told)


def as_srt(path: Path, language: str) -> bytes:
    """Return the track in this language, else one that does not tell its language, as SRT.

    Raises:
        MediaError: The file cannot be read, or holds no such track.

    """
    with files.opened(path) as container:
        texts = [stream for stream in container.streams.subtitles if _is_text(stream)]
        texts.sort(key=lambda stream: stream.language not in LANGUAGES[language])
        chosen = next((s for s in texts if is_for((s.language or "und",), language)), None)
        if chosen is None:
            raise MediaError(f"{path.name} has no subtitle track in this language.")
        return "\n".join(_cues(container, chosen)).encode()


def _cues(container: InputContainer, stream: Stream) -> list[str]:
    found: list[str] = []
    for packet in files.packets(container, stream):
        text = " ".join(" ".join(_texts(packet)).split())
        if packet.pts is not None and text:
            start = max(0.0, files.time_of(packet, container))
            end = start + float((packet.duration or 0) * packet.time_base)
            found.append(f"{len(found) + 1}\n{_clock(start)} --> {_clock(end)}\n{text}\n")
    return found


def _texts(packet: Packet) -> list[str]:
    try:
        return [_dialogue(rect) for rect in packet.decode() or ()]
    except FFmpegError:
        return []


def _dialogue(rect: object) -> str:
    text = getattr(rect, "dialogue", b"") or getattr(rect, "text", b"")
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)


def _is_text(stream: Stream) -> bool:
    return stream.codec_context is not None and stream.codec_context.name in TEXTS


def _clock(seconds: float) -> str:
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02}:{whole // 60_000 % 60:02}:{whole // 1000 % 60:02},{whole % 1000:03}"
