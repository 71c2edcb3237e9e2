"""What is said, from a file beside the video: SRT, WebVTT, TTML or plain text, in any encoding editors really send.

Rules:

1. A script is authoritative: its words have confidence 1.
2. Cues carry times; the words inside a cue are timed by their length. Plain text carries none: its lines are laid over
   the speech (`jubako_apps.telop.laying`).
3. Japanese has no spaces between words; its pieces end at punctuation.
4. Encodings: UTF-8 and UTF-16 (with or without mark), then the old one of the language: Shift_JIS (as
   Windows writes it) or EUC-JP for Japanese, Windows-1252 for English.
"""

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jubako_apps.telop import ttml
from jubako_apps.telop.blocks import Span
from jubako_apps.telop.telops import Transcript, Utterance, Word

KINDS = (".srt", ".vtt", ".ttml", ".xml", ".txt")

_TIME = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
_TIMING = re.compile(rf"^\s*{_TIME}\s*-->\s*{_TIME}")
_MARKUP = re.compile(r"<[^>]*>|\{\\[^}]*\}")
_NUMBER = re.compile(r"^\s*\d+\s*$")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])")
_JA_PIECE = re.compile(r"[^\s、。，．！？「」『』（）]+[、。，．！？」』）]*")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_UNLIKELY = re.compile("[\uff61-\uff9f\ue000-\uf8ff]")
"""Half-width kana and private characters: what one old Japanese encoding looks like when read as the other."""

_WIDE = ("utf-16-le", "utf-16-be")
_COMMON = re.compile("[\\s -~\u00a0-\u00ff\u2010-\u2027\u3000-\u30ff\u3400-\u9fff\uff01-\uff9f]")
"""What nearly all of a text consists of; binary data read as UTF-16, or in the wrong order of bytes, does not."""

_PLAIN = re.compile("[\\s -~\u3001-\u30ff]")
"""What a text has most of when its bytes are in the right order."""

_MOJIBAKE = re.compile("[\u0080-\u009f\u00a1-\u00bf\u0192\u201a\u2039]{2}")
"""Signs that stand together only where Shift_JIS was read as Windows-1252."""

_EAST_ASIAN = re.compile("[\u3041-\u30ff\u3400-\u9fff]")
_TELLING = 40
"""So many letters tell a script's language."""

_LONG = {"ja": 60, "en": 120}
_XML = frozenset({".ttml", ".xml"})
_WANTED = {
    ".txt": "words",
    ".srt": "timed captions (lines like 00:00:01,000 --> 00:00:03,000)",
    ".vtt": "timed captions (lines like 00:01.000 --> 00:03.000)",
}
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_OLD = {"ja": ("cp932", "euc_jp"), "en": ("cp1252", "cp932")}
"""The second of English is there so that a Japanese script is called one; letters beyond ASCII decide."""


