from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("pocketsphinx")
pytest.importorskip("rapidfuzz")

from jubako_apps.telop.findings import THRESHOLDS, Suspicion
from jubako_apps.telop.reconcile.english import suspicions
from jubako_apps.telop.text_en import words

SPOKEN = (
    "Good evening. The weather will be sunny on Tuesday. Mayor Catherine Lee opened the festival on March 3rd. "
    "Police said that two hundred and six people were arrested near the river. "
    "The council approved a budget of forty five million dollars. Rain is expected until the end of the month."
)


def found(text: str, speech: str = SPOKEN, source: str = "script") -> list[Suspicion]:
    both = suspicions(text, speech, "asr" if source == "asr" else "script")
    return [suspicion for suspicion in both if suspicion.confidence >= THRESHOLDS["balanced"]]


@pytest.mark.parametrize(
    ("text", "kind", "wrong", "right"),
    [
        ("The whether will be sunny on Tuesday", "homophone", "whether", "weather"),
        ("The weather will be suny on Tuesday", "misspelling", "suny", "sunny"),
        ("The weather will be sunny on Thursday", "date", "Thursday", "Tuesday"),
        ("Mayor Katherine Lee opened the festival", "name", "Katherine", "Catherine"),
        ("Festival opened March 4", "date", "4", "3"),
        ("205 people were arrested", "number", "205", "206"),
        ("The council approved a budget of 54 million", "number", "54 million", "45 million"),
        ("Rain until the the end of the month", "extra", "the", ""),
        ("The council approved a of 45 million dollars", "missing", "", "budget"),
        ("Recieve a free gift", "unknown word", "Recieve", "receive"),
    ],
)
def test_an_error_is_found_with_its_kind_and_place(text, kind, wrong, right):
    [suspicion] = found(text)
    assert (suspicion.kind, suspicion.wrong, suspicion.right) == (kind, wrong, right)
    assert text[suspicion.offset :].startswith(wrong)


@pytest.mark.parametrize(
    "text",
    [
        "The weather will be sunny on Tuesday",
        "THE WEATHER WILL BE SUNNY",
        "206 people arrested near river",
        "Budget: $45 million approved",
        "Festival opened 3 March",
        "sunnv on Tuesdav",
        "The weatherwill be sunny",
        "Interview recorded on May 15",
        "Live from New York",
        "Dr. Miller",
        "Dr. Catherine Lee",
        "",
        "!!! 100% ???",
    ],
)
def test_what_is_right_or_only_misread_or_said_otherwise_is_left_alone(text):
    assert found(text) == []


LONG = "He grew up in a lighthouse, was officially asked to cross the new bridge, and the valley fills with sound."


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("He grew up a lighthouse", "in"),
        ("grew up in a lighthouse, was officially asked to the new bridge", "cross"),
        ("asked to cross the new bridge, and the fills with sound", "valley"),
        ("asked to cross the bridge, and the valley fills with sound", None),
        ("grew up in a lighthouse, was asked to cross the new bridge", None),
        ("Police arrested 206 people near river, rain Tuesday", None),
    ],
)
def test_the_only_lost_word_is_missing_unless_it_only_modifies(text, right):
    assert [(one.kind, one.right) for one in found(text, LONG)] == ([("missing", right)] if right else [])


def test_a_recognised_word_is_believed_only_if_the_telop_reads_better_with_it():
    heard = "the whether will be sunny on tuesday and the city of boston has new rules"
    assert found("The weather will be sunny on Tuesday", heard, "asr") == []
    assert [s.right for s in found("The whether will be sunny", SPOKEN.lower(), "asr")] == ["weather"]


def test_what_a_recogniser_did_not_hear_is_not_missing():
    assert found("The council approved a of 45 million dollars", source="asr") == []


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("Two hundred and five", ["205"]),
        ("1,205 cars", ["1205", "cars"]),
        ("nineteen ninety-five", ["1995"]),
        ("twenty twenty six", ["2026"]),
        ("two million five hundred thousand", ["2500000"]),
        ("5.5 million", ["5500000"]),
        ("seven thirty p.m.", ["7", "30", "pm"]),
        ("the 2nd of April", ["april", "2"]),
        ("April second", ["april", "2"]),
        ("may I come in May", ["may", "i", "come", "in", "may"]),
        ("It’s 20%", ["it's", "20", "percent"]),
    ],
)
def test_what_is_said_alike_has_the_same_words(text, keys):
    assert [word.key for word in words(text)] == keys


@given(st.text())
def test_every_word_keeps_its_place(text):
    places = sorted((word.start, word.end) for word in words(text))
    assert all(start < end for start, end in places)
    assert all(left[1] <= right[0] for left, right in pairwise(places))


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.text(max_size=200), st.sampled_from(["script", "asr"]))
def test_no_text_whatever_breaks_it_and_places_lie_in_the_telop(text, speech, source):
    for suspicion in suspicions(text, speech, source):
        assert 0 <= suspicion.offset <= len(text)
        assert 0 <= suspicion.confidence <= 1
