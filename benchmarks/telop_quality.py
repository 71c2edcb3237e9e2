"""Quality of the telop check, as one table: comparing, detecting, reading, and how far its confidence can be trusted.

python benchmarks/telop_quality.py                  the reported half: figures only
python benchmarks/telop_quality.py --half fresh     the set that no rule has ever met
python benchmarks/telop_quality.py --half tuned     the half that rules are changed by; ``--remarks`` tells all
python benchmarks/telop_quality.py --rows text      without the pictures (``pictures``: only them; ``clips``: bundled)
python benchmarks/telop_quality.py --whisper DIR    Japanese spoken and recognised too, with that faster-whisper model

What is planted, said and shown comes from `telop_sentences` and its neighbours; the same arguments give the same table.
What was worked out once is kept (`telop_kept`): an interrupted run goes on, a second one is quick.
"""

import argparse
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, get_args

import telop_clips
import telop_programmes
import telop_reading
import telop_table as table
from jubako_apps.telop.findings import THRESHOLDS
from telop_kept import Bar, comparing_files, kept, key
from telop_pictures import INTERLACED, PROGRESSIVE
from telop_runs import Material, Outcome, run
from telop_sentences import Half
from telop_spoken import spoken, verifying

NOISES = (("script", 0.0), ("asr", 0.05), ("asr", 0.10))
ROWS = ("all", "text", "pictures", "clips")
SLOWEST = 8.0
"""How much longer a set of pictures takes than one transcript."""

Work = tuple[str, float, Callable[[Callable[[str], None]], Any]]
"""What it is, its share of the time, and what works it out; told what to say while it does."""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--half", choices=get_args(Half), default="reported")
    parser.add_argument("--rows", choices=ROWS, default="all")
    parser.add_argument("--whisper", type=Path, help="directory of a faster-whisper model")
    parser.add_argument("--remarks", action="store_true", help="say what went wrong; tuned half only")
    given = parser.parse_args()
    if given.remarks and given.half != "tuned":
        parser.error("only of the tuned half is it said what went wrong: rules would be fitted to the others")
    works = {
        "text": list(texts(given.half, given.whisper)) if given.rows in {"all", "text"} else [],
        "pictures": list(pictures(given.half)) if given.rows in {"all", "pictures"} else [],
        "clips": list(clips()) if given.rows in {"all", "clips"} else [],
    }
    bar = Bar(sum(share for part in works.values() for _, share, _ in part))
    done: dict[str, list[tuple[str, Any]]] = {name: [] for name in works}
    for name, part in works.items():
        for title, share, make in part:
            bar.step(title, share)
            done[name].append((title, make(bar.say)))
    bar.end()
    for line in table.lines(given.half, done):
        print(line)
    if given.remarks:
        sys.stdout.writelines(f"    {text}\n" for text in table.remarks(done))


def texts(half: Half, whisper: Path | None) -> Iterator[Work]:
    """Yield the transcripts of both languages, and the errors that no sentence shows alone."""
    files = key(comparing_files())
    for language in ("en", "ja"):
        for source, noise in NOISES:
            material = Material(language=language, source=source, noise=noise, half=half)
            yield _text(material.name, files, half, partial(_itself, material))
        listener = _listener(language, whisper)
        if listener is None:
            continue
        for source in ("spoken", "verified"):
            making = partial(_spoken, language, source, half, listener)
            yield _text(f"{language} {source}", files, half, making)
    yield (
        "across telops",
        0.3,
        lambda _: kept(f"programmes-{half}-{files}", lambda: telop_programmes.counted(half)),
    )


def _itself(material: Material) -> Material:
    return material


def _listener(language: str, whisper: Path | None) -> str | None:
    """Return what recognises speech of a language, if it is there."""
    if language == "en":
        return "pocketsphinx" if shutil.which("flite") else None
    return None if whisper is None else f"faster-whisper:{whisper}"


def _spoken(language: str, source: str, half: Half, listener: str) -> Material:
    said = spoken(language, half, listener)
    ear = verifying(said, language, listener) if source == "verified" else None
    return Material(language=language, source=source, spoken=said, ear=ear, half=half)


def _text(name: str, files: str, half: Half, material: Callable[[], Material]) -> Work:
    def make() -> dict[str, Any]:
        made = material()
        return {mode: told([run(made, seed, mode) for seed in made.seeds]) for mode in THRESHOLDS}

    return name, 1.0, lambda _: kept(f"text-{half}-{name.replace(' ', '-')}-{files}", make)


def told(runs: list[Outcome]) -> dict[str, Any]:
    """Return all runs of one operating point together, as JSON values."""
    classes: dict[str, list[int]] = {}
    findings: dict[str, list[int]] = {}
    for one in runs:
        for kind, hits in one.classes.items():
            counts = classes.setdefault(kind, [0, 0])
            counts[0], counts[1] = counts[0] + sum(hits), counts[1] + len(hits)
        for kind, _, is_real in one.sure:
            counts = findings.setdefault(kind, [0, 0])
            counts[0], counts[1] = counts[0] + is_real, counts[1] + 1
    return {
        "found": sum(one.score.found for one in runs),
        "missed": sum(one.score.missed for one in runs),
        "wrong": sum(one.score.wrong for one in runs),
        "right_kind": sum(one.score.right_kind for one in runs),
        "classes": classes,
        "findings": findings,
        "sure": [[sure, is_real] for one in runs for _, sure, is_real in one.sure],
        "remarks": sorted({text for one in runs for text in one.remarks}),
    }


def pictures(half: Half) -> Iterator[Work]:
    """Yield the sets of pictures."""
    for language in ("en", "ja"):
        for how in (PROGRESSIVE, INTERLACED):
            share = SLOWEST if how is PROGRESSIVE else SLOWEST / 2
            yield f"{language} {how.name}", share, partial(telop_reading.read, language, half, how)


def clips() -> Iterator[Work]:
    """Yield the bundled clips."""
    files = key(telop_clips.files())
    for language, source in telop_clips.CASES:
        yield f"{language} clip {source}", 2.0, partial(_clip, language, source, files)


def _clip(language: str, source: str, files: str, _say: Callable[[str], None]) -> Any:
    return kept(f"clip-{language}-{source}-{files}", partial(telop_clips.checked, language, source))


if __name__ == "__main__":
    main()
