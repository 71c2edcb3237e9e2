from dataclasses import replace

import pytest

pytest.importorskip("rapidfuzz")

from jubako_apps.telop.findings import Suspicion
from jubako_apps.telop.lists import Forbidden, ListError, Lists, forbidden_from, glossary_from
from jubako_apps.telop.reconcile import reconcile
from jubako_apps.telop.reconcile.names import frequent_names
from jubako_apps.telop.reconcile.terms import checked, near_misses, places
from jubako_apps.telop.telops import Telop, Transcript, Utterance


def telops(*texts: str) -> list[Telop]:
    return [
        Telop(
            id=n, segment=0, lane=0, start=10.0 * n, end=10.0 * n + 3, open_end=False, text=text, confidence=1.0,
            box=(0.0, 0.0, 1.0, 1.0),
        )
        for n, text in enumerate(texts)
    ]  # fmt: skip


def speech(*texts: str, language: str = "en") -> Transcript:
    utterances = tuple(
        Utterance(id=n, start=10.0 * n, end=10.0 * n + 3, text=text, words=()) for n, text in enumerate(texts)
    )
    return Transcript(source="script" if texts else "none", language=language, utterances=utterances)


def test_lists_are_what_spreadsheets_write():
    table = "\ufeff用語,読み\r\n高橋美咲,たかはしみさき\r\n\r\n# 注\r\n高橋美咲\r\n"
    assert glossary_from(table.encode(), "ja") == ("高橋美咲",)
    assert glossary_from("豆腐よう".encode("cp932"), "ja") == ("豆腐よう",)
    assert forbidden_from(b'"stewardess","flight attendant"\nnope\n', "en") == (
        Forbidden("stewardess", "flight attendant"),
        Forbidden("nope"),
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"", "no words"), (b"\0\1\2", "list"), (b"term\n", "no words"), (b"x" * 101, "101 characters")],
)
def test_what_is_no_list_is_refused_with_a_sentence(data, words):
    with pytest.raises(ListError, match=words):
        glossary_from(data, "en")


def test_a_forbidden_word_is_found_wherever_it_stands_whatever_was_said():
    pytest.importorskip("pocketsphinx")
    lists = Lists(forbidden=(Forbidden("stewardess", "flight attendant"), Forbidden("土人")))
    [one] = reconcile(telops("Former Stewardess returns", "stewardesses"), speech(), "strict", lists)
    assert (one.kind, one.wrong, one.right) == ("forbidden word", "Stewardess", "flight attendant")
    assert one.severity == "high"
    assert places("原住土人です", "土人") == [(2, 4)]


def test_a_glossary_makes_right_what_looks_wrong_and_wrong_what_is_near_it():
    pytest.importorskip("pocketsphinx")
    spoken = speech("We visited Recieve today", "Anna Bergstrom joined us")
    plain = reconcile(telops("Recieve opens", "With Anna Bergstron"), speech())
    assert [one.kind for one in plain] == ["unknown word"]
    lists = Lists(glossary=("Recieve", "Bergstrom"))
    [one] = reconcile(telops("Recieve opens", "With Anna Bergstron"), spoken, "balanced", lists)
    assert (one.kind, one.wrong, one.right) == ("name", "Bergstron", "Bergstrom")


def test_two_terms_of_the_glossary_are_not_confused_silently():
    one = Suspicion(kind="name", offset=0, wrong="Bergman", right="Bergmann", confidence=0.9)
    both = Lists(glossary=("Bergman", "Bergmann"))
    assert checked([one], "Bergman", "", "ja", both) == [one]
    assert checked([replace(one, right="Burgman")], "Bergman", "", "ja", both) == []


@pytest.mark.parametrize(
    ("text", "term", "language", "found"),
    [
        ("山元和子教授", "山本和子", "ja", [(0, 4)]),
        ("山本和子教授", "山本和子", "ja", []),
        ("東京で開く", "東京都", "ja", []),
        ("With Bergstron", "Bergstrom", "en", [(5, 14)]),
        ("With Bergstroms", "Bergstrom", "en", []),
        ("a bright light", "Wright", "en", []),
        ("Hendersom", "Henderson", "en", [(0, 9)]),
        ("Havdn Quartet", "Haydn", "en", []),
    ],
)
def test_near_misses_are_slips_and_neither_everyday_words_nor_misreadings(text, term, language, found):
    pytest.importorskip("pocketsphinx" if language == "en" else "sudachipy")
    assert near_misses(text, term, language) == found


def test_a_name_written_otherwise_than_elsewhere_in_the_video_is_reported_with_the_usual_form():
    pytest.importorskip("pocketsphinx")
    shown = telops("Reporter Daniel Fosterly", "Live: Daniel Fosterly", "Goodbye from Daniel Fosterli")
    [one] = reconcile(shown, speech())
    assert (one.kind, one.telop_id, one.wrong, one.right) == ("inconsistency", 2, "Fosterli", "Fosterly")
    spoken = speech("a", "b", "Goodbye from Daniel Fosterli")
    assert [one.kind for one in reconcile(shown, spoken)].count("inconsistency") == 0


def test_a_japanese_name_in_another_kanji_is_inconsistent():
    pytest.importorskip("sudachipy")
    shown = telops("山本和子教授", "海を研究する山本和子さん", "山元和子教授の講演")
    [one] = reconcile(shown, speech(language="ja"))
    assert (one.kind, one.wrong, one.right) == ("inconsistency", "山元和子", "山本和子")
    assert frequent_names([telop.text for telop in shown], "ja") == ["山本和子"]
