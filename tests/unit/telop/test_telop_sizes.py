from jubako_apps.telop.ocr import Line
from jubako_apps.telop.sizes import first_of_other_size


def row(text: str, height: float) -> list[Line]:
    return [Line(text=text, confidence=1.0, box=(0.0, 0.0, 100.0, height))]


def test_a_name_in_smaller_signs_above_a_caption_is_a_telop_of_its_own():
    rows = [
        row("双子の姉妹菊池遥香", 79),
        row("北海道から来た双子の姉妹が息の合", 106),
        row("った踊りを披露します", 102),
    ]
    assert first_of_other_size(rows) == 1
    assert first_of_other_size(rows[1:]) == 2


def test_lines_without_signs_of_full_height_say_nothing_about_the_size():
    assert first_of_other_size([row("逮捕されたのは無職の男", 100), row("です", 70)]) == 2
    assert first_of_other_size([row("A judge ruled that evidence", 72), row("soon as can", 42)]) == 2
    assert (
        first_of_other_size([row("Mayor Patricia Young", 50), row("The budget was approved by all", 70)]) == 1
    )
