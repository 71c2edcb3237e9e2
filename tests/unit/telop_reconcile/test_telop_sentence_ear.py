from collections.abc import Sequence

import pytest

pytest.importorskip("sudachipy")
pytest.importorskip("rapidfuzz")
pytest.importorskip("pocketsphinx")
np = pytest.importorskip("numpy")
pytest.importorskip("av")

from jubako_apps.telop.media import SAMPLE_RATE, Pcm  # noqa: E402
from jubako_apps.telop.reconcile import reconcile, scored  # noqa: E402
from jubako_apps.telop.telops import Telop, Transcript, Utterance, Word  # noqa: E402
from jubako_apps.telop.verify import CLOSE, SentenceEar  # noqa: E402
from jubako_apps.telop.voice import Samples  # noqa: E402

SAID = ("警察", "は", "火曜日", "に", "二十", "六", "人", "を", "保護し", "ました")


class Judge:
    """Finds a text the likelier the fewer of the doubted words it has, and keeps what it was asked."""

    def __init__(self, doubts: dict[str, float]) -> None:
        self.doubts = doubts
        self.asked: list[str] = []
        self.seconds: list[float] = []

    def fits(self, sound: Pcm, texts: Sequence[str]) -> list[float]:
        self.asked += texts
        self.seconds.append(len(sound) / SAMPLE_RATE)
        return [-sum(doubt for word, doubt in self.doubts.items() if word in text) for text in texts]


def spoken(words: Sequence[str] = SAID) -> Utterance:
    timed = tuple(
        Word(start=n / 2, end=n / 2 + 0.5, text=word, confidence=0.9) for n, word in enumerate(words)
    )
    return Utterance(id=0, start=0.0, end=len(words) / 2, text="".join(words), words=timed)


def ear(judge: Judge, language: str = "ja") -> SentenceEar:
    return SentenceEar(Samples(np.zeros(10 * SAMPLE_RATE, dtype=np.int16)), judge, language)


def test_the_whole_wording_is_judged_with_one_slot_exchanged():
    judge = Judge({"水曜日": 9.0})
    margin = ear(judge).margin(spoken().words, 2, 3, "水曜日", "火曜日")
    assert margin == 9.0 - CLOSE
    assert judge.asked == ["警察は火曜日に二十六人を保護し", "警察は水曜日に二十六人を保護し"]
    assert judge.seconds[0] == pytest.approx(4.65)


def test_what_was_judged_once_is_not_judged_again():
    judge = Judge({})
    listening = ear(judge)
    for _ in range(2):
        listening.margin(spoken().words, 2, 3, "水曜日", "火曜日")
    assert len(judge.asked) == 2


@pytest.mark.parametrize(("shown", "heard", "language"), [("補償", "保証", "ja"), ("their", "there", "en")])
def test_what_sounds_the_same_is_not_asked_for(shown, heard, language):
    judge = Judge({})
    assert ear(judge, language).margin(spoken().words, 2, 3, shown, heard) is None
    assert judge.asked == []


def test_a_stretch_longer_than_the_model_hears_at_once_is_not_asked_for():
    far = [Word(start=40.0 * n, end=40.0 * n + 1, text="語", confidence=1.0) for n in range(3)]
    assert ear(Judge({})).margin(far, 1, 2, "水曜日", "火曜日") is None


def telop(text: str) -> Telop:
    return Telop(
        id=1, segment=0, lane=0, start=0.5, end=4.5, open_end=False, text=text, confidence=1.0,
        box=(0.0, 0.0, 1.0, 1.0),
    )  # fmt: skip


TRANSCRIPT = Transcript(source="asr", language="ja", utterances=(spoken(),))


@pytest.mark.parametrize(("doubt", "expected"), [(9.0, 0.9), (1.0, 0.3), (3.0, 0.6)])
def test_a_japanese_number_is_worth_what_the_sound_says(doubt, expected):
    judge = Judge({"二十八人": doubt, "28人": doubt})
    [one] = scored([telop("警察は火曜日に28人を保護しました")], TRANSCRIPT, 0.1, ear=ear(judge))
    assert (one.kind, one.wrong) == ("number", "28")
    assert one.confidence == pytest.approx(expected, abs=0.1)


def test_without_an_ear_the_same_number_is_reported_with_less_trust():
    [one] = reconcile([telop("警察は火曜日に28人を保護しました")], TRANSCRIPT, "balanced")
    assert (one.kind, one.right) == ("number", "26")
