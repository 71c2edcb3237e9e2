"""Quality of the telop check, as one table: comparing, detecting, reading, and how far its confidence can be trusted.

python benchmarks/telop_quality.py                  a sample of the reported half: figures only, in a few minutes
python benchmarks/telop_quality.py --full           all of it: what the documents quote
python benchmarks/telop_quality.py --half unseen    the set that no rule has ever met (`fresh`: the one before it)
python benchmarks/telop_quality.py --half tuned     the half that rules are changed by; ``--remarks`` tells all
python benchmarks/telop_quality.py --rows text      without the pictures (``pictures``: only them; ``clips``: bundled)
python benchmarks/telop_quality.py --whisper DIR    Japanese spoken and recognised too, with that faster-whisper model
python benchmarks/telop_quality.py --cache DIR      keeps pictures and results there, for runs to come

What is planted, said and shown comes from `telop_sentences` and its neighbours; the same arguments give the same table.
What was worked out once is kept (`telop_kept`): an interrupted run goes on, a second one is quick.
"""

import argparse
import multiprocessing
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_args

import telop_clips
import telop_programmes
import telop_reading
import telop_table as table
from jubako_apps.telop.findings import THRESHOLDS
from telop_kept import VARIABLE, Bar, comparing_files, kept, key
from telop_pictures import INTERLACED, PROGRESSIVE
from telop_runs import Material, Outcome, row, run
from telop_sentences import Half
from telop_spoken import spoken, verifying

NOISES = (("script", 0.0), ("asr", 0.05), ("asr", 0.10))
ROWS = ("all", "text", "pictures", "clips")
SHARES = {
    "en": 1.0,
    "ja": 0.5,
    "spoken": 2.0,
    "verified": 2.0,
    "25p": 5.0,
    "29.97i": 5.0,
    "clip": 0.8,
    "across": 0.1,
}
"""What rows take beside one another, by the words in their names; the largest counts."""

