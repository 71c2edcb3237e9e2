"""Timed text in XML: the captions of a TTML, IMSC or DFXP document with their times.

Times are those of W3C, Timed Text Markup Language 2, 12.3: clock times (with frames) and offset times (h, m, s, ms, f,
t); ``begin`` counts from the parent's. Documents come from strangers: one with a document type is refused, so no entity
can grow.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from xml.etree import ElementTree as ET

Cue = tuple[float, float, str]

_CLOCK: Final = re.compile(r"(\d{2,}):(\d\d):(\d\d)(?:\.(\d+)|:(\d{2,})(?:\.\d+)?)?\Z")
_OFFSET: Final = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|f|t)\Z")
_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_FOREVER: Final = 1e9
_DEPTH_MAX: Final = 50


class NotTimedText(Exception):
    """It is no such document."""


@dataclass(frozen=True, slots=True)
class _Rates:
    frames: float
    ticks: float


def cues(text: str) -> list[Cue]:
    """Return (start, end, text) of every caption, in the order of the document.

    Raises:
        NotTimedText: It is not XML, has a document type, or times that nobody can read.

    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise NotTimedText("it has a document type")
    try:
        root = ET.fromstring(text.encode())  # noqa: S314 - without a document type there are no entities to grow
    except ET.ParseError as error:
        raise NotTimedText(str(error)) from error
    rates = _rates(root)
    return [cue for cue in _walk(root, 0.0, _FOREVER, rates, _DEPTH_MAX) if cue[2]]


def _walk(element: ET.Element, start: float, end: float, rates: _Rates, depth: int) -> Iterator[Cue]:
    begin = start + _time(element.get("begin"), rates)
    until = end
    if element.get("end") is not None:
        until = min(end, start + _time(element.get("end"), rates))
    elif element.get("dur") is not None:
        until = min(end, begin + _time(element.get("dur"), rates))
    if _name(element) == "p":
        if until < _FOREVER:
            yield round(begin, 3), round(max(begin, until), 3), " ".join("".join(_words(element)).split())
    elif depth:
        for child in element:
            yield from _walk(child, begin, until, rates, depth - 1)


def _words(element: ET.Element) -> Iterator[str]:
    """Yield the text inside; a line break is a space, and what is said about it (metadata) is not said."""
    yield element.text or ""
    for child in element:
        if _name(child) == "br":
            yield " "
        elif _name(child) == "span":
            yield from _words(child)
        yield child.tail or ""


def _name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _rates(root: ET.Element) -> _Rates:
    told = {name.rpartition("}")[2]: value for name, value in root.attrib.items()}
    try:
        first, second = (told.get("frameRateMultiplier") or "1 1").replace(":", " ").split()
        frames = float(told.get("frameRate") or 30) * float(first) / float(second)
        return _Rates(frames, float(told.get("tickRate") or 1))
    except (ValueError, ZeroDivisionError) as error:
        raise NotTimedText("its frame rate is no number") from error


def _time(text: str | None, rates: _Rates) -> float:
    if text is None:
        return 0.0
    clock, offset = _CLOCK.match(text.strip()), _OFFSET.match(text.strip())
    if clock:
        hours, minutes, seconds, fraction, frames = clock.groups()
        whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
        return whole + float(f"0.{fraction or 0}") + int(frames or 0) / rates.frames
    if offset:
        number, unit = float(offset.group(1)), offset.group(2)
        per_second = {"f": rates.frames, "t": rates.ticks}
        return number / per_second[unit] if unit in per_second else number * _SECONDS[unit]
    raise NotTimedText(f"{text[:20]!r} is no time")
