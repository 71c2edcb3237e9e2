"""Telops drawn into moving pictures and encoded, in the manners of broadcasting; the truth beside them.

Each telop of `telop_sentences` gets a manner in turn: outlined, on a band, big in the middle, short (0.8 s), faint, two
at once, vertical (Japanese), rolling. The picture behind moves. One file is progressive H.264 at 25 pictures a second,
the other interlaced MPEG-2 at 29.97, 1440 x 1080, its two fields taken at different moments. Fonts: Noto CJK and
DejaVu, where Debian puts them (`FONTS`). The same arguments give the same pictures.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from telop_sentences import Case

Picture = NDArray[np.uint8]

FONTS = {
    ("en", "sans"): "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf",
    ("en", "serif"): "/usr/share/fonts/truetype/dejavu/DejaVuSerif-Bold.ttf",
    ("ja", "sans"): "/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc",
    ("ja", "serif"): "/usr/share/fonts/opentype/noto/NotoSerifCJK-Bold.ttc",
}
SHOT_S = 6.0
FADE_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a telop looks; sizes in parts of the picture's height, places in parts of its sides."""

    name: str
    face: str = "sans"
    size: float = 0.07
    top: float = 0.78
    left: float | None = None
    ink: tuple[int, int, int, int] = (255, 255, 255, 255)
    outline: tuple[int, int, int] | None = (16, 24, 48)
    band: tuple[int, int, int, int] | None = None
    seconds: tuple[float, float] = (1.6, 2.6)
    vertical: bool = False
    rolling: bool = False


