"""Receptions: one video to be checked, named by what it is, and everything the run leaves under ``receptions/ID/``.

1. The id is computed: from the client's ``Idempotency-Key``, else from the content. The same request has the same id.
2. ``reception.json`` is written once, by creating it; the reception exists from that moment on.
3. Results have fixed names. What exists says how far the run is, so progress never goes back.
4. Nothing here holds a time of day, so that a run repeated leaves the same bytes.

    reception.json            what was asked for (rule 2)
    video-HASH, script-HASH, glossary-HASH, ng_words-HASH   what was uploaded
    cancelled.json            somebody asked for the end; nothing is started after that
    removed.json              somebody asked for everything to go (`jubako_apps.telop.lives`)
    runs/0002.json            it was started a second time
    ocr/segment-00003.json    telops of one segment
    speech/part-00001.json    what is said, as far as one task listened
    speech/transcript.json    what is said
    telops.json, report.json, report.html
    errors/STAGE-00003.json   why a shard failed; removed when it succeeds
    timing/STAGE-00003.json   how long it took (the one thing that differs from run to run)
    outcome.json              how it ended
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from jubako_apps.telop import blocks
from jubako_sdk import ObjectNotFound, Sink, get_json, put_json

Language = Literal["en", "ja"]
Stage = Literal["ocr", "speech", "report"]
Mode = Literal["strict", "balanced", "sensitive"]

LANGUAGES: tuple[Language, ...] = ("en", "ja")
MODES: tuple[Mode, ...] = ("strict", "balanced", "sensitive")
STAGES: tuple[Stage, ...] = ("ocr", "speech", "report")
SHARES: dict[Stage, float] = {"ocr": 0.6, "speech": 0.3, "report": 0.1}
"""How much of the whole each stage counts for in the progress."""

_HEARD_BY_NOBODY: frozenset[str] = frozenset({"script", "track", "none"})
_READ_SPEECH: float = 0.02
"""What speech counts for that is only read: captions then count for the rest."""

_ID = re.compile(r"r-[0-9a-f]{24}\Z")
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Reception:
    """What was asked for.

    Attributes:
        id: See rule 1 of the module.
        fingerprint: SHA-256 over the content: video, script and options.
        name: What the sender calls the video; for display only.
        video: Name of an object in the sink, or an absolute path on the server.
        size: Bytes of the video.
        script: Name of an object in the sink, or None.
        language: Of telops and speech.
        mode: How many doubtful findings to report.
        duration: Seconds.
        segment_seconds: Length of one segment.
        segments: How many there are; the shards of the OCR job.
        speech_parts: The shards of the speech job.
        speech: Who says what is said (`jubako_apps.telop.sources`).
        glossary: Name of an object in the sink, the programme's own terms, or None.
        ng_words: The same for what must not be shown.

    """

    id: str
    fingerprint: str
    name: str
    video: str
    size: int
    script: str | None
    language: Language
    mode: Mode
    duration: float
    segment_seconds: float
    segments: int
    speech_parts: int = 1
    glossary: str | None = None
    ng_words: str | None = None
    speech: str = "pocketsphinx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A part of the video that was not looked at or listened to, and why; times in seconds."""

    stage: str
    part: int
    parts: int
    start: float
    end: float
    reason: str


def reception_id(fingerprint: str, key: str | None) -> str:
    """Return the id for a client's key, or without one for the content."""
    origin = f"content\0{fingerprint}" if key is None else f"key\0{key}"
    return "r-" + hashlib.sha256(origin.encode()).hexdigest()[:24]


def is_reception_id(text: str) -> bool:
    """Say whether `reception_id` can have made ``text``."""
    return bool(_ID.match(text))


def fingerprint(video_sha256: str, script_sha256: str | None, options: Mapping[str, object]) -> str:
    """Return one hash for everything that decides on the result."""
    parts = [video_sha256, script_sha256 or "-", *(f"{key}={options[key]}" for key in sorted(options))]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def home(reception: str) -> str:
    """Return the common beginning of the names of a reception's objects."""
    return f"receptions/{reception}/"


def result_name(reception: str, stage: Stage, shard: int = 0) -> str:
    """Return the name of the object whose existence says that this shard is done."""
    if stage == "ocr":
        return f"{home(reception)}ocr/segment-{shard:05d}.json"
    return home(reception) + (f"speech/part-{shard:05d}.json" if stage == "speech" else "report.html")


def shards(reception: Reception, stage: Stage) -> int:
    """Return into how many shards the stage's job is cut."""
    return {"ocr": reception.segments, "speech": reception.speech_parts, "report": 1}[stage]


def error_name(reception: str, stage: Stage, shard: int) -> str:
    """Return the name of the object with the reason why a shard failed."""
    return f"{home(reception)}errors/{stage}-{shard:05d}.json"


def timing_name(reception: str, stage: Stage, shard: int) -> str:
    """Return the name of the object that says how long a shard took."""
    return f"{home(reception)}timing/{stage}-{shard:05d}.json"


def load(sink: Sink, reception: str) -> Reception | None:
    """Return the reception, or None if there is none of that id."""
    if not is_reception_id(reception):
        return None
    try:
        record: dict[str, Any] = get_json(sink, home(reception) + "reception.json")
    except ObjectNotFound:
        return None
    if record.pop("version") != _VERSION:
        raise ValueError(f"reception {reception} was written by another version of this program.")
    return Reception(**record)


