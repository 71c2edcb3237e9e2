import pytest

from jubako_apps.telop import notation


@pytest.mark.parametrize(
    ("key", "like", "written"),
    [
        ("45000000", "54 million", "45 million"),
        ("2500000", "3.5 million", "2.5 million"),
        ("1200", "1,300", "1,200"),
        ("45000", "54000", "45,000"),
        ("3", "4th", "3rd"),
        ("12", "21st", "12th"),
        ("9", "six", "nine"),
        ("3", "second", "third"),
        ("2.7", "7.2", "2.7"),
        ("1988", "1978", "1988"),
    ],
)
def test_an_english_number_is_written_as_the_telop_writes_numbers(key, like, written):
    assert notation.english(key, like) == written


@pytest.mark.parametrize(
    ("key", "like", "written"),
    [
        ("15", "16", "15"),
        ("15", "１６", "１５"),
        ("15", "十六", "十五"),
        ("340", "三百五十", "三百四十"),
        ("1000", "二千", "千"),
        ("2026", "二〇二五", "二〇二六"),
        ("1.3", "一・四", "一・三"),
        ("0", "九", "〇"),
        ("23000", "2万8000", "2万3000"),
        ("160000000", "1.8億", "1.6億"),
        ("23000", "二万八千", "二万三千"),
        ("3800000", "三百八十億", "三百八十万"),
    ],
)
def test_a_japanese_number_is_written_as_the_telop_writes_numbers(key, like, written):
    assert notation.japanese(key, like) == written
