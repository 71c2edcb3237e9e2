import pytest

pytest.importorskip("rapidfuzz")

from jubako_apps.telop.reconcile.offset import moved, offset
from jubako_apps.telop.telops import Telop, Transcript, Utterance, Word

TEXTS = (
    "The weather is fine",
    "Mayor opens bridge",
    "Two men robbed a bank",
    "Trains stand still",
    "Good night",
)


def telops(late: float = 0.0) -> list[Telop]:
    return [
        Telop(
            id=n, segment=0, lane=0, start=20.0 + 6 * n + late, end=23.0 + 6 * n + late, open_end=False, text=text,
            confidence=1.0, box=(0.0, 0.0, 1.0, 1.0),
        )
        for n, text in enumerate(TEXTS)
    ]  # fmt: skip


def script(*texts: str, source: str = "script") -> Transcript:
    utterances = tuple(
        Utterance(
            id=n, start=20.0 + 6 * n, end=25.0 + 6 * n, text=f"{text}.",
            words=(Word(start=20.0 + 6 * n, end=21.0 + 6 * n, text="a", confidence=1.0),),
        )
        for n, text in enumerate(texts)
    )  # fmt: skip
    return Transcript(source="script" if source == "script" else "asr", language="en", utterances=utterances)


@pytest.mark.parametrize("late", [3.0, -3.0, 12.5])
def test_a_script_that_is_off_as_a_whole_is_found_out_and_moved(late):
    assert offset(script(*TEXTS), telops(late)) == late
    there = moved(script(*TEXTS), late)
    assert there.utterances[1].start == 26.0 + late
    assert there.utterances[1].words[0].end == 27.0 + late
    assert offset(there, telops(late)) == 0.0


@pytest.mark.parametrize(
    ("said", "late"),
    [
        (script(*TEXTS), 0.4),
        (script(*TEXTS, source="asr"), 3.0),
        (script("Somebody else", "speaks of", "something else"), 3.0),
        (script(*TEXTS[:2]), 3.0),
        (script(*TEXTS[::-1]), 0.0),
    ],
)
def test_what_is_not_off_or_nobody_can_tell_is_left_alone(said, late):
    assert offset(said, telops(late)) == 0.0


def test_nothing_is_moved_before_the_start():
    assert moved(script(*TEXTS), -24.0).utterances[0].start == 0.0
