"""The one table of `telop_quality.py`, out of what its parts came to."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from jubako_apps.telop.findings import THRESHOLDS
from jubako_apps.telop.score import SAME_KIND, Score

BINS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.01)
Done = Mapping[str, Sequence[tuple[str, Any]]]


def lines(half: str, done: Done) -> Iterator[str]:
    """Yield the table's lines."""
    texts = [(name, one) for name, one in done["text"] if name != "across telops"]
    yield f"{half} half. P precision, R recall of findings; ECE expected calibration error (sensitive)"
    yield from _transcripts([*texts, *done["clips"]])
    if texts:
        yield ""
        yield from _classes(texts)
        yield ""
        yield from _trust(texts)
    for name, one in done["text"]:
        if name == "across telops":
            yield ""
            yield from (
                f"{what}: {n} of {planted} found, {wrong} made up"
                for what, (n, planted, wrong) in one.items()
            )
    if done["pictures"]:
        yield ""
        yield from _pictures(done["pictures"])


def remarks(done: Done) -> Iterator[str]:
    """Yield what went wrong, at the balanced operating point and in reading."""
    for name, one in done["text"]:
        yield from (f"{name}: {text}" for text in one.get("balanced", {}).get("remarks", ()))
    for name, one in done["pictures"]:
        yield from (f"{name}: {text}" for text in one.remarks)


def _transcripts(rows: Iterable[tuple[str, Any]]) -> Iterator[str]:
    yield (
        f"{'transcript':20}"
        + "".join(f"{mode + ' P / R':>19}" for mode in THRESHOLDS)
        + f"{'kind right':>13}{'ECE':>7}"
    )
    for name, one in rows:
        cells = "".join(f"{_ratio(one[mode]):>19}" for mode in THRESHOLDS)
        balanced = one["balanced"]
        kinds = f"{balanced['right_kind']}/{balanced['found']}"
        error = _calibration(one["sensitive"]["sure"])[1] if one["sensitive"].get("sure") else None
        yield f"{name:20}{cells}{kinds:>13}{'' if error is None else f'{error:.3f}':>7}"


def _ratio(counts: Mapping[str, Any]) -> str:
    result = score_of(counts)
    return f"{result.precision:.3f} / {result.recall:.3f}"


def score_of(counts: Mapping[str, Any]) -> Score:
    """Return the score that was kept as JSON."""
    return Score(**{name: counts[name] for name in ("found", "missed", "wrong", "right_kind")})


def _classes(rows: Sequence[tuple[str, Any]]) -> Iterator[str]:
    """Yield a line for each class: of its findings how many are real, of its errors how many were found (balanced)."""
    width = 2 + max(len(name) for name, _ in rows)
    yield f"{'class (balanced)':16}" + "".join(f"{name:>{max(width, 15)}}" for name, _ in rows)
    for kind in sorted({kind for _, one in rows for kind in one["balanced"]["classes"]}):
        cells = []
        for _, one in rows:
            hits, planted = one["balanced"]["classes"].get(kind, (0, 0))
            real, every = one["balanced"]["findings"].get(SAME_KIND.get(kind, kind), (0, 0))
            precision = f"{real / every:.2f}" if every else "-"
            cells.append(f"{precision} {hits}/{planted}" if planted else "-")
        yield f"{kind:16}" + "".join(f"{cell:>{max(width, 15)}}" for cell in cells)


def _trust(rows: Iterable[tuple[str, Any]]) -> Iterator[str]:
    yield f"{'right by confidence':20}" + "".join(
        f"{f'{a:.2f}-{min(b, 1.0):.2f}':>15}" for a, b in pairwise(BINS)
    )
    for name, one in rows:
        parts, _ = _calibration(one["sensitive"]["sure"])
        yield f"{name:20}" + "".join(f"{f'{share:.2f} of {n}' if n else '-':>15}" for share, n in parts)


def _calibration(sure: Sequence[tuple[float, bool]]) -> tuple[list[tuple[float, int]], float]:
    """Return, for each range of confidence, which part was right of how many, and the expected calibration error."""
    parts, error = [], 0.0
    for low, high in pairwise(BINS):
        inside = [(confidence, right) for confidence, right in sure if low <= confidence < high]
        true = sum(right for _, right in inside) / max(1, len(inside))
        claimed = sum(confidence for confidence, _ in inside) / max(1, len(inside))
        error += abs(claimed - true) * len(inside) / len(sure)
        parts.append((true, len(inside)))
    return parts, error


def _pictures(rows: Iterable[tuple[str, Any]]) -> Iterator[str]:
    yield (
        f"{'pictures':20}{'telops':>7}{'detected':>9}{'CER':>8}{'exact':>7}{'twice':>7}{'made up':>9}"
        f"{'OCR calls/telop':>17}{'CPU s':>7}"
    )
    for name, one in rows:
        yield (
            f"{name:20}{one.telops:>7}{one.detected / one.telops:>9.3f}{one.wrong_signs / max(1, one.signs):>8.4f}"
            f"{one.exact:>7}{one.doubled:>7}{one.made_up:>9}{one.calls / one.telops:>17.2f}{one.seconds:>7.0f}"
        )
        lost = ", ".join(f"{how} {n} of {one.manners[how]}" for how, n in sorted(one.missed.items()))
        if lost:
            yield f"    missed by manner: {lost}"
