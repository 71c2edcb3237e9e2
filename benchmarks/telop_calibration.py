"""Fit how often findings of each score are right, on sentences that no rule was made by.

    python benchmarks/telop_calibration.py      writes `calibration.json` of the application, and says what it rests on

One table for scripts, one for poor transcripts; both languages together. Bins of scores are pooled until their shares
rise (pool adjacent violators); each bin counts one right and one wrong finding more than there are.
"""

import json
import sys
from datetime import UTC, datetime

from jubako_apps.telop.reconcile import scored
from jubako_apps.telop.score import score
from telop_kept import APP
from telop_runs import Material, shown, transcript, truth_of
from telop_sentences import Half, cases

BIN = 0.05
LOWEST = 0.2
HALF: Half = "fresh"
ROWS = (("script", 0.0), ("asr", 0.05), ("asr", 0.1))
Pool = tuple[float, int, int]
"""Mean score, how many are real, and of how many."""


def main() -> None:
    """Fit and write."""
    scores: dict[str, list[tuple[float, bool]]] = {"script": [], "asr": []}
    for source, noise in ROWS:
        for language in ("en", "ja"):
            material = Material(language=language, source=source, half=HALF, noise=noise)
            for seed in material.seeds:
                scores[source] += judged(material, seed)
    tables = {source: fitted(found) for source, found in scores.items()}
    for source, pools in tables.items():
        sys.stdout.writelines(f"{source} {place:.3f}: {real} of {count}\n" for place, real, count in pools)
    told = {
        "origin": f"benchmarks/telop_calibration.py on the '{HALF}' sentences, errors planted with seeds 1 to 6, "
        f"transcripts with 0, 5 and 10 % wrong; {datetime.now(tz=UTC):%Y-%m-%d}",
        "tables": {
            source: [[round(p[0], 3), round(_share(p), 3)] for p in pools] for source, pools in tables.items()
        },
    }
    (APP / "calibration.json").write_text(json.dumps(told, indent=1) + "\n", "utf-8")


def judged(material: Material, seed: int) -> list[tuple[float, bool]]:
    """Return each finding's score and whether it is real."""
    said, times = transcript(material, seed)
    made = cases(material.language, seed, material.half)
    telops = shown(made, times)
    truth = truth_of(made, telops)
    return [(one.confidence, not score([one], truth).wrong) for one in scored(telops, said, LOWEST)]


def fitted(scores: list[tuple[float, bool]]) -> list[Pool]:
    """Return pools of scores whose shares of real findings rise."""
    bins: dict[int, list[tuple[float, bool]]] = {}
    for value, real in scores:
        bins.setdefault(int((value - LOWEST) / BIN), []).append((value, real))
    done: list[Pool] = []
    for _, group in sorted(bins.items()):
        count = len(group)
        pool: Pool = (sum(value for value, _ in group) / count, sum(real for _, real in group), count)
        while done and _share(done[-1]) >= _share(pool):
            place, right, many = done.pop()
            pool = ((place * many + pool[0] * pool[2]) / (many + pool[2]), right + pool[1], many + pool[2])
        done.append(pool)
    return done


def _share(pool: Pool) -> float:
    return (pool[1] + 1) / (pool[2] + 2)


if __name__ == "__main__":
    main()
