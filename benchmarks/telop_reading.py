"""How well telops are detected and read from pictures: rows of `telop_quality.py`.

Each set is drawn (`telop_pictures`), encoded, and read as the application would, in segments whose ends cut telops; a
telop that appears twice because of such an end is a duplicate. Errors of reading are counted in signs, spaces aside.
"""

import time
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from rapidfuzz.distance import Levenshtein

from jubako_apps.telop import media
from jubako_apps.telop.extract import extract
from jubako_apps.telop.media import Segment
from jubako_apps.telop.merge import merge
from jubako_apps.telop.ocr import Line, Rgb, packaged_engine
from jubako_apps.telop.telops import Telop, telop_from_json, telop_to_json
from telop_kept import drawing_files, folder, kept, key, reading_files
from telop_pictures import Film, Shown, film, schedule
from telop_sentences import Half, cases

SEED = 1
SEGMENT_S = 17.0
_ALIKE = 0.5
_SLACK_S = 0.6
INTERLACED_TELOPS = 36
MOST = {("fresh", "25p"): 60, ("unseen", "25p"): 60}
"""How many telops of a set are drawn, where it is not all of them."""

FEW = 24
"""How many are drawn unless all are asked for."""


class Counting:
    """An engine that counts how often it is asked."""

    def __init__(self) -> None:
        self._engine = packaged_engine()
        self.calls = 0

    def read(self, image: Rgb) -> list[Line]:
        """See `jubako_apps.telop.ocr.Engine`."""
        self.calls += 1
        return self._engine.read(image)


@dataclass(slots=True, kw_only=True)
class Reading:
    """What one set came to."""

    telops: int = 0
    detected: int = 0
    exact: int = 0
    signs: int = 0
    wrong_signs: int = 0
    doubled: int = 0
    made_up: int = 0
    calls: int = 0
    seconds: float = 0.0
    manners: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    remarks: list[str] = field(default_factory=list)


def read(language: str, half: Half, how: Film, *, few: bool) -> Reading:
    """Draw one set if it is not there yet, read it, and compare; segments that were read already are not read again."""
    made = cases(language, SEED, half)
    most = MOST.get((half, how.name), INTERLACED_TELOPS if how.interlaced else len(made))
    shown = schedule(made[: FEW if few else most], language, how, SEED)
    path = drawn(shown, language, half, how)
    name = key([*reading_files(), path], SEGMENT_S)
    parts = media.segments(media.probe(path).duration, SEGMENT_S)
    done = [kept(f"reading-{name}-{part.index}", partial(_read, path, part)) for part in parts]
    result = compared(shown, merge([telop_from_json(telop) for telop in one["telops"]] for one in done))
    result.calls, result.seconds = sum(one["calls"] for one in done), sum(one["seconds"] for one in done)
    return result


def drawn(shown: Sequence[Shown], language: str, half: Half, how: Film) -> Path:
    """Return the file of these pictures, encoded now if it is not there."""
    name = f"{language}.{half}.{how.name}.{key(drawing_files(language, half), len(shown))}"
    path = folder() / f"{name}.{'ts' if how.interlaced else 'mp4'}"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_stem("draft." + path.stem)
        film(draft, shown, how, SEED)
        draft.rename(path)
    return path


def _read(path: Path, part: Segment) -> dict[str, Any]:
    engine, begun = Counting(), time.process_time()
    telops = extract(path, part, engine)
    seconds = round(time.process_time() - begun, 3)
    return {"telops": [telop_to_json(telop) for telop in telops], "calls": engine.calls, "seconds": seconds}


def compared(shown: Sequence[Shown], telops: Sequence[Telop]) -> Reading:
    """Give each telop that was read to the one that it is most like, of those shown at the time."""
    result = Reading(telops=len(shown))
    read: dict[int, list[Telop]] = {}
    for telop in telops:
        likeness = [(_likeness(one, telop), -number) for number, one in enumerate(shown)]
        best, number = max(likeness)
        if best >= _ALIKE:
            read.setdefault(-number, []).append(telop)
        else:
            result.made_up += 1
            result.remarks.append(f"made up: {telop.start} {telop.text!r} {telop.confidence}")
    for number, one in enumerate(shown):
        result.manners[one.manner] += 1
        _count(result, one, read.get(number, []))
    return result


def _count(result: Reading, one: Shown, found: Sequence[Telop]) -> None:
    if not found:
        result.missed[one.manner] += 1
        result.remarks.append(f"missed: {one.manner} {one.start:.1f} {one.text!r}")
        return
    best = min(found, key=lambda telop: Levenshtein.distance(_bare(one.text), _bare(telop.text)))
    wrong = Levenshtein.distance(_bare(one.text), _bare(best.text))
    result.detected += 1
    result.exact += not wrong
    result.doubled += len(found) - 1
    result.signs += len(_bare(one.text))
    result.wrong_signs += wrong
    if wrong:
        result.remarks.append(
            f"misread: {one.manner} {one.start:.1f} {one.text!r} as {best.text!r} {best.confidence}"
        )
    if len(found) > 1:
        result.remarks.append(f"doubled: {one.manner} {one.start:.1f} {[(t.start, t.text) for t in found]}")


def _likeness(one: Shown, telop: Telop) -> float:
    if telop.start > one.end + _SLACK_S or telop.end < one.start - _SLACK_S:
        return 0.0
    return Levenshtein.normalized_similarity(_bare(one.text), _bare(telop.text))


def _bare(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split())
