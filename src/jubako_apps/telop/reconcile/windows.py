"""Which part of the speech belongs to a telop."""

from collections.abc import Sequence

from jubako_apps.telop.telops import Telop, Utterance

NEIGHBOURS = 1
"""Utterances before and behind those that overlap: telops come early and go late."""

SLACK_S = 1.0


def window(utterances: Sequence[Utterance], telop: Telop) -> list[Utterance]:
    """Return the utterances that overlap the telop, and `NEIGHBOURS` on each side.

    Without any overlap (a pause in the speech) the nearest ones count.
    """
    if not utterances:
        return []
    start, end = telop.start - SLACK_S, telop.end + SLACK_S
    touching = [n for n, u in enumerate(utterances) if u.start <= end and u.end >= start]
    if not touching:
        middle = (telop.start + telop.end) / 2
        touching = [min(range(len(utterances)), key=lambda n: abs(utterances[n].start - middle))]
    return list(utterances[max(0, touching[0] - NEIGHBOURS) : touching[-1] + NEIGHBOURS + 1])


def said(utterances: Sequence[Utterance], telop: Telop) -> str | None:
    """Return the sentence at the telop's time, for people."""
    overlaps = [(min(u.end, telop.end) - max(u.start, telop.start), -n) for n, u in enumerate(utterances)]
    if not overlaps:
        return None
    return utterances[-max(overlaps)[1]].text