class ScriptError(Exception):
    """The script cannot be used; the message is one sentence for the person who sent it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cue:
    start: float
    end: float
    text: str


def parse(data: bytes, kind: str, language: str, spoken: Sequence[Span]) -> Transcript:
    """Return the transcript that a script holds.

    Args:
        data: The file's bytes.
        kind: Its name's suffix, one of `KINDS`.
        language: ``en`` or ``ja``.
        spoken: (start, end) of the stretches in which somebody speaks, or of the whole video; only plain text
            needs them.

    Raises:
        ScriptError: It is no text, holds no words, or those of another language.

    """
    text = decode(data, language)
    cues = _read(text, kind, language, spoken)
    if not cues:
        raise ScriptError(f"The script holds no {_WANTED.get(kind, 'timed captions')}.")
    _check_language("".join(cue.text for cue in cues), language)
    ordered = sorted(cues, key=lambda cue: (cue.start, cue.end))
    utterances = tuple(
        Utterance(
            id=n, start=c.start, end=c.end, text=c.text, words=words(c.text, (c.start, c.end), language)
        )
        for n, c in enumerate(ordered)
    )
    return Transcript(source="script", language=language, utterances=utterances)


def _read(text: str, kind: str, language: str, spoken: Sequence[Span]) -> list[_Cue]:
    if kind == ".txt":
        return _laid(_lines(text, language), spoken)
    if kind not in _XML:
        return _cues(text)
    try:
        return [_Cue(start=start, end=end, text=words) for start, end, words in ttml.cues(text)]
    except ttml.NotTimedText as error:
        raise ScriptError(f"The script is no TTML document: {error}.") from error


def _check_language(text: str, language: str) -> None:
    letters = sum(char.isalpha() for char in text)
    east_asian = len(_EAST_ASIAN.findall(text))
    if language == "en" and east_asian > letters / 2:
        raise ScriptError(
            "The script is in Japanese, but the language was given as en: say ja, or send another."
        )
    if language == "ja" and letters >= _TELLING and east_asian < letters / 20:
        raise ScriptError(
            "The script is not in Japanese, but the language was given as ja: say en, or send another."
        )


def decode(data: bytes, language: str) -> str:
    """Return the file's text, its line ends unified.

    Raises:
        ScriptError: No known encoding fits, or it is not text at all.

    """
    marked = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    for encodings in ([marked],) if marked else (["utf-8"], _OLD.get(language, ()), _WIDE):
        texts = [text for text in (_decoded(data, encoding) for encoding in encodings) if text is not None]
        if encodings is _WIDE:
            texts = [text for text in texts if len(_COMMON.findall(text)) > 0.9 * len(text)]
            texts.sort(key=lambda text: -len(_PLAIN.findall(text)))
        if texts:
            likeliest = min(texts, key=_unlikely)
            return likeliest.replace("\r\n", "\n").replace("\r", "\n")
    raise ScriptError("The script is not a text file in UTF-8, UTF-16 or the language's old encoding.")


def _unlikely(text: str) -> int:
    """Return how many characters hardly belong into a script that was decoded rightly."""
    return len(_UNLIKELY.findall(text)) + len(_MOJIBAKE.findall(text))


def _decoded(data: bytes, encoding: str) -> str | None:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if _CONTROL.search(text) else text


def words(text: str, span: Span, language: str) -> tuple[Word, ...]:
    """Return the words of ``text``, each with the part of ``span`` that its length takes."""
    pieces = _JA_PIECE.findall(text) if language == "ja" else text.split()
    times = _shares([len(piece) for piece in pieces], [span])
    return tuple(
        Word(start=start, end=end, text=piece, confidence=1.0)
        for piece, (start, end) in zip(pieces, times, strict=True)
    )


def _cues(text: str) -> list[_Cue]:
    """Read SRT and WebVTT alike: a timing line, then text until an empty line; all else is no caption."""
    cues: list[_Cue] = []
    span: Span | None = None
    lines: list[str] = []
    for line in [*text.split("\n"), ""]:
        timing = _TIMING.match(line)
        if span is not None and (timing or not line.strip()):
            # Without the empty line between, the next cue's number has been taken for text.
            kept = lines[:-1] if timing and lines and _NUMBER.match(lines[-1]) else lines
            cues += _cue(span, kept)
            span, lines = None, []
        if timing:
            found = timing.groups()
            span = (_seconds(found[:4]), _seconds(found[4:]))
        elif span is not None:
            lines.append(line)
    return cues


def _cue(span: Span, lines: Iterable[str]) -> list[_Cue]:
    text = " ".join(html.unescape(_MARKUP.sub("", " ".join(lines))).split())
    return [_Cue(start=span[0], end=max(span), text=text)] if text else []


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = parts
    whole = int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    return round(whole + int((fraction or "0").ljust(3, "0")) / 1000, 3)


def _lines(text: str, language: str) -> list[str]:
    """Return a plain script's lines; a paragraph too long for one utterance is cut into sentences."""
    lines = [" ".join(line.split()) for line in text.split("\n") if line.strip()]
    longest = _LONG.get(language, _LONG["en"])
    cut = [_SENTENCE_END.split(line) if len(line) > longest else [line] for line in lines]
    return [piece.strip() for pieces in cut for piece in pieces if piece.strip()]


def _laid(lines: list[str], spoken: Sequence[Span]) -> list[_Cue]:
    from jubako_apps.telop.laying import laid  # noqa: PLC0415 - only plain text asks for numpy

    times = laid([len(line) for line in lines], spoken) if lines else []
    return [_Cue(start=start, end=end, text=line) for line, (start, end) in zip(lines, times, strict=True)]


def _shares(sizes: Sequence[int], spans: Sequence[Span]) -> list[Span]:
    """Lay things of these sizes one after another over the spans; return each one's (start, end)."""
    total = sum(sizes)
    length = sum(end - start for start, end in spans)
    result, before = [], 0
    for size in sizes:
        first, last = length * before / total, length * (before + size) / total
        result.append((_at(first, spans, late=True), _at(last, spans, late=False)))
        before += size
    return result


def _at(offset: float, spans: Sequence[Span], *, late: bool) -> float:
    """Return the time after ``offset`` seconds of speech; at a seam the later span's start if ``late``."""
    for start, end in spans:
        if offset < end - start or (not late and offset <= end - start + 1e-9):
            return round(start + offset, 3)
        offset -= end - start
    return round(spans[-1][1], 3)
