"""Telops against speech: what differs, what kind of error it is, and how sure that is."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from jubako_apps.telop.calibration import probability
from jubako_apps.telop.findings import SEVERITY, THRESHOLDS, Finding, Suspicion, in_order
from jubako_apps.telop.lists import NO_LISTS, Lists
from jubako_apps.telop.reconcile.agreement import agreed
from jubako_apps.telop.reconcile.hearing import weighed
from jubako_apps.telop.reconcile.names import inconsistencies
from jubako_apps.telop.reconcile.terms import checked
from jubako_apps.telop.reconcile.windows import said, window
from jubako_apps.telop.telops import Telop, Transcript

if TYPE_CHECKING:
    from jubako_apps.telop.verify import Ear

__all__ = ["reconcile", "scored"]


def reconcile(
    telops: Iterable[Telop],
    transcript: Transcript,
    mode: str = "balanced",
    lists: Lists = NO_LISTS,
    ear: "Ear | None" = None,
    foresee: Callable[[Telop], None] = lambda _: None,
) -> list[Finding]:
    """Return what a caption editor should look at, in the order of the video.

    Args:
        telops: Merged telops.
        transcript: What is said; its language is that of the telops.
        mode: ``strict``, ``balanced`` or ``sensitive``: how doubtful a finding may be.
        lists: The programme's glossary and forbidden words.
        ear: Settles by the sound what a recogniser may have misheard; without it nobody listens again.
        foresee: Told each telop that is suspected, before the sound is asked about it, which takes time.

    """
    scores = scored(telops, transcript, THRESHOLDS[mode], lists, ear, foresee)
    return [
        replace(finding, confidence=probability(finding.confidence, transcript.source)) for finding in scores
    ]


def scored(
    telops: Iterable[Telop],
    transcript: Transcript,
    least: float,
    lists: Lists = NO_LISTS,
    ear: "Ear | None" = None,
    foresee: Callable[[Telop], None] = lambda _: None,
) -> list[Finding]:
    """Return the findings with a score of ``least`` or more, their scores in place of their confidence."""
    every = list(telops)
    found = []
    for telop in every:
        speech = window(transcript.utterances, telop)
        text = "\n".join(utterance.text for utterance in speech)
        suspicions = _suspicions(telop.text, text, transcript)
        if suspicions:
            foresee(telop)
        if ear is not None and transcript.source == "asr":
            suspicions = [weighed(suspicion, speech, ear) for suspicion in suspicions]
        if transcript.source == "asr":
            suspicions = [agreed(suspicion, telop, every, transcript.language) for suspicion in suspicions]
        suspicions = checked(suspicions, telop.text, text, transcript.language, lists)
        found += [_finding(telop, one, said(transcript.utterances, telop)) for one in suspicions]
    seen = {(finding.telop_id, finding.offset) for finding in found if finding.confidence >= least}
    for telop, suspicion in inconsistencies(every, transcript, lists):
        if (telop.id, suspicion.offset) not in seen:
            found.append(_finding(telop, suspicion, said(transcript.utterances, telop)))
    return in_order(finding for finding in found if finding.confidence >= least)


def _suspicions(text: str, speech: str, transcript: Transcript) -> list[Suspicion]:
    # Each language brings a dictionary of its own; only the one that is needed is loaded.
    if transcript.language == "ja":
        from jubako_apps.telop.reconcile import japanese  # noqa: PLC0415

        return japanese.suspicions(text, speech, transcript.source)
    from jubako_apps.telop.reconcile import english  # noqa: PLC0415

    return english.suspicions(text, speech, transcript.source)


def _finding(telop: Telop, suspicion: Suspicion, sentence: str | None) -> Finding:
    return Finding(
        id=f"{telop.id}-{suspicion.offset}-{suspicion.kind.replace(' ', '-')}",
        telop_id=telop.id,
        start=telop.start,
        end=telop.end,
        kind=suspicion.kind,
        telop=telop.text,
        offset=suspicion.offset,
        wrong=suspicion.wrong,
        right=suspicion.right or None,
        said=sentence,
        # A reading that is itself doubtful makes everything doubtful that is built on it.
        confidence=round(suspicion.confidence * min(1.0, 0.5 + telop.confidence / 2), 3),
        severity=SEVERITY[suspicion.kind],
    )
