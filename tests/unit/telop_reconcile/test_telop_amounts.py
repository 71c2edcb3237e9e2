import pytest

from jubako_apps.telop.amounts_ja import amounts, are_comparable, beside, is_slip, unit


@pytest.mark.parametrize("text", ["2万3000人", "2.3万人", "二万三千人", "23,000人", "２万３千人"])
def test_an_amount_is_one_piece_however_it_is_written(text):
    number, counted = amounts(text)
    assert (number.key, text[number.start : number.end], counted.key) == ("23000", text[:-1], "人")


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("1億6000万円", ["160000000", "円"]),
        ("数万人", ["数", "万", "人"]),
        ("万が一", ["万", "が", "一"]),
        ("20~30個", ["20", "30", "個"]),
        ("3対2", ["3", "対", "2"]),
        ("13.8%", ["13.8", "%"]),
        ("2万30000人", ["2", "万", "30000", "人"]),
    ],
)
def test_only_what_belongs_together_is_one_amount(text, keys):
    assert [piece.key for piece in amounts(text)] == keys


@pytest.mark.parametrize(
    ("one", "other"), [("13.8%", "13.8パーセント"), ("8km", "八キロ"), ("3ヶ月", "三か月"), ("5℃", "五度")]
)
def test_a_unit_is_the_same_in_signs_and_in_words(one, other):
    assert unit(amounts(one), 0) == unit(amounts(other), 0)


def test_both_ends_of_a_range_have_its_unit():
    parts = amounts("20~30個の卵")
    assert [unit(parts, place) for place in (0, 1)] == ["個", "個"]


@pytest.mark.parametrize(
    ("shown", "said", "counted", "around", "comparable"),
    [
        ("2021", "5", "年", "開店", False),
        ("2021", "2022", "年", "開店", True),
        ("15", "3", "時", "から", False),
        ("15", "4", "時", "から", True),
        ("20000", "23000", "人", "人超", False),
        ("20000", "23000", "人", "人が", True),
        ("30000", "18000", "人", "約人", True),
        ("1.5", "1.6", "億", "", True),
    ],
)
def test_only_numbers_that_count_the_same_way_contradict_each_other(shown, said, counted, around, comparable):
    assert are_comparable(shown, said, counted, around) is comparable


@pytest.mark.parametrize(
    ("shown", "said", "slip"),
    [
        ("16.8", "13.8", True),
        ("54", "45", True),
        ("150", "1500", True),
        ("3800000", "380000000000", True),
        ("1.5", "15", False),
        ("7", "1", False),
        ("128", "305", False),
    ],
)
def test_a_finger_slips_in_one_digit_or_a_scale(shown, said, slip):
    assert is_slip(shown, said) is slip


def test_what_stands_beside_a_number_is_looked_at():
    text = "参加者は約2万人超です"
    [number] = [part for part in amounts(text) if part.is_number]
    assert beside(text, number) == "者は約人超で"
