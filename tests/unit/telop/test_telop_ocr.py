import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")

from jubako_apps.telop import ocr  # noqa: E402
from jubako_apps.telop.ocr import EngineMissing, Line, Reading, in_rows, is_text, joined, read_region, surer  # noqa: E402


def line(text: str, x: float, y: float, height: float = 20.0, confidence: float = 0.9) -> Line:
    return Line(text=text, confidence=confidence, box=(x, y, 60.0, height))


class Fixed:
    """Reads the same lines whatever it is shown, and keeps what it was shown."""

    def __init__(self, *lines: Line) -> None:
        self.lines = list(lines)
        self.shape: tuple[int, ...] = ()

    def read(self, image: Any) -> list[Line]:
        self.shape = image.shape
        return self.lines


def test_pieces_are_read_row_by_row_from_left_to_right():
    rows = in_rows([line("d", 80, 42), line("b", 90, 8), line("c", 0, 40), line("a", 0, 10)])
    assert [[piece.text for piece in row] for row in rows] == [["a", "b"], ["c", "d"]]


def column(text: str, x: float, y: float, height: float) -> Line:
    return Line(text=text, confidence=0.9, box=(x, y, 24.0, height))


def test_columns_are_read_from_right_to_left_with_the_sign_that_was_found_apart_beneath():
    pieces = [column("縦書きの", 10, 5, 100), column("字", 12, 108, 22), column("二列の", 60, 5, 75)]
    assert joined(pieces) == "二列の 縦書きの字"


def test_two_rows_of_few_signs_are_no_columns():
    assert joined([line("ab", 0, 0), line("cd", 0, 40)]) == "ab cd"


def test_a_region_is_read_with_a_margin_and_its_lines_joined_by_a_space():
    image = np.zeros((400, 800, 3), dtype=np.uint8)
    engine = Fixed(line("second line", 30, 60, confidence=0.8), line("first", 30, 30, confidence=1.0))
    reading = read_region(engine, image, (0.25, 0.5, 0.25, 0.15))
    assert engine.shape == (120, 260, 3)
    assert reading == Reading(
        text="first second line",
        confidence=round((5 * 1.0 + 11 * 0.8) / 16, 4),
        box=(0.25, 0.5, 0.075, 0.125),
        weakest=0.8,
    )


def test_lines_of_a_neighbour_are_left_out():
    image = np.zeros((400, 800, 3), dtype=np.uint8)
    engine = Fixed(line("mine", 60, 40), line("neighbour", 60, -8, height=10))
    reading = read_region(engine, image, (0.25, 0.5, 0.25, 0.15))
    assert reading is not None
    assert reading.text == "mine"


def test_the_rim_of_another_telop_is_no_text():
    image = np.zeros((400, 800, 3), dtype=np.uint8)
    assert read_region(Fixed(line("another", 60, 0, height=65)), image, (0.25, 0.5, 0.25, 0.05)) is None


PLAIN = np.zeros((400, 800, 3), dtype=np.uint8)
REGION = (0.25, 0.5, 0.25, 0.15)


def reading(text: str, confidence: float) -> Reading:
    return Reading(text=text, confidence=confidence, box=REGION)


class Changing:
    """Reads one text after the other, and counts."""

    def __init__(self, *readings: tuple[str, float]) -> None:
        self.readings = list(readings)
        self.shapes: list[tuple[int, ...]] = []

    def read(self, image: Any) -> list[Line]:
        self.shapes.append(image.shape)
        text, confidence = self.readings[len(self.shapes) - 1]
        return [line(text, 45, 45, confidence=confidence)]


def test_a_sure_reading_is_not_looked_at_again():
    engine = Changing()
    assert surer(engine, reading("first", 0.99), [lambda: PLAIN], REGION).text == "first"
    assert engine.shapes == []


@pytest.mark.parametrize(("confidence", "kept"), [(0.99, "second"), (0.5, "first")])
def test_a_doubtful_reading_is_read_again_enlarged_and_the_surer_one_kept(confidence, kept):
    engine = Changing(("second", confidence))
    assert surer(engine, reading("first", 0.8), [lambda: PLAIN], REGION).text == kept
    assert engine.shapes == [(180, 390, 3)]


