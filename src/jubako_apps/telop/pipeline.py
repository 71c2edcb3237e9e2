"""The stages as they really are: files in, plain JSON out. What is heavy is imported only by the task that needs it."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jubako_apps.telop import blocks, sources
from jubako_apps.telop.intake import Facts, Unusable
from jubako_apps.telop.receptions import Missing, Reception
from jubako_apps.telop.tasks import Objects, Results
from jubako_apps.telop.telops import (
    Telop,
    Transcript,
    telop_from_json,
    telop_to_json,
    transcript_from_json,
    transcript_to_json,
)
from jubako_sdk import encode_json, log, progress

if TYPE_CHECKING:
    from jubako_apps.telop.findings import Finding
    from jubako_apps.telop.lists import Lists
    from jubako_apps.telop.second import Opinion
    from jubako_apps.telop.verify import Ear

_TICKS = 10


class FileReader:
    """What the reception must know about files; see `jubako_apps.telop.intake.Reader`."""

    def probe(self, path: Path) -> Facts:
        """See Reader."""
        from jubako_apps.telop import media  # noqa: PLC0415

        with _sentences():
            facts = media.probe(path)
        return Facts(duration=facts.duration, has_audio=facts.has_audio, tracks=facts.tracks)

    def segments(self, duration: float, length: float) -> int:
        """See Reader."""
        from jubako_apps.telop import media  # noqa: PLC0415

        return len(media.segments(duration, length))

    def check_script(self, data: bytes, kind: str, language: str) -> None:
        """See Reader."""
        from jubako_apps.telop import script  # noqa: PLC0415

        with _sentences():
            script.parse(data, kind, language, [(0.0, 1.0)])

    def check_list(self, data: bytes, language: str) -> None:
        """See Reader."""
        from jubako_apps.telop import lists  # noqa: PLC0415

        with _sentences():
            lists.glossary_from(data, language)

    def speech_parts(self, duration: float) -> int:
        """See Reader."""
        return blocks.parts(duration)

    def has_track(self, facts: Facts, language: str) -> bool:
        """See Reader."""
        from jubako_apps.telop import tracks  # noqa: PLC0415

        return tracks.is_for(facts.tracks, language)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the comparison has come to."""

    telops: "list[Telop]"
    findings: "list[Finding]"
    missing: Sequence[Missing] = ()
    script_offset: float = 0.0


class _Lookout:
    """A stretch of segments of one reception that is being followed."""

    def __init__(self, reception: Reception, video: Path, segments: range) -> None:
        from jubako_apps.telop import decoding, extract, media, ocr  # noqa: PLC0415

        self._reception, self._ahead = reception.id, segments
        self._damage = decoding.Damage()
        self._parts = media.segments(reception.duration, reception.segment_seconds)
        stretch = self._parts[segments.start : segments.stop]
        self._inner = extract.Lookout(video, stretch, ocr.packaged_engine(), damage=self._damage)

    def goes_on(self, reception: Reception, segments: range) -> bool:
        """Tell whether these are the segments that come next."""
        return reception.id == self._reception and segments == self._ahead

    def found(self, segment: int) -> object:
        """Return what is shown in the next segment."""
        part, self._ahead = self._parts[segment], self._ahead[1:]
        telops = self._inner.telops(part, _ticking(f"ocr segment {segment}"))
        return {
            "segment": segment,
            "telops": [telop_to_json(telop) for telop in telops],
            "damaged": self._damage.spans(part.start, part.end),
        }


class RealStages:
    """See `jubako_apps.telop.tasks.Stages`."""

    def __init__(self) -> None:
        self._lookout: _Lookout | None = None

    def ocr(self, reception: Reception, video: Path, segments: range) -> object:
        """See Stages."""
        from jubako_apps.telop import media  # noqa: PLC0415

        with _sentences(video, reception.name):
            try:
                return self._looked(reception, video, segments)
            except media.MediaError:
                if len(segments) == 1:
                    raise
            # What goes wrong in a stretch may lie behind this segment, which is then done alone.
            return self._looked(reception, video, segments[:1])

    def _looked(self, reception: Reception, video: Path, segments: range) -> object:
        lookout, self._lookout = self._lookout, None
        if lookout is None or not lookout.goes_on(reception, segments):
            lookout = _Lookout(reception, video, segments)
        found = lookout.found(segments[0])
        self._lookout = lookout  # only if nothing went wrong
        return found

    def speech(self, reception: Reception, video: Path, part: int, script: bytes | None) -> object:
        """See Stages."""
        from jubako_apps.telop import speech, tracks  # noqa: PLC0415

        sidecar = (script, Path(reception.script).suffix) if script is not None and reception.script else None
        listener = None if reception.speech == sources.NOBODY else reception.speech
        whose = speech.Part(index=part, count=reception.speech_parts)
        ticking = _ticking(f"speech part {part}" if whose.count > 1 else "speech sound")
        with _sentences(video, reception.name):
            if sidecar is None and reception.speech == sources.TRACK:
                sidecar = (tracks.as_srt(video, reception.language), ".srt")
            transcript = speech.transcribe(video, reception.language, sidecar, ticking, whose, listener)
        return transcript_to_json(transcript)

    def report(self, reception: Reception, video: Path, results: Results) -> Objects:
        """See Stages."""
        from jubako_apps.telop.crops import Pictures  # noqa: PLC0415
        from jubako_apps.telop.merge import merge  # noqa: PLC0415
        from jubako_apps.telop.reconcile import reconcile  # noqa: PLC0415
        from jubako_apps.telop.reconcile.offset import moved, offset  # noqa: PLC0415

        telops = merge(_telops_of(part) for part in results.segments)
        if not telops:
            raise Unusable(f"No captions were found in {reception.name}.")
        said = _transcript_of(results.speech, reception.language)
        off = offset(said, telops)
        said = moved(said, off) if off else said
        with (
            _sentences(video, reception.name),
            _ear(video, reception, said) as ear,
            Pictures(video) as pictures,
        ):
            lists = _lists_of(reception, results)
            findings = reconcile(telops, said, reception.mode, lists, ear, pictures.foresee)
            missing = [*results.missing, *_damaged(reception, results.segments)]
            found = Found(telops=telops, findings=findings, missing=missing, script_offset=off)
            crops = pictures.crops(found.telops, found.findings)
            return publication(reception, video, said, found, crops)


