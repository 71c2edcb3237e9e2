"""Several readings of one telop, made into the one that most of them bear out, sign by sign.

The surest reading is the measure: the others are laid beside it, and each of its signs stays, changes or goes as the
readings' confidences add up. A sign that only others have comes in if they outweigh those without it.
"""

from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

Vote = tuple[str, float]
"""A text and the confidence of its reading."""


def voted(readings: Sequence[Vote]) -> Vote:
    """Return the text that the readings agree on, and the share of them that bears each of its signs out.

    The share is weighed with the surest reading's confidence: readings that agree are as sure as the surest.
    """
    pivot, sure = max(readings, key=lambda one: one[1])
    stays: list[dict[str, float]] = [{} for _ in pivot]
    comes: list[dict[str, float]] = [{} for _ in range(len(pivot) + 1)]
    for text, weight in readings:
        _cast(stays, comes, _laid(pivot, text), weight)
    total = sum(weight for _, weight in readings)
    signs: list[tuple[str, float]] = []
    for place, votes in enumerate([*stays, {}]):
        between, weight = max(comes[place].items(), key=lambda item: item[1], default=("", 0.0))
        if 2 * weight > total:
            signs.append((between, weight / total))
        if votes:
            best = max(votes, key=lambda sign: votes[sign])
            signs.append((best, votes[best] / total))
    kept = [share for sign, share in signs if sign]
    share = sum(kept) / len(kept) if kept else 0.0
    return "".join(sign for sign, _ in signs), round(sure * share, 4)


def _cast(
    stays: list[dict[str, float]],
    comes: list[dict[str, float]],
    ballot: tuple[list[str], list[str]],
    weight: float,
) -> None:
    for votes, sign in zip(stays, ballot[0], strict=True):
        votes[sign] = votes.get(sign, 0.0) + weight
    for votes, sign in zip(comes, ballot[1], strict=True):
        if sign:
            votes[sign] = votes.get(sign, 0.0) + weight


def _laid(pivot: str, text: str) -> tuple[list[str], list[str]]:
    """Return what ``text`` has for each sign of ``pivot``, and what it has before each of them and at the end."""
    own, between = [""] * len(pivot), [""] * (len(pivot) + 1)
    for step in Levenshtein.opcodes(pivot, text):
        if step.tag == "insert":
            between[step.src_start] += text[step.dest_start : step.dest_end]
            continue
        for place in range(step.src_start, step.src_end):
            if step.tag != "delete":
                own[place] = text[step.dest_start + place - step.src_start]
    return own, between
