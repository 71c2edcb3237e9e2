"""The values every stage of the telop application hands to the next, and their JSON.

Rules:

1. Times are seconds from the start of the video, rounded to the millisecond, so that they survive JSON unchanged.
2. Boxes are ``(x, y, width, height)`` relative to the picture, 0 to 1, rounded to four places.
3. An id is computed, never counted: ``segment * STRIDE + sample * LANES + lane``, where ``sample`` is the index of
   the telop's start on the sampling grid inside its segment. One telop more or less renumbers nobody, and a
   task that runs twice writes the same ids.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Box = tuple[float, float, float, float]
Source = Literal["script", "asr", "none"]

STRIDE = 100_000
"""Room for local ids per segment; the global id is ``segment * STRIDE + local id``."""

LANES = 8
"""How many telops may start at the very same sample."""

TAILS = 90_000
"""Local ids from here on belong to tails (see `Telop.open_start`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telop:
    """One burned-in caption, from the moment it appears until it goes.

    Attributes:
        id: Unique in the video (rule 3 of the module).
        segment: Index of the segment that owns it: the one in which it starts.
        lane: Rank, top to bottom, among the telops that start at the same sample.
        start: When it is first seen.
        end: When it was last seen, or how far the segment looked if ``open_end``.
        open_end: It was still there when the segment stopped looking; `merge` closes it.
        open_start: A *tail*: it was there before the segment began. It has no text and says only how long
            the telop of an earlier segment went on; `merge` uses it up.
        text: As read, lines joined by one space.
        confidence: Of the reading, 0 to 1.
        box: Where it stands (rule 2).

    """

    id: int
    segment: int
    lane: int
    start: float
    end: float
    open_end: bool
    text: str
    confidence: float
    box: Box
    open_start: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word as spoken; ``confidence`` is 1.0 when it comes from a script."""

    start: float
    end: float
    text: str
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """A stretch of speech without a long pause; ``id`` counts from 0 in time order."""

    id: int
    start: float
    end: float
    text: str
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What is said in the video.

    Attributes:
        source: ``script`` is authoritative, ``asr`` is noisy, ``none`` means nobody knows.
        language: ``en`` or ``ja``.
        utterances: In time order.

    """

    source: Source
    language: str
    utterances: tuple[Utterance, ...]


def telop_id(segment: int, sample: int, lane: int) -> int:
    """Return the id of the telop that starts at ``sample`` (counted from its segment's start) in ``lane``.

    Raises:
        ValueError: The local id would reach into the room of tails or of the next segment: the segment is too
            long for its sampling rate.

    """
    local = sample * LANES + lane
    if not (0 <= lane < LANES and 0 <= local < TAILS):
        raise ValueError(f"sample {sample}, lane {lane} does not fit into segment {segment}'s {TAILS} ids")
    return segment * STRIDE + local


def telop_to_json(telop: Telop) -> dict[str, Any]:
    """Return the telop as plain JSON values; `telop_from_json` is its inverse."""
    return {
        "id": telop.id,
        "segment": telop.segment,
        "lane": telop.lane,
        "start": telop.start,
        "end": telop.end,
        "open_end": telop.open_end,
        "open_start": telop.open_start,
        "text": telop.text,
        "confidence": telop.confidence,
        "box": list(telop.box),
    }


def telop_from_json(value: Mapping[str, Any]) -> Telop:
    """Return the telop that `telop_to_json` wrote."""
    x, y, width, height = value["box"]
    return Telop(
        id=value["id"],
        segment=value["segment"],
        lane=value["lane"],
        start=value["start"],
        end=value["end"],
        open_end=value["open_end"],
        open_start=value["open_start"],
        text=value["text"],
        confidence=value["confidence"],
        box=(x, y, width, height),
    )


def transcript_to_json(transcript: Transcript) -> dict[str, Any]:
    """Return the transcript as plain JSON values; `transcript_from_json` is its inverse."""
    return {
        "source": transcript.source,
        "language": transcript.language,
        "utterances": [_utterance_to_json(utterance) for utterance in transcript.utterances],
    }


def transcript_from_json(value: Mapping[str, Any]) -> Transcript:
    """Return the transcript that `transcript_to_json` wrote."""
    utterances = tuple(_utterance_from_json(utterance) for utterance in value["utterances"])
    return Transcript(source=value["source"], language=value["language"], utterances=utterances)


def _utterance_to_json(utterance: Utterance) -> dict[str, Any]:
    words = [
        {"start": word.start, "end": word.end, "text": word.text, "confidence": word.confidence}
        for word in utterance.words
    ]
    return {
        "id": utterance.id,
        "start": utterance.start,
        "end": utterance.end,
        "text": utterance.text,
        "words": words,
    }


def _utterance_from_json(value: Mapping[str, Any]) -> Utterance:
    words = tuple(Word(**word) for word in _mappings(value["words"]))
    return Utterance(id=value["id"], start=value["start"], end=value["end"], text=value["text"], words=words)


def _mappings(values: Iterable[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    return (dict(value) for value in values)
