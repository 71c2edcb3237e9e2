import pytest

pytest.importorskip("pocketsphinx")
pytest.importorskip("rapidfuzz")
pytest.importorskip("sudachipy")

from jubako_apps.telop.findings import THRESHOLDS
from jubako_apps.telop.reconcile import english, japanese

EN = (
    "Heavy snow closed the airport for nine hours. Rescue teams have searched the valley since Tuesday for a climber "
    "from Oregon. The glass recipe, written down in 1873, was kept secret for 120 years."
)
JA = (
    "大雪のため、空港は九時間にわたって閉鎖されました。捜索隊は、火曜日から谷で登山者を捜しています。"
    "会議では、図書館の開館時間を延長することを決めました。人口は一・三倍に増えました。"
)


def found(module, text, speech, source="script"):
    every = module.suspicions(text, speech, source)
    return [(one.kind, one.wrong, one.right) for one in every if one.confidence >= THRESHOLDS["balanced"]]


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("Airport closed eight hours by snow", ("number", "eight", "nine")),
        ("Climber missing: rescue teams search since Monday", ("date", "Monday", "Tuesday")),
        ("Secret glass recipe of 1783", ("date", "1783", "1873")),
        ("Recipe for glass was secret for 210 years", ("number", "210", "120")),
        ("Climber rescue teams in Orgon valley", ("name", "Orgon", "Oregon")),
        ("Airport and valley under hevy snow", ("misspelling", "hevy", "Heavy")),
    ],
)
def test_a_fact_or_a_spelling_that_was_not_said_is_found_in_any_order_of_words(text, finding):
    assert found(english, text, EN) == [finding]


@pytest.mark.parametrize(
    "text",
    [
        "Snow shuts airport",
        "Climber missing for three days",
        "Snow: airport shut 540 minutes",
        "Glass recipe kept for 120 years",
        "Recorded on Monday",
        "Flights delayed by 40 minutes",
    ],
)
def test_other_words_for_the_same_are_left_alone_in_english(text):
    assert found(english, text, EN) == []


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("空港 8時間閉鎖", ("date", "8", "9")),
        ("捜索隊 月曜から谷で捜索", ("date", "月曜", "火曜")),
        ("図書館の開館時間 園長を決定", ("homophone", "園長", "延長")),
        ("大雪で空港を閑鎖", ("lookalike", "閑", "閉")),
        ("人口1.4倍に増える", ("number", "1.4", "1.3")),
    ],
)
def test_a_fact_or_a_word_that_was_not_said_is_found_in_any_order_of_signs(text, finding):
    kinds = found(japanese, text, JA)
    assert [one[0] for one in kinds] == [finding[0]]
    assert finding[1] in kinds[0][1] or kinds[0][1] in finding[1]


@pytest.mark.parametrize(
    "text",
    [
        "大雪で空港が閉鎖",
        "図書館 開館時間を延長",
        "取材は5月20日",
        "登山者を捜索 火曜から",
        "人口1.3倍",
        "空港閉鎖は540分",
    ],
)
def test_other_words_for_the_same_are_left_alone_in_japanese(text):
    assert found(japanese, text, JA) == []


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("Rescue teams have searched the valley since of Tuesday", ("extra", "of", "")),
        ("The driver had fallen asleep the wheel", ("missing", "", "at")),
    ],
)
def test_what_makes_a_sentence_no_sentence_is_found(text, finding):
    speech = "Rescue teams have searched the valley since Tuesday. The driver had fallen asleep at the wheel."
    assert found(english, text, speech) == [finding]


def test_a_particle_behind_a_particle_is_left_of_an_earlier_wording():
    assert found(japanese, "図書館の開館時間をが延長することを決めました", JA) == [("extra", "が", "")]


def test_a_headline_may_drop_its_articles_and_auxiliaries():
    assert found(english, "Rescue teams searched valley since Tuesday", EN) == []


def test_a_number_that_a_recogniser_may_have_misheard_is_worth_less_than_one_it_cannot():
    def confidence(heard):
        [one] = english.suspicions(
            "The hall holds 15 people tonight", f"the hall holds {heard} people tonight", "asr"
        )
        return one.confidence

    assert confidence("fifty") < THRESHOLDS["balanced"] <= confidence("twelve")
