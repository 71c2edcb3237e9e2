"""Quality of the telop check, as one table: reading, detecting, comparing, and how far its confidence can be trusted.

python benchmarks/telop_quality.py                 the reported half: figures only
python benchmarks/telop_quality.py --half tuned    the half that rules are changed by; ``--remarks`` tells all
python benchmarks/telop_quality.py --rows text     without the pictures (``pictures``: only them; ``clips``: bundled)

What is planted, said and shown comes from `telop_sentences` and its neighbours; the same arguments give the same table.
"""

import argparse
import shutil
from collections.abc import Iterator
from itertools import pairwise

import telop_clips
import telop_programmes
from jubako_apps.telop.findings import THRESHOLDS
from jubako_apps.telop.score import Score
from jubako_apps.telop.verify import SphinxEar
from telop_runs import Material, Outcome, run
from telop_sentences import Half
from telop_spoken import spoken

NOISES = (("script", 0.0), ("asr", 0.05), ("asr", 0.10))
BINS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.01)
HEAD = f"{'transcript':17}{'mode':11}{'precision':>10}{'recall':>8}{'kind':>9}{'found':>7}{'missed':>8}{'made up':>9}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--half", choices=["tuned", "reported"], default="reported")
    parser.add_argument("--rows", choices=["all", "text", "pictures", "clips"], default="all")
    parser.add_argument(
        "--remarks", action="store_true", help="say what was missed and made up; tuned half only"
    )
    arguments = parser.parse_args()
    if arguments.remarks and arguments.half == "reported":
        parser.error("what went wrong in the reported half is not looked at: rules would be fitted to it")
    print(f"{arguments.half} half")
    if arguments.rows in {"all", "pictures"}:
        import telop_reading  # noqa: PLC0415 - draws, encodes and reads: only when asked for

        telop_reading.measure(arguments.half, remarks=arguments.remarks)
    if arguments.rows in {"all", "text"}:
        print(HEAD)
        for material in materials(arguments.half):
            table(material, remarks=arguments.remarks)
        telop_programmes.measure(arguments.half)
    if arguments.rows in {"all", "clips"}:
        telop_clips.measure(HEAD)


def materials(half: Half) -> Iterator[Material]:
    """Yield the rows."""
    yield from (Material(language="en", source=s, noise=noise, half=half) for s, noise in NOISES)
    if shutil.which("flite"):
        said = spoken(half)
        yield Material(language="en", source="spoken", spoken=said, half=half)
        yield Material(language="en", source="verified", spoken=said, ear=SphinxEar(said.sound), half=half)
    yield from (Material(language="ja", source=s, noise=noise, half=half) for s, noise in NOISES)


def table(material: Material, *, remarks: bool) -> None:
    """Print one transcript's lines: three operating points, classes, calibration."""
    for mode in THRESHOLDS:
        runs = [run(material, seed, mode) for seed in material.seeds]
        print(f"{material.name:17}{mode:11}{line(summed([one.score for one in runs]))}", flush=True)
        if mode == "balanced":
            print(f"    {by_class(runs)}")
        if mode == "balanced" and remarks:
            print(
                "".join(f"    {text}\n" for text in sorted({text for one in runs for text in one.remarks})),
                end="",
            )
        if mode == "sensitive":
            print(f"    {calibration([(sure, real) for one in runs for _, sure, real in one.sure])}")


def line(result: Score) -> str:
    """Return the columns of one score."""
    kinds = f"{result.right_kind}/{result.found}"
    numbers = f"{result.found:>7}{result.missed:>8}{result.wrong:>9}"
    return f"{result.precision:>10.3f}{result.recall:>8.3f}{kinds:>9}{numbers}"


def summed(scores: list[Score]) -> Score:
    """Return the counts of all runs together."""
    return Score(
        found=sum(one.found for one in scores),
        missed=sum(one.missed for one in scores),
        wrong=sum(one.wrong for one in scores),
        right_kind=sum(one.right_kind for one in scores),
    )


def by_class(runs: list[Outcome]) -> str:
    """Say which part of each class of planted errors was found."""
    counts: dict[str, list[bool]] = {}
    for one in runs:
        for kind, hits in one.classes.items():
            counts.setdefault(kind, []).extend(hits)
    return "recall: " + ", ".join(f"{kind} {sum(hits)}/{len(hits)}" for kind, hits in sorted(counts.items()))


def calibration(sure: list[tuple[float, bool]]) -> str:
    """Say, for each range of confidence, which part was right, and the expected calibration error."""
    parts, error = [], 0.0
    for low, high in pairwise(BINS):
        inside = [(confidence, right) for confidence, right in sure if low <= confidence < high]
        if inside:
            claimed = sum(confidence for confidence, _ in inside) / len(inside)
            true = sum(right for _, right in inside) / len(inside)
            error += abs(claimed - true) * len(inside) / len(sure)
            parts.append(f"{low:.2f}-{min(high, 1.0):.2f}: {true:.2f} of {len(inside)}")
    return f"right by confidence: {', '.join(parts)}; expected calibration error {error:.3f}"


if __name__ == "__main__":
    main()
