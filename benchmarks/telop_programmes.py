"""Errors that no sentence shows alone: a name written in two ways in one programme, and forbidden words.

A programme is all the name supers of one half, each shown three times over while other sentences are said, once of
them with a slip; and all summaries, with a list of forbidden words that some of them hold.
"""

import random
from dataclasses import replace

import telop_slips_en
import telop_slips_ja
from jubako_apps.telop.findings import Finding
from jubako_apps.telop.lists import NO_LISTS, Forbidden
from jubako_apps.telop.reconcile import reconcile
from jubako_apps.telop.score import score
from jubako_apps.telop.telops import Telop, Transcript
from telop_runs import LENGTH_S, plain_telop
from telop_sentences import Half, sentences

SEEDS = range(1, 7)
SHOWN = 3
NG = {
    "en": ("smoke", "ugliest", "meter", "children", "loaf", "honey", "kitchen"),
    "ja": ("子ども", "職人", "最高", "無料", "全員", "台風", "仏像"),
}


def counted(half: Half) -> dict[str, list[int]]:
    """Return how many were found, were planted, and were made up, of each kind."""
    result = {}
    for language in ("en", "ja"):
        counts = [_inconsistent(language, seed, half) for seed in SEEDS]
        result[f"{language} one name in two ways"] = [sum(column) for column in zip(*counts, strict=True)]
        result[f"{language} forbidden words"] = list(_forbidden(language, half))
    return result


def _inconsistent(language: str, seed: int, half: Half) -> tuple[int, int, int]:
    rng = random.Random(f"{seed} names")
    telops: list[Telop] = []
    errors = []
    for sentence in sentences(language, half):
        if sentence.name is None:
            continue
        slipped = _slipped(sentence.name, language, rng)
        for turn in range(SHOWN):
            text = slipped[0] if turn == 1 and slipped else sentence.name
            number = len(telops)
            if text != sentence.name and slipped:
                errors.append(
                    {"telop": number, "kind": "inconsistency", "wrong": slipped[1], "right": slipped[2]}
                )
            telops.append(plain_telop(number, LENGTH_S * number, LENGTH_S * number + 4.0, text))
    silent = Transcript(source="none", language=language, utterances=())
    return _counted(reconcile(telops, silent), telops, errors)


def _slipped(name: str, language: str, rng: random.Random) -> tuple[str, str, str] | None:
    """Return the super with one name gone wrong, what is wrong and what is right; None if no slip fits."""
    words = name.split()
    if language == "en":
        found = [one for one in telop_slips_en.slips(words, rng, is_whole=False) if one.kind == "name"]
        found = [one for one in found if one.place >= len(words) - 2]
        if not found:
            return None
        slip = rng.choice(found)
        return " ".join([*words[: slip.place], slip.new, *words[slip.place + 1 :]]), slip.new, slip.old
    signs = [one for one in telop_slips_ja.slips(name, rng, is_whole=False) if one.kind == "name"]
    if not signs:
        return None
    slip = rng.choice(signs)
    return name[: slip.place] + slip.new + name[slip.place + len(slip.old) :], slip.new, slip.old


def _forbidden(language: str, half: Half) -> tuple[int, int, int]:
    telops = [
        plain_telop(n, LENGTH_S * n, LENGTH_S * n + 4.0, one.summary)
        for n, one in enumerate(sentences(language, half))
    ]
    lists = replace(NO_LISTS, forbidden=tuple(Forbidden(word) for word in NG[language]))
    errors = [
        {"telop": telop.id, "kind": "forbidden word", "wrong": word, "right": ""}
        for telop in telops
        for word in NG[language]
        if (word in telop.text.lower().split() if language == "en" else word in telop.text)
    ]
    silent = Transcript(source="none", language=language, utterances=())
    return _counted(reconcile(telops, silent, "balanced", lists), telops, errors)


def _counted(
    findings: list[Finding], telops: list[Telop], errors: list[dict[str, object]]
) -> tuple[int, int, int]:
    truth = {"telops": [{"start": t.start, "end": t.end, "text": t.text} for t in telops], "errors": errors}
    result = score(findings, truth)
    return result.found, len(errors), result.wrong