def test_pictures_vote_sign_by_sign_until_there_is_no_doubt():
    engine = Changing(("Mayor", 0.85), ("Mayor", 0.88), ("unasked", 1.0))
    others = [lambda: PLAIN] * 2
    assert surer(engine, reading("Mavor", 0.9), others, REGION).text == "Mayor"
    assert len(engine.shapes) == 2
    sure = Changing(("Mayor", 0.99), ("unasked", 1.0))
    surer(sure, reading("Mayor", 0.9), others, REGION)
    assert len(sure.shapes) == 1


def test_one_doubtful_line_beside_a_long_sure_one_is_worth_a_second_look():
    engine = Changing(("fourteen wins in a row", 0.99))
    first = replace(reading("fourteen wins in a row b", 0.97), weakest=0.54)
    assert surer(engine, first, [lambda: PLAIN], REGION).text == "fourteen wins in a row"


def test_a_lone_sign_of_the_next_column_ends_an_upright_text():
    image = np.zeros((720, 1280, 3), dtype=np.uint8)
    # In the crop, whose left edge is one column further out than the region's.
    upright = Line(text="二十三日の朝", confidence=0.9, box=(70.0, 40.0, 60.0, 400.0))
    last = Line(text="り", confidence=0.95, box=(0.0, 42.0, 58.0, 50.0))
    far = Line(text="ロ", confidence=0.95, box=(0.0, 300.0, 58.0, 50.0))
    region = (0.8, 0.1, 60 / 1280, 0.56)
    found = read_region(Fixed(upright, last, far), image, region)
    assert found is not None
    assert found.text == "二十三日の朝 り"


def test_larger_pictures_are_read_with_larger_margins():
    engine = Fixed(line("text", 60, 60))
    read_region(engine, np.zeros((1080, 1440, 3), dtype=np.uint8), (0.25, 0.5, 0.25, 0.1))
    assert engine.shape == (108 + 90, 360 + 90, 3)


@pytest.mark.parametrize(
    ("text", "confidence", "expected"),
    [("", 1.0, False), ("■-", 1.0, False), ("O", 0.7, False), ("祝", 0.95, True), ("12", 0.5, True)],
)
def test_a_scratch_is_no_text(text, confidence, expected):
    assert is_text(text, confidence) is expected


def test_a_region_without_text_reads_as_none():
    image = np.zeros((400, 800, 3), dtype=np.uint8)
    assert read_region(Fixed(), image, (0.25, 0.5, 0.25, 0.15)) is None
    assert read_region(Fixed(line("■", 60, 40)), image, (0.25, 0.5, 0.25, 0.15)) is None


def test_without_its_models_the_engine_is_refused_and_nothing_is_fetched(tmp_path):
    with pytest.raises(EngineMissing, match="carries 0 models for 'det'"):
        ocr.RapidEngine(tmp_path)
    for name in ("a_det_small.onnx", "b_det_large.onnx", "a_rec_small.onnx"):
        (tmp_path / name).touch()
    with pytest.raises(EngineMissing, match="carries 2 models for 'det'"):
        ocr.RapidEngine(tmp_path)


def test_the_engine_reads_both_languages_without_network_or_noise(monkeypatch, capfd, caplog):
    pytest.importorskip("rapidocr")
    import socket

    def refuse(*_, **__):
        raise AssertionError("the engine tried to reach the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (640, 120), "navy")
    ImageDraw.Draw(image).text((40, 30), "Recieve 54", "white", font=ImageFont.load_default(size=48))
    with caplog.at_level(logging.INFO):
        reading = read_region(ocr.RapidEngine(), np.asarray(image), (0.05, 0.2, 0.6, 0.6))
    assert reading is not None
    assert reading.text == "Recieve 54"
    assert reading.confidence > 0.9
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_importing_the_application_loads_no_heavy_package():
    import subprocess
    import sys

    code = (
        "import sys, jubako_apps.telop, jubako_apps.telop.telops, jubako_apps.telop.merge, jubako_apps.telop.script;"
        "print(sorted({'av', 'cv2', 'numpy', 'onnxruntime', 'rapidocr', 'pocketsphinx'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parent
    )
    assert done.stdout == "[]\n"
