"""Read the text of one region of a picture.

Rules:

1. Engines are interchangeable (`Engine`); the default is RapidOCR with the models inside its wheel.
2. Nothing is ever downloaded: a model that is not in the wheel is an error (`EngineMissing`), not a fetch.
3. One thread per engine: the tasks are the parallelism.
4. Only the region is read, with a margin; lines whose middle lies outside it belong to somebody else.
"""

import importlib.util
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from jubako_apps.telop.signs import as_japanese
from jubako_apps.telop.sizes import first_of_other_size
from jubako_apps.telop.telops import Box
from jubako_apps.telop.vote import voted

Rgb = NDArray[np.uint8]

_SIDE_MAX = 640
"""Longest side the text finder works on; measured best, and fastest, for telops."""

_MARGIN = 0.5
_MARGIN_PX = 10
_ROWS = 720
"""Height of the pictures for which the margins are given; larger ones have larger signs."""

_RIM = 2.5
"""A line so much higher than the edges that were found is another telop, of which they are the rim."""

_COLUMN = 0.1
_SURE = 0.9
_REST = 2
_SAME_SIZE = 0.3
_TALL = 1.5
_DOUBTFUL = 0.95
_DOUBTFUL_LINE = 0.8
_CLOSER = 1.5


class EngineMissing(Exception):
    """The text recogniser or its models are not installed; the message says what to install."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One piece of text: its (x, y, width, height) in pixels of the picture it was read from."""

    text: str
    confidence: float
    box: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The text of a region, lines joined by one space, and its box relative to the whole picture.

    ``weakest`` is the confidence of its most doubtful line, which a long line beside it outweighs in ``confidence``.
    """

    text: str
    confidence: float
    box: Box
    weakest: float = 1.0

    @property
    def is_doubtful(self) -> bool:
        """Whether it is worth a second look."""
        return self.confidence < _DOUBTFUL or self.weakest < _DOUBTFUL_LINE


class Engine(Protocol):
    """A text recogniser."""

    def read(self, image: Rgb) -> list[Line]:
        """Return the pieces of text in a picture (height x width x 3, RGB), in any order."""
        ...


class RapidEngine:
    """RapidOCR on ONNX Runtime, one thread; reads Japanese and English alike.

    Args:
        folder: Where its models lie, one ``det`` and one ``rec``; without it, inside its wheel.

    Raises:
        EngineMissing: It is not installed, or its models are not there.

    """

    def __init__(self, folder: Path | None = None) -> None:
        models = _models(folder or _packaged())
        from rapidocr import RapidOCR  # noqa: PLC0415 - half a second to import: only tasks that read pay it

        self._engine = RapidOCR(
            params={
                "Global.log_level": "critical",
                "Global.use_cls": False,
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                "Det.limit_side_len": _SIDE_MAX,
                "Det.limit_type": "max",
                "Det.model_path": str(models["det"]),
                "Rec.model_path": str(models["rec"]),
            }
        )
        # It installs a handler of its own, whose lines would mix into ours.
        logging.getLogger("RapidOCR").disabled = True

    def read(self, image: Rgb) -> list[Line]:
        """See Engine."""
        found = self._engine(np.ascontiguousarray(image[:, :, ::-1]))
        if found.txts is None or found.boxes is None:
            return []
        lines = []
        for text, score, corners in zip(found.txts, found.scores, found.boxes, strict=True):
            (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
            box = (float(x0), float(y0), float(x1 - x0), float(y1 - y0))
            lines.append(Line(text=str(text).strip(), confidence=float(score), box=box))
        return lines


@cache
def packaged_engine() -> RapidEngine:
    """Return the engine with the models of its wheel, loaded once; without threads, it outlives a fork."""
    return RapidEngine()


def surer(engine: Engine, first: Reading, others: Sequence[Callable[[], Rgb]], region: Box) -> Reading:
    """Look again, closer and at other pictures of the same telop, while the reading is doubtful; let all of them vote.

    Args:
        engine: Reads the text.
        first: The reading of the first picture.
        others: Give other pictures of the telop, as many as may be looked at.
        region: Where it stands.

    """
    readings, best = [first], first
    for image in others:
        if not best.is_doubtful:
            break
        another = read_region(engine, image(), region, closer=True)
        if another is None:
            continue
        readings.append(another)
        surest = max(readings, key=lambda one: one.confidence)
        text, confidence = voted([(one.text, one.confidence) for one in readings])
        best = replace(surest, text=text, confidence=max(confidence, first.confidence))
    return best


def read_region(engine: Engine, image: Rgb, region: Box, *, closer: bool = False) -> Reading | None:
    """Read one region of the picture; None if there is no text in it. ``closer`` reads it enlarged."""
    lines, offset = _lines(engine, image, region, closer=closer)
    return _reading(lines, offset, (image.shape[1], image.shape[0]))


def read_telops(engine: Engine, image: Rgb, region: Box) -> list[Reading]:
    """Read the telops that stand so close together that they were found as one region, top to bottom; mostly one."""
    lines, offset = _lines(engine, image, region)
    rows = [lines] if any(map(is_upright, lines)) else in_rows(lines)
    found = []
    while rows:
        end = first_of_other_size(rows)
        telop = [line for row in rows[:end] for line in row]
        found.append(_reading(telop, offset, (image.shape[1], image.shape[0])))
        rows = rows[end:]
    return [reading for reading in found if reading is not None]


def _lines(
    engine: Engine, image: Rgb, region: Box, *, closer: bool = False
) -> tuple[list[Line], tuple[int, int]]:
    """Return the lines of a region and where the picture in which they have their places begins."""
    height, width = image.shape[:2]
    x, y, w, h = region[0] * width, region[1] * height, region[2] * width, region[3] * height
    margin = (_MARGIN_PX + _MARGIN * min(h * _ROWS / height, 40)) * max(1.0, height / _ROWS)
    # What is left over of upright text stands in a column of its own, to the left.
    beside = max(margin, min(w, _COLUMN * height)) if h > _TALL * w else margin
    x0, y0 = max(0, int(x - beside)), max(0, int(y - margin))
    crop = image[y0 : int(y + h + margin), x0 : int(x + w + margin)]
    found = _enlarged(engine, crop) if closer else engine.read(crop)
    lines = [line for line in found if _inside(line, (x - x0, y - y0, w, h))]
    return lines + left_over(lines, [line for line in found if line not in lines]), (x0, y0)


def _reading(lines: list[Line], offset: tuple[int, int], size: tuple[int, int]) -> Reading | None:
    text = as_japanese(joined(lines), upright=any(map(is_upright, lines)))
    letters = [line for line in lines if line.text]
    if not letters or not is_text(text, min(line.confidence for line in letters)):
        return None
    weight = sum(len(line.text) for line in letters)
    confidence = sum(line.confidence * len(line.text) for line in letters) / weight
    return Reading(
        text=text,
        confidence=round(confidence, 4),
        box=_relative(lines, offset, size),
        weakest=min(line.confidence for line in letters),
    )


def in_rows(lines: list[Line]) -> list[list[Line]]:
    """Sort pieces into rows, top to bottom, each from left to right."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda piece: piece.box[1] + piece.box[3] / 2):
        middle = line.box[1] + line.box[3] / 2
        if rows and middle < rows[-1][0].box[1] + rows[-1][0].box[3]:
            rows[-1].append(line)
        else:
            rows.append([line])
    return [sorted(row, key=lambda piece: piece.box[0]) for row in rows]


