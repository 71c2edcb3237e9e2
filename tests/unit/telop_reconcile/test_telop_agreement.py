import pytest

pytest.importorskip("pocketsphinx")
pytest.importorskip("rapidfuzz")

from jubako_apps.telop.reconcile import reconcile
from jubako_apps.telop.telops import Telop, Transcript, Utterance


def telop(number, text, start=0.0):
    return Telop(
        id=number, segment=0, lane=0, start=start, end=start + 3, open_end=False, text=text, confidence=1.0,
        box=(0.0, 0.0, 1.0, 1.0),
    )  # fmt: skip


def heard(text, source="asr"):
    one = Utterance(id=0, start=0.0, end=5.0, text=text, words=())
    return Transcript(source=source, language="en", utterances=(one,))


def numbers(telops, said, mode="sensitive"):
    return {one.telop_id: one.confidence for one in reconcile(telops, said, mode) if one.kind == "number"}


SAID = heard("the court sentenced twelve men on sunday")
WRONG = telop(1, "Court sentences 21 men")


def test_two_telops_that_agree_outweigh_the_recogniser():
    alone = numbers([WRONG], SAID)
    together = numbers([WRONG, telop(2, "21 men sentenced by court", 3.0)], SAID)
    assert together.get(1, 0.0) < alone[1]


def test_a_telop_that_has_what_was_heard_convicts_the_odd_one():
    alone = numbers([WRONG], SAID)
    beside = numbers([WRONG, telop(2, "Twelve men before court", 3.0)], SAID)
    assert beside[1] > alone[1]
    assert 2 not in beside


def test_telops_far_apart_say_nothing_about_each_other():
    far = numbers([WRONG, telop(2, "21 men sentenced", 300.0)], SAID)
    assert far[1] == numbers([WRONG], SAID)[1]


def test_a_script_needs_no_witnesses():
    said = heard("The court sentenced twelve men on Sunday.", "script")
    both = [WRONG, telop(2, "21 men sentenced by court", 3.0)]
    assert set(numbers(both, said, "balanced")) == {1, 2}
