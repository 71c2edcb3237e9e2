"""Fit how often findings of each score are right, on the half that rules are tuned on.

    python benchmarks/telop_calibration.py      prints the table of `jubako_apps.telop.calibration`

Bins of scores are pooled until their shares rise (pool adjacent violators); each bin counts one right and one wrong
finding more than there are, since the half is not a new one.
"""

from jubako_apps.telop.reconcile import scored
from jubako_apps.telop.score import score
from telop_runs import Material, shown, transcript, truth_of
from telop_sentences import cases

BIN = 0.05
LOWEST = 0.2
ROWS = tuple(
    (language, *said) for language in ("en", "ja") for said in (("script", 0.0), ("asr", 0.05), ("asr", 0.1))
)


def main() -> None:
    scores: list[tuple[float, bool]] = []
    for language, source, noise in ROWS:
        material = Material(language=language, source=source, half="tuned", noise=noise)
        for seed in material.seeds:
            scores += judged(material, seed)
    for place, share, count in table(scores):
        print(f"    ({place:.3f}, {share:.3f}),  # {count} findings")


def judged(material: Material, seed: int) -> list[tuple[float, bool]]:
    """Return each finding's score and whether it is real."""
    said, times = transcript(material, seed)
    made = cases(material.language, seed, material.half)
    telops = shown(made, times)
    truth = truth_of(made, telops)
    return [(one.confidence, not score([one], truth).wrong) for one in scored(telops, said, LOWEST)]


def table(scores: list[tuple[float, bool]]) -> list[tuple[float, float, int]]:
    bins: dict[int, list[tuple[float, bool]]] = {}
    for value, real in scores:
        bins.setdefault(int((value - LOWEST) / BIN), []).append((value, real))
    pools = [
        [sum(value for value, _ in group) / len(group), sum(real for _, real in group), len(group)]
        for _, group in sorted(bins.items())
    ]
    done: list[list[float]] = []
    for pool in pools:
        done.append(pool)
        while len(done) > 1 and _share(done[-2]) >= _share(done[-1]):
            last, before = done.pop(), done.pop()
            count = last[2] + before[2]
            place = (last[0] * last[2] + before[0] * before[2]) / count
            done.append([place, last[1] + before[1], count])
    return [(place, _share([place, right, count]), int(count)) for place, right, count in done]


def _share(pool: list[float]) -> float:
    return (pool[1] + 1) / (pool[2] + 2)


if __name__ == "__main__":
    main()