def _transcript_of(parts: list[object], language: str) -> Transcript:
    from jubako_apps.telop.merge import joined  # noqa: PLC0415

    assert all(isinstance(part, Mapping) for part in parts), parts
    return joined([transcript_from_json(part) for part in parts if isinstance(part, Mapping)], language)


def _lists_of(reception: Reception, results: Results) -> "Lists":
    from jubako_apps.telop.lists import Lists, forbidden_from, glossary_from  # noqa: PLC0415

    language = reception.language
    return Lists(
        glossary=glossary_from(results.glossary, language) if results.glossary else (),
        forbidden=forbidden_from(results.ng_words, language) if results.ng_words else (),
    )


def _ear(video: Path, reception: Reception, said: Transcript) -> AbstractContextManager["Ear | None"]:
    """Return what listens again; only where a recogniser has listened is there anything to doubt."""
    from jubako_apps.telop import apart, verify, voice  # noqa: PLC0415
    from jubako_apps.telop.recognisers import BUILT_IN, RecogniserMissing  # noqa: PLC0415

    if said.source != "asr":
        return nullcontext()
    sound = voice.FileSound(video, reception.duration)
    if reception.speech == BUILT_IN:
        return apart.Apart(lambda: verify.SphinxEar(sound), verify.SphinxEar.clear)
    try:
        return nullcontext(verify.ear_of(sound, reception.speech, reception.language))
    except RecogniserMissing as error:
        log("WARNING", f"what was heard is not verified: {error}")
        return nullcontext()


def publication(
    reception: Reception, video: Path, said: Transcript, found: "Found", crops: Mapping[int, bytes]
) -> Objects:
    """Return the final objects of a reception, ``report.html`` last; ``crops`` are its pictures by telop id."""
    from jubako_apps.telop import media  # noqa: PLC0415
    from jubako_apps.telop.report import Check, report_html, report_json  # noqa: PLC0415

    check = Check(
        name=reception.name,
        duration=reception.duration,
        language=reception.language,
        mode=reception.mode,
        transcript=said,
        telops=found.telops,
        findings=found.findings,
        fps=media.probe(video).fps or 25.0,
        crops=crops,
        missing=found.missing,
        opinions=_second_opinions(found.findings),
        rereadings=_second_readings(crops),
        script_offset=found.script_offset,
    )
    return [
        ("speech/transcript.json", encode_json(transcript_to_json(said))),
        ("telops.json", encode_json([telop_to_json(telop) for telop in found.telops])),
        ("report.json", encode_json(report_json(check))),
        ("report.html", report_html(check)),
    ]


def _second_opinions(findings: "list[Finding]") -> "Mapping[str, Opinion]":
    from jubako_apps.telop import hosted, second  # noqa: PLC0415

    adviser = hosted.endpoint_from(os.environ, second.VARIABLES)
    return second.opinions(adviser, findings) if adviser else {}


def _second_readings(pictures: Mapping[int, bytes]) -> Mapping[int, str]:
    from jubako_apps.telop import hosted, reread  # noqa: PLC0415

    reader = hosted.endpoint_from(os.environ, reread.VARIABLES)
    return reread.readings(reader, pictures) if reader else {}


def _telops_of(part: object) -> list[Telop]:
    assert isinstance(part, Mapping), type(part)
    return [telop_from_json(telop) for telop in part["telops"]]


def _damaged(reception: Reception, segments: list[object]) -> Iterator[Missing]:
    """Yield what the segments could not decode although they went on."""
    for part in segments:
        assert isinstance(part, Mapping), type(part)
        for start, end in part.get("damaged", ()):
            reason = f"The pictures of {reception.name} are damaged here: captions may have been missed."
            where = {"part": part["segment"] + 1, "parts": reception.segments, "start": start, "end": end}
            yield Missing(stage="ocr", reason=reason, **where)


def _ticking(stage: str) -> Callable[[float], None]:
    """Return a listener that writes a progress line whenever another tenth is done."""
    told = 0

    def tell(part: float) -> None:
        nonlocal told
        tick = int(part * _TICKS)
        if tick > told:
            told = tick
            progress(tick, _TICKS, stage)

    return tell


@contextmanager
def _sentences(path: Path | None = None, name: str = "") -> Iterator[None]:
    """Turn what the stages say about bad input into `Unusable`, with the sender's name for the file."""
    from jubako_apps.telop.lists import ListError  # noqa: PLC0415
    from jubako_apps.telop.media import MediaError  # noqa: PLC0415
    from jubako_apps.telop.ocr import EngineMissing  # noqa: PLC0415
    from jubako_apps.telop.recognisers import RecogniserMissing  # noqa: PLC0415
    from jubako_apps.telop.script import ScriptError  # noqa: PLC0415

    try:
        yield
    except (ListError, MediaError, ScriptError, EngineMissing, RecogniserMissing) as error:
        text = str(error)
        raise Unusable(text.replace(path.name, name) if path and name else text) from error