def _enlarged(engine: Engine, crop: Rgb) -> list[Line]:
    """Read the picture at more than its size; the lines stand where they stand in the picture itself."""
    import cv2  # noqa: PLC0415 - loaded with the engine

    larger = cv2.resize(crop, None, fx=_CLOSER, fy=_CLOSER, interpolation=cv2.INTER_CUBIC)
    lines = engine.read(np.asarray(larger, dtype=np.uint8))
    return [replace(line, box=_scaled(line.box, 1 / _CLOSER)) for line in lines]


def _scaled(box: Box, by: float) -> Box:
    x, y, width, height = box
    return x * by, y * by, width * by, height * by


def joined(lines: list[Line]) -> str:
    """Return the text of all pieces: columns from right to left if most stand upright, else rows."""
    upright = sum(len(line.text) for line in lines if is_upright(line))
    if upright * 2 > sum(len(line.text) for line in lines):
        return " ".join("".join(line.text for line in column) for column in in_columns(lines))
    return " ".join(line.text for row in in_rows(lines) for line in row)


def left_over(lines: Sequence[Line], others: Sequence[Line]) -> list[Line]:
    """Return the lone signs that end an upright text: at the top of the next column, and as large as the others.

    So few edges are not found as a part of the telop.
    """
    columns = [line for line in lines if is_upright(line)]
    if not columns:
        return []
    last = min(columns, key=lambda line: line.box[0])
    x, y, width, _ = last.box
    found = []
    for line in others:
        middle = line.box[0] + line.box[2] / 2
        is_next = x - 1.6 * width < middle < x and abs(line.box[1] - y) < width / 2
        is_as_wide = abs(line.box[2] - width) < _SAME_SIZE * width
        if is_next and is_as_wide and len(line.text) <= _REST and line.confidence >= _SURE:
            found.append(line)
    return found