LOWER = Manner(name="outlined")
NAME = Manner(name="name super", size=0.055, top=0.60, left=0.07, outline=None, band=(120, 20, 24, 225))
UPPER = Manner(name="upper", size=0.055, top=0.06, left=0.05, outline=None, band=(10, 60, 40, 230))
MANNERS = (
    LOWER,
    Manner(name="band", size=0.064, top=0.83, left=0.05, outline=None, band=(12, 34, 92, 170)),
    Manner(
        name="centre", face="serif", size=0.11, top=0.40, ink=(255, 225, 74, 255), outline=(140, 16, 16),
        seconds=(1.6, 2.2),
    ),
    Manner(name="short", seconds=(0.8, 0.8)),
    Manner(name="faint", ink=(255, 255, 255, 190), outline=(96, 96, 96)),
    Manner(name="serif", face="serif", size=0.075, outline=(24, 60, 24)),
    Manner(name="vertical", left=0.86, top=0.08, vertical=True),
    Manner(name="rolling", size=0.06, rolling=True, seconds=(7.0, 7.0)),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One telop on screen: its picture with alpha, where that stands, from when to when, how fast it moves up."""

    text: str
    manner: str
    start: float
    end: float
    layer: NDArray[np.int32]
    x: int
    y: int
    fades: bool = False
    speed: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """How pictures are coded."""

    name: str
    width: int
    height: int
    rate: Fraction
    codec: str
    options: dict[str, str]
    interlaced: bool = False


PROGRESSIVE = Film(
    name="25p", width=1280, height=720, rate=Fraction(25), codec="libx264",
    options={"crf": "24", "preset": "veryfast", "threads": "1", "g": "125"},
)  # fmt: skip
INTERLACED = Film(
    name="29.97i", width=1440, height=1080, rate=Fraction(30000, 1001), codec="mpeg2video", interlaced=True,
    options={"flags": "+ildct+ilme", "qmin": "4", "b": "14000000", "g": "15", "threads": "1"},
)  # fmt: skip


def schedule(made: Sequence[Case], language: str, film: Film, seed: int) -> list[Shown]:
    """Give every telop a manner and a time, one after another; a name super stands beside its sentence's telop."""
    rng = random.Random(f"{seed} {film.name} {language}")
    manners = [one for one in MANNERS if language == "ja" or not one.vertical]
    shown: list[Shown] = []
    now, turn = 0.4, 0
    waiting = list(made)
    while waiting:
        case = waiting.pop(0)
        manner = manners[turn % len(manners)]
        # A roll takes long and shows several: every third round.
        if manner.rolling and (turn // len(manners)) % 3:
            turn += 1
            manner = manners[0]
        turn += 1
        length = round(rng.uniform(*manner.seconds), 2)
        if manner.rolling:
            group = [case, *(waiting.pop(0) for _ in range(min(2, len(waiting))))]
            shown += _rolled(group, language, film, manner, now)
            now = shown[-1].end + 0.6
            continue
        shown.append(
            _standing(case.telop, language, film, manner, (now, now + length), fades=rng.random() < 0.5)
        )
        beside = next((n for n, one in enumerate(waiting[:3]) if one.form == "name"), None)
        if manner is LOWER and beside is None and waiting:
            beside = 0
        if manner.name in {"outlined", "band", "faint"} and beside is not None:
            other = waiting.pop(beside)
            look = NAME if other.form == "name" else UPPER
            late = rng.choice((0.0, 0.2, 0.6))
            shown.append(
                _standing(other.telop, language, film, look, (now + late, now + length + 0.3), fades=False)
            )
            length += 0.3
        # Half of the time the next one follows at once, in the same place.
        now += length + rng.choice((0.04, 0.04, 0.5))
    return shown


def _standing(
    text: str, language: str, film: Film, manner: Manner, time: tuple[float, float], *, fades: bool
) -> Shown:
    layer, x, y = _drawn(text, language, film, manner)
    start, end = (_on_grid(moment, film.rate) for moment in time)
    is_short = end - start < 1.0
    return Shown(
        text=text,
        manner=manner.name,
        start=start,
        end=end,
        layer=layer,
        x=x,
        y=y,
        fades=fades and not is_short,
    )


def _rolled(
    group: Sequence[Case], language: str, film: Film, manner: Manner, start: float
) -> Iterator[Shown]:
    """Lay lines under one another, moving up together through the lower two thirds of the picture."""
    speed = film.height * 0.14
    pitch = film.height * 0.16
    for number, case in enumerate(group):
        layer, x, _ = _drawn(case.telop, language, film, manner)
        begin = start + number * pitch / speed
        end = begin + (film.height * 0.8) / speed
        yield Shown(
            text=case.telop, manner=manner.name, start=round(begin, 3), end=round(end, 3), layer=layer, x=x,
            y=film.height, speed=speed,
        )  # fmt: skip


def _on_grid(time: float, rate: Fraction) -> float:
    return round(float(Fraction(round(time * rate)) / rate), 4)


def _drawn(text: str, language: str, film: Film, manner: Manner) -> tuple[NDArray[np.int32], int, int]:
    """Draw the telop; return its picture with alpha and where it stands."""
    size = round(manner.size * film.height * (0.8 if language == "en" else 1.0))
    font = ImageFont.truetype(FONTS[language, manner.face], size)
    stroke = round(size * 0.09) if manner.outline else 0
    room = film.height * 0.74 if manner.vertical else film.width * 0.88
    lines = _wrapped(text, language, font, room)
    ask: dict[str, Any] = {"font": font, "stroke_width": stroke, "spacing": size // 5}
    if manner.vertical:
        return _column(lines, font, size, manner, film)
    board = ImageDraw.Draw(Image.new("RGBA", (1, 1)))
    x0, y0, x1, y1 = board.multiline_textbbox((0, 0), "\n".join(lines), **ask)
    pad = round(size * 0.35) if manner.band else 4
    layer = Image.new("RGBA", (int(x1 - x0) + 2 * pad, int(y1 - y0) + 2 * pad), manner.band or (0, 0, 0, 0))
    colours: dict[str, Any] = {
        "fill": manner.ink,
        "stroke_fill": manner.outline and (*manner.outline, manner.ink[3]),
    }
    ImageDraw.Draw(layer).multiline_text((pad - x0, pad - y0), "\n".join(lines), **colours, **ask)
    x = (film.width - layer.width) // 2 if manner.left is None else round(manner.left * film.width)
    y = min(round(manner.top * film.height), film.height - layer.height - 4)
    if len(lines) > 1 and manner.top > 0.5:
        y = max(0, y - layer.height // 3)
    return np.asarray(layer, dtype=np.int32), x, y


def _column(
    lines: Sequence[str], font: ImageFont.FreeTypeFont, size: int, manner: Manner, film: Film
) -> tuple[NDArray[np.int32], int, int]:
    stroke = round(size * 0.09)
    pitch = round(size * 1.35)
    lengths = [round(font.getlength(line, direction="ttb")) for line in lines]
    layer = Image.new("RGBA", (pitch * len(lines) + 2 * stroke, max(lengths) + size // 2 + 2 * stroke))
    draw = ImageDraw.Draw(layer)
    for number, line in enumerate(lines):
        draw.text(
            (layer.width - stroke - pitch * (number + 1) + size // 8, stroke + 2), line, font=font, direction="ttb",
            fill=manner.ink, stroke_width=stroke, stroke_fill=manner.outline,
        )  # fmt: skip
    x = round((manner.left or 0.0) * film.width) - pitch * (len(lines) - 1)
    return np.asarray(layer, dtype=np.int32), x, round(manner.top * film.height)


def _wrapped(text: str, language: str, font: ImageFont.FreeTypeFont, room: float) -> list[str]:
    units = text.split(" ") if language == "en" else list(text)
    glue = " " if language == "en" else ""
    lines = [""]
    for unit in units:
        longer = f"{lines[-1]}{glue}{unit}" if lines[-1] else unit
        if font.getlength(longer) <= room:
            lines[-1] = longer
        else:
            lines.append(unit)
    return [line.strip() for line in lines if line.strip()]


def film(path: Path, shown: Sequence[Shown], how: Film, seed: int) -> None:
    """Encode the telops over a moving picture."""
    count = int((max(one.end for one in shown) + 1.0) * how.rate)
    scenery = Scenery(how, seed)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(how.codec, rate=how.rate, options=how.options)
        stream.width, stream.height, stream.pix_fmt = how.width, how.height, "yuv420p"
        for index in range(count):
            time = float(index / how.rate)
            picture = composed(scenery, shown, time)
            if how.interlaced:
                # The lower field is half a picture later.
                picture[1::2] = composed(scenery, shown, time + 0.5 / float(how.rate))[1::2]
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, 1 / how.rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


class Scenery:
    """What moves behind the telops: a shot pans over textures and shapes, another one every few seconds."""

    def __init__(self, how: Film, seed: int) -> None:
        self._how, self._seed = how, seed
        self._shots: dict[int, Picture] = {}

    def at(self, time: float) -> Picture:
        """Return the picture at that time."""
        number = int(time / SHOT_S)
        if number not in self._shots:
            self._shots = {number: self._shot(np.random.default_rng((self._seed, number)))}
        still = self._shots[number]
        run = time - number * SHOT_S
        scale = self._how.height / 720
        x = int((20 + run * 70) * scale) if number % 2 else int((460 - run * 70) * scale)
        y = int((60 + 40 * np.sin(run * 0.8)) * scale)
        return still[y : y + self._how.height, x : x + self._how.width].copy()

    def _shot(self, rng: np.random.Generator) -> Picture:
        scale = self._how.height / 720
        width, height = self._how.width + round(520 * scale), self._how.height + round(120 * scale)
        tint = rng.uniform(60, 190, 3)
        coarse = np.clip(tint + rng.normal(0, 30, (9, 14, 1)) + rng.normal(0, 9, (9, 14, 3)), 0, 255)
        image = Image.fromarray(coarse.astype(np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
        draw = ImageDraw.Draw(image, "RGBA")
        for _ in range(70):
            x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
            w, h = (int(v * scale) for v in rng.integers(20, 220, 2))
            shade = tuple(int(v) for v in np.clip(rng.uniform(30, 220) + rng.normal(0, 20, 3), 0, 255))
            (draw.ellipse if rng.random() < 0.4 else draw.rectangle)((x, y, x + w, y + h), fill=(*shade, 210))
        noise = rng.normal(0, 6, (height, width, 1)).astype(np.int16)
        soft = np.asarray(image.filter(ImageFilter.GaussianBlur(1.2 * scale)), dtype=np.int16) + noise
        filmed: Picture = np.clip(soft, 0, 255).astype(np.uint8)
        return filmed


def composed(scenery: Scenery, shown: Sequence[Shown], time: float) -> Picture:
    """Lay the telops that are on at that time on the scenery."""
    picture = scenery.at(time)
    for one in shown:
        if one.start <= time < one.end:
            _lay(picture, one, time)
    return picture


def _lay(picture: Picture, one: Shown, time: float) -> None:
    opacity = 256
    if one.fades:
        opacity = round(256 * min(1.0, (time - one.start + 0.04) / FADE_S, (one.end - time) / FADE_S))
    y = one.y - round((time - one.start) * one.speed)
    top, left = max(0, -y), max(0, -one.x)
    part = picture[max(0, y) : y + one.layer.shape[0], max(0, one.x) : one.x + one.layer.shape[1]]
    layer = one.layer[top : top + part.shape[0], left : left + part.shape[1]]
    alpha = layer[..., 3:] * opacity >> 8
    # 32 bits: 16 overflow here, and garble the text.
    part[:] = part + (((layer[..., :3] - part) * alpha) // 255)