Make = Callable[[], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the table is asked for."""

    half: Half
    rows: str
    whisper: Path | None
    few: bool


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--half", choices=get_args(Half), default="reported")
    parser.add_argument("--rows", choices=ROWS, default="all")
    parser.add_argument("--full", action="store_true", help="all seeds and all telops, not a sample")
    parser.add_argument("--whisper", type=Path, help="directory of a faster-whisper model")
    parser.add_argument("--remarks", action="store_true", help="say what went wrong; tuned half only")
    parser.add_argument("--cache", type=Path, help="where pictures and results are kept")
    parser.add_argument("--processes", type=int, default=2, help="how many rows are worked out at a time")
    given = parser.parse_args()
    if given.remarks and given.half != "tuned":
        parser.error("only of the tuned half is it said what went wrong: rules would be fitted to the others")
    if given.cache is not None:
        os.environ[VARIABLE] = str(given.cache)
    wanted = Wanted(half=given.half, rows=given.rows, whisper=given.whisper, few=not given.full)
    done = worked_out(wanted, given.processes)
    for line in table.lines(given.half, done):
        print(line)
    if given.remarks:
        sys.stdout.writelines(f"    {text}\n" for text in table.remarks(done))


def worked_out(wanted: Wanted, processes: int) -> dict[str, list[tuple[str, Any]]]:
    """Return the results of all rows, by part of the table; the longest are begun first."""
    every = works(wanted)
    names = sorted((name for part in every.values() for name in part), key=_share, reverse=True)
    bar = Bar({name: _share(name) for name in names}, processes)
    results: dict[str, Any] = {}
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        running: dict[Future[Any], str] = {}
        while names or running:
            while names and len(running) < processes:
                bar.starts(names[0])
                running[pool.submit(made, wanted, names[0])] = names.pop(0)
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                bar.ends(name := running.pop(future))
                results[name] = future.result()
    return {part: [(name, results[name]) for name in rows] for part, rows in every.items()}


def made(wanted: Wanted, name: str) -> Any:
    """Work out one row, in a process of its own."""
    return next(part[name] for part in works(wanted).values() if name in part)()


def works(wanted: Wanted) -> dict[str, dict[str, Make]]:
    """Return what works out each row, by part of the table."""
    parts = {"text": texts, "pictures": pictures, "clips": clips}
    return {name: dict(make(wanted)) if wanted.rows in {"all", name} else {} for name, make in parts.items()}


def _share(name: str) -> float:
    return max(SHARES.get(word, 0.0) for word in name.split())


def texts(wanted: Wanted) -> Iterator[tuple[str, Make]]:
    """Yield the transcripts of both languages, and the errors that no sentence shows alone."""
    files, half, few = key(comparing_files()), wanted.half, wanted.few
    for language in ("en", "ja"):
        for source, noise in NOISES:
            material = Material(language=language, source=source, noise=noise, half=half, few=few)
            yield _text(material.name, files, wanted, partial(_itself, material))
        listener = _listener(language, wanted.whisper)
        if listener is None:
            continue
        for source in ("spoken", "verified"):
            making = partial(_spoken, language, source, wanted, listener)
            yield _text(row(language, source), f"{files}-{key([], listener)}", wanted, making)
    yield (
        "across telops",
        lambda: kept(f"programmes-{half}-{files}", lambda: telop_programmes.counted(half)),
    )


def _itself(material: Material) -> Material:
    return material


def _listener(language: str, whisper: Path | None) -> str | None:
    """Return what recognises speech of a language, if it is there."""
    if language == "en":
        return "pocketsphinx" if shutil.which("flite") else None
    return None if whisper is None else f"faster-whisper:{whisper}"


def _spoken(language: str, source: str, wanted: Wanted, listener: str) -> Material:
    said = spoken(language, wanted.half, listener)
    ear = verifying(said, language, listener) if source == "verified" else None
    return Material(language=language, source=source, spoken=said, ear=ear, half=wanted.half, few=wanted.few)


def _text(name: str, files: str, wanted: Wanted, material: Callable[[], Material]) -> tuple[str, Make]:
    def make() -> dict[str, Any]:
        planted = material()
        runs = [
            _run(planted, seed, f"text-{wanted.half}-{name.replace(' ', '-')}-{files}")
            for seed in planted.seeds
        ]
        return {mode: together([one[mode] for one in runs]) for mode in THRESHOLDS}

    return name, make


def _run(planted: Material, seed: int, name: str) -> dict[str, Any]:
    """Return one seed's result, each kept by itself."""
    found = kept(f"{name}-{seed}", lambda: {mode: told(one) for mode, one in run(planted, seed).items()})
    return dict(found)


def told(one: Outcome) -> dict[str, Any]:
    """Return one run of one operating point as JSON values."""
    kinds = sorted({kind for kind, _, _ in one.sure})
    real = {kind: [right for name, _, right in one.sure if name == kind] for kind in kinds}
    return {
        "found": one.score.found,
        "missed": one.score.missed,
        "wrong": one.score.wrong,
        "right_kind": one.score.right_kind,
        "classes": {kind: [sum(hits), len(hits)] for kind, hits in one.classes.items()},
        "findings": {kind: [sum(right), len(right)] for kind, right in real.items()},
        "sure": [[sure, is_real] for _, sure, is_real in one.sure],
        "remarks": sorted(one.remarks),
    }


def together(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return all seeds' results of one operating point as one."""
    result: dict[str, Any] = {}
    for name in ("found", "missed", "wrong", "right_kind"):
        result[name] = sum(one[name] for one in runs)
    for name in ("classes", "findings"):
        kinds = sorted({kind for one in runs for kind in one[name]})
        pairs = {kind: [one[name].get(kind, (0, 0)) for one in runs] for kind in kinds}
        result[name] = {
            kind: [sum(column) for column in zip(*counts, strict=True)] for kind, counts in pairs.items()
        }
    result["sure"] = [pair for one in runs for pair in one["sure"]]
    result["remarks"] = sorted({text for one in runs for text in one["remarks"]})
    return result


def pictures(wanted: Wanted) -> Iterator[tuple[str, Make]]:
    """Yield the sets of pictures."""
    for language in ("en", "ja"):
        for how in (PROGRESSIVE, INTERLACED):
            make = partial(telop_reading.read, language, wanted.half, how, few=wanted.few)
            yield f"{language} {how.name}", make


def clips(_wanted: Wanted) -> Iterator[tuple[str, Make]]:
    """Yield the bundled clips."""
    files = key(telop_clips.files())
    for language, source in telop_clips.CASES:
        make = partial(telop_clips.checked, language, source)
        yield f"{language} clip {source}", partial(kept, f"clip-{language}-{source}-{files}", make)


if __name__ == "__main__":
    main()