def is_upright(line: Line) -> bool:
    """Tell a column of signs from a row of them."""
    return len(line.text) > 1 and line.box[3] > _TALL * line.box[2]


def in_columns(lines: list[Line]) -> list[list[Line]]:
    """Sort pieces into columns, right to left, each from top to bottom; a lone sign goes with the one it is under."""
    columns: list[list[Line]] = []
    for line in sorted(lines, key=lambda piece: -piece.box[3]):
        middle = line.box[0] + line.box[2] / 2
        home = next((c for c in columns if c[0].box[0] <= middle <= c[0].box[0] + c[0].box[2]), None)
        if home is None:
            columns.append([line])
        else:
            home.append(line)
    columns.sort(key=lambda column: -(column[0].box[0] + column[0].box[2] / 2))
    return [sorted(column, key=lambda piece: piece.box[1]) for column in columns]


def is_text(text: str, confidence: float) -> bool:
    """Tell text from scratches: a single sign counts only when it was read with certainty."""
    letters = sum(character.isalnum() for character in text)
    return letters > 1 or (letters == 1 and confidence >= _SURE)


def _inside(line: Line, region: tuple[float, float, float, float]) -> bool:
    x, y = line.box[0] + line.box[2] / 2, line.box[1] + line.box[3] / 2
    left, top, width, height = region
    is_there = left <= x <= left + width and top - 4 <= y <= top + height + 4
    return is_there and line.box[3] <= _RIM * height


def _relative(lines: list[Line], offset: tuple[int, int], size: tuple[int, int]) -> Box:
    left = min(line.box[0] for line in lines) + offset[0]
    top = min(line.box[1] for line in lines) + offset[1]
    right = max(line.box[0] + line.box[2] for line in lines) + offset[0]
    bottom = max(line.box[1] + line.box[3] for line in lines) + offset[1]
    width, height = size
    return (
        round(left / width, 4),
        round(top / height, 4),
        round((right - left) / width, 4),
        round((bottom - top) / height, 4),
    )


def _packaged() -> Path:
    """Return the folder of models inside the installed wheel."""
    spec = importlib.util.find_spec("rapidocr")
    if spec is None or spec.origin is None:
        raise EngineMissing("The text recogniser is not installed: install jubako with its 'telop' extra.")
    return Path(spec.origin).parent / "models"


def _models(folder: Path) -> dict[str, Path]:
    """Return the finder's and the reader's model files; named outright, they are never fetched."""
    found = {part: sorted(folder.glob(f"*_{part}*.onnx")) for part in ("det", "rec")}
    for part, files in found.items():
        if len(files) != 1:
            raise EngineMissing(f"The installed rapidocr carries {len(files)} models for '{part}', not one.")
    return {part: files[0] for part, files in found.items()}