def create(sink: Sink, reception: Reception) -> bool:
    """Write the record; return False if there is one already."""
    record = asdict(reception) | {"version": _VERSION}
    return put_json(sink, home(reception.id) + "reception.json", record, if_absent=True)


def all_receptions(sink: Sink) -> Iterator[Reception]:
    """Yield every reception, by id."""
    for identifier in sink.folders("receptions/"):
        found = load(sink, identifier)
        if found is not None:
            yield found


def unfinished(sink: Sink) -> Iterator[Reception]:
    """Yield every reception that has not ended, or is to be removed, by id."""
    for identifier in sink.folders("receptions/"):
        ended = is_reception_id(identifier) and sink.exists(home(identifier) + "outcome.json")
        if not ended or sink.exists(home(identifier) + "removed.json"):
            found = load(sink, identifier)
            if found is not None:
                yield found


def cancel(sink: Sink, reception: str) -> None:
    """Remember that the run is to end; nothing of it is started from now on."""
    put_json(sink, home(reception) + "cancelled.json", {}, if_absent=True)


def is_cancelled(sink: Sink, reception: str) -> bool:
    """Say whether `cancel` was called."""
    return sink.exists(home(reception) + "cancelled.json")


def finish(sink: Sink, reception: str, state: str, reason: str | None) -> dict[str, Any]:
    """Record how it ended, once; return what is recorded (by whoever came first)."""
    name = home(reception) + "outcome.json"
    put_json(sink, name, {"state": state, "reason": reason}, if_absent=True)
    outcome: dict[str, Any] = get_json(sink, name)
    return outcome


def outcome_of(sink: Sink, reception: str) -> dict[str, Any] | None:
    """Return ``{"state", "reason"}`` of a reception that has ended, else None."""
    try:
        outcome: dict[str, Any] = get_json(sink, home(reception) + "outcome.json")
    except ObjectNotFound:
        return None
    return outcome


def branches(sink: Sink, reception: Reception) -> dict[Stage, dict[str, int]]:
    """Return ``{stage: {"done", "total"}}``, counted from the results that exist (rule 3)."""
    names = set(sink.list(home(reception.id)))
    return {stage: _count(names, reception, stage) for stage in STAGES}


def progress(counts: dict[Stage, dict[str, int]], reception: Reception) -> float:
    """Return one number, 0.0 to 1.0, for the counts of all stages."""
    shares = SHARES
    if reception.speech in _HEARD_BY_NOBODY:
        shares = SHARES | {"ocr": SHARES["ocr"] + SHARES["speech"] - _READ_SPEECH, "speech": _READ_SPEECH}
    parts = (shares[stage] * count["done"] / count["total"] for stage, count in counts.items())
    return round(sum(parts), 4)


def reason_of(sink: Sink, reception: str) -> str | None:
    """Return the sentence of the first shard that failed, in the order of the stages."""
    names = sorted(sink.list(home(reception) + "errors/"), key=_by_stage)
    for name in names:
        try:
            reason: str = get_json(sink, name)["reason"]
        except ObjectNotFound:  # it succeeded meanwhile
            continue
        return reason
    return None


def missing(sink: Sink, reception: Reception) -> list[Missing]:
    """Return the shards of captions and speech that have no result, with the times that they stand for."""
    names = set(sink.list(home(reception.id)))
    found = []
    for stage in STAGES[:2]:
        total = shards(reception, stage)
        for shard in range(total):
            if result_name(reception.id, stage, shard) in names:
                continue
            start, end = _span(reception, stage, shard)
            reason = _reason(sink, reception.id, stage, shard)
            found.append(
                Missing(stage=stage, part=shard + 1, parts=total, start=start, end=end, reason=reason)
            )
    return found


def _span(reception: Reception, stage: Stage, shard: int) -> tuple[float, float]:
    """Return the times a shard stands for; a part of the speech ends at a pause near them."""
    if stage != "ocr":
        return blocks.span(shard, reception.speech_parts, reception.duration)
    start = shard * reception.segment_seconds
    is_last = shard + 1 == reception.segments
    return round(start, 3), reception.duration if is_last else round(start + reception.segment_seconds, 3)


def _reason(sink: Sink, reception: str, stage: Stage, shard: int) -> str:
    try:
        reason: str = get_json(sink, error_name(reception, stage, shard))["reason"]
    except ObjectNotFound:
        return f"Part {shard + 1} of the {'captions' if stage == 'ocr' else 'speech'} was never finished."
    return reason


def seconds(sink: Sink, reception: str) -> dict[Stage, float]:
    """Return how long the shards of each stage took together, of those that are done."""
    total: dict[Stage, float] = {}
    for stage in STAGES:
        names = list(sink.list(f"{home(reception)}timing/{stage}-"))
        if names:
            total[stage] = round(sum(get_json(sink, name)["seconds"] for name in names), 3)
    return total


def _count(names: set[str], reception: Reception, stage: Stage) -> dict[str, int]:
    total = shards(reception, stage)
    return {
        "done": sum(result_name(reception.id, stage, shard) in names for shard in range(total)),
        "total": total,
    }


def _by_stage(name: str) -> tuple[int, str]:
    stage = name.rsplit("/", 1)[1].split("-", 1)[0]
    return next((rank for rank, known in enumerate(STAGES) if known == stage), len(STAGES)), name
