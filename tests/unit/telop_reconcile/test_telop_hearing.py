import shutil
import subprocess
import wave
from collections.abc import Sequence
from typing import Any

import pytest

pytest.importorskip("pocketsphinx")
np = pytest.importorskip("numpy")
pytest.importorskip("av")
pytest.importorskip("rapidfuzz")

from jubako_apps.telop.findings import Suspicion  # noqa: E402
from jubako_apps.telop.recognisers.sphinx import PocketSphinx  # noqa: E402
from jubako_apps.telop.reconcile import reconcile  # noqa: E402
from jubako_apps.telop.reconcile.english import suspicions  # noqa: E402
from jubako_apps.telop.reconcile.hearing import weighed  # noqa: E402
from jubako_apps.telop.speech import listen  # noqa: E402
from jubako_apps.telop.spoken_en import wordings  # noqa: E402
from jubako_apps.telop.telops import Telop, Utterance, Word  # noqa: E402
from jubako_apps.telop.verify import SphinxEar, near  # noqa: E402
from jubako_apps.telop.voice import Samples  # noqa: E402


class Told:
    """An ear that is told what to hear, and remembers what it was asked."""

    clear = 0.02

    def __init__(self, margins: dict[str, float | None]) -> None:
        self.margins = margins
        self.asked: list[tuple[str, str, str]] = []

    def margin(self, words: Sequence[Word], first: int, last: int, shown: str, heard: str) -> float | None:
        self.asked.append((" ".join(word.text for word in words[first:last]), shown, heard))
        return self.margins.get(heard)


def utterance(text: str) -> Utterance:
    words = tuple(
        Word(start=n / 2, end=n / 2 + 0.5, text=word, confidence=1.0) for n, word in enumerate(text.split())
    )
    return Utterance(id=0, start=0.0, end=len(words) / 2, text=text, words=words)


@pytest.mark.parametrize(
    ("margin", "confidence"), [(-0.1, 0.245), (0.01, 0.56), (0.3, 0.9), (None, 0.7), (0.0, 0.56)]
)
def test_what_the_sound_contradicts_is_hardly_reported_and_what_it_supports_is_worth_more(margin, confidence):
    one = Suspicion(kind="number", offset=4, wrong="60", right="sixteen", confidence=0.7, heard_at=(8, 15))
    ear = Told({"sixteen": margin})
    assert weighed(one, [utterance("we need sixteen nurses")], ear).confidence == confidence
    assert ear.asked == [("sixteen", "60", "sixteen")]


def test_without_a_place_in_the_speech_nobody_listens():
    ear = Told({})
    one = Suspicion(kind="extra", offset=0, wrong="a", right="", confidence=0.9)
    assert weighed(one, [utterance("a b")], ear) == one
    assert ear.asked == []


def test_a_weekday_that_the_recogniser_did_not_get_is_looked_for_among_all_weekdays():
    heard = "the report will be published her stay at noon"
    [one] = suspicions("The report will be published Friday at noon", heard, "asr")
    assert (one.kind, one.right, one.confidence) == ("date", None, 0.2)
    ear = Told({"thursday": 0.4, "monday": 0.1})
    found = weighed(one, [utterance(heard)], ear)
    assert (found.right, found.confidence) == ("Thursday", 0.75)
    assert ear.asked[0] == ("her stay", "Friday", "monday")
    assert weighed(one, [utterance(heard)], Told({"monday": 0.001})) == one


@pytest.mark.parametrize(
    ("text", "ways"),
    [
        ("1,200", ["one thousand two hundred", "twelve hundred"]),
        ("1926", ["one thousand nine hundred twenty six", "nineteen twenty six"]),
        ("14th", ["fourteen", "fourteenth"]),
        ("20", ["twenty", "twentieth"]),
        ("27 million", ["twenty seven million"]),
        ("3.5", ["three point five"]),
        ("Denver", ["denver"]),
        ("!", []),
    ],
)
def test_how_what_is_written_is_said(text, ways):
    assert [" ".join(way) for way in wordings(text)][: len(ways) or None] == ways


@pytest.fixture(scope="module")
def said(tmp_path_factory) -> Any:
    if shutil.which("flite") is None:
        pytest.skip("flite is not installed")
    path = tmp_path_factory.mktemp("voice") / "a.wav"
    text = "The company will close its factory in Denver and cut fourteen jobs on Tuesday."
    subprocess.run(["flite", "-voice", "slt", "-t", text, "-o", str(path)], check=True)
    with wave.open(str(path)) as file:
        voice = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)
    return np.concatenate([np.zeros(8000, dtype=np.int16), voice, np.zeros(8000, dtype=np.int16)])


def test_no_word_beyond_a_long_silence_is_listened_to():
    starts = [0.0, 0.5, 7000.0, 7000.5, 7001.0, 7009.0]
    words = [Word(start=start, end=start + 0.4, text="word", confidence=1.0) for start in starts]
    assert near(words, 3, 4) == (2, 5)
    assert near(words, 0, 1) == (0, 2)
    assert near(words, 5, 6) == (5, 6)


class Deaf:
    """A sound that nobody may listen to."""

    duration = 9000.0

    def between(self, start: float, end: float) -> Any:
        raise AssertionError((start, end))


def test_words_that_hours_lie_between_are_not_compared():
    words = [
        Word(start=start, end=start + 0.4, text=text, confidence=1.0)
        for start, text in ((0.0, "the"), (0.5, "four"), (7000.0, "teen"), (7000.5, "jobs"))
    ]
    assert SphinxEar(Deaf()).margin(words, 1, 3, "40", "fourteen") is None


def test_real_sound_tells_numbers_and_days_apart_and_not_what_sounds_the_same(said):
    heard = listen(Samples(said), "en", PocketSphinx())
    words = [word for one in heard.utterances for word in one.words]
    texts = [word.text for word in words]
    ear = SphinxEar(Samples(said))
    for true, false in (("fourteen", "40"), ("tuesday", "Thursday")):
        place = texts.index(true)
        margin = ear.margin(words, place, place + 1, false, true)
        back = ear.margin(words, place, place + 1, true, false)
        assert margin is not None
        assert margin > ear.clear
        assert back == pytest.approx(-margin)
    place = texts.index("its")
    assert ear.margin(words, place, place + 1, "it's", "its") is None
    assert ear.margin(words, place, place + 1, "xqzt", "its") is None
    telop = Telop(
        id=1, segment=0, lane=0, start=0.5, end=5, open_end=False, text="Factory in Denver cuts 40 jobs on Thursday",
        confidence=1.0, box=(0.0, 0.0, 1.0, 1.0),
    )  # fmt: skip
    found = reconcile([telop], heard, "strict", ear=ear)
    assert ("date", "Thursday") in [(one.kind, one.wrong) for one in found]
