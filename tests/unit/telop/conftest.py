"""Small clips drawn on the fly: a moving picture with words that stand still on it, and a tone."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest

av = pytest.importorskip("av")
pytest.importorskip("cv2")
np = pytest.importorskip("numpy")
image_draw = pytest.importorskip("PIL.ImageDraw")

WIDTH, HEIGHT = 320, 184


@dataclass(frozen=True, kw_only=True)
class Caption:
    """Words on screen from ``start`` to ``end``, their upper left corner at (x, y)."""

    start: float
    end: float
    text: str
    x: int = 20
    y: int = 140


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a clip is to be.

    Attributes:
        stamps: The pictures' times, by default 10 a second.
        codec: How pictures are coded, with ``pixels`` as pixel format and ``coding`` as further options.
        turned: Degrees, counter-clockwise, by which a player is told to turn the pictures.
        is_hdr: Whether white is coded as 203 of 10,000 nits (SMPTE ST 2084).
        cues: Subtitles as a track of their own, coded as ``subtitles``: (start, end, text).

    """

    seconds: float = 6.0
    captions: tuple[Caption, ...] = ()
    stamps: Sequence[float] | None = None
    offset: float = 0.0
    tone: bool = True
    pictures: bool = True
    options: tuple[tuple[str, str], ...] = ()
    codec: str = "libx264"
    coding: tuple[tuple[str, str], ...] = ()
    pixels: str = "yuv420p"
    turned: int = 0
    is_hdr: bool = False
    cues: tuple[tuple[float, float, str], ...] = ()
    subtitles: str = "srt"


DrawClip = Callable[[str, Plan], Path]


def picture(captions: tuple[Caption, ...], t: float):
    """Draw the picture at ``t``: a texture that moves faster than its own grain, and the captions."""
    from PIL import Image, ImageDraw, ImageFont

    grain = np.random.default_rng(5).integers(60, 140, (HEIGHT // 8, 160), dtype=np.uint8)
    moving = np.roll(grain, int(t * 23), axis=1)[:, : WIDTH // 8]
    image = Image.fromarray(np.kron(moving, np.ones((8, 8), np.uint8))).convert("RGB")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=20)
    for caption in captions:
        if caption.start <= t < caption.end:
            draw.text(
                (caption.x, caption.y), caption.text, "white", font=font, stroke_width=2, stroke_fill="black"
            )
    return np.asarray(image)


def as_hdr(shown):
    """Code what an ordinary screen shows with the perceptual quantiser, white being 203 nits."""
    bright = np.power(np.power(np.arange(256) / 255, 2.2) * 203 / 10_000, 2610 / 16384)
    code = np.power((3424 / 4096 + 2413 / 128 * bright) / (1 + 2392 / 128 * bright), 2523 / 32)
    return np.round(code * 255).astype(np.uint8)[shown]


X264 = {"preset": "ultrafast", "crf": "20", "g": "20", "threads": "1"}
CODED = {
    "libx264": X264,
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:pools=1"},
}


def add_pictures(container, plan: Plan):
    video = container.add_stream(plan.codec, rate=10)
    video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, plan.pixels
    video.codec_context.time_base = Fraction(1, 1000)
    video.options = CODED.get(plan.codec, {}) | dict(plan.coding)
    if plan.turned:
        video.set_display_rotation(plan.turned)
    if plan.is_hdr:
        video.codec_context.color_trc, video.codec_context.color_primaries = 16, 9
    return video


def write(path: Path, plan: Plan) -> None:
    count = round(plan.seconds * 10)
    stamps = [n / 10 for n in range(count)] if plan.stamps is None else plan.stamps
    with av.open(str(path), "w", options=dict(plan.options)) as container:
        video = add_pictures(container, plan) if plan.pictures else None
        sound = container.add_stream("aac", rate=44_100, layout="stereo") if plan.tone else None
        if plan.cues:
            subtitles = container.add_stream(plan.subtitles)
            subtitles.codec_context.subtitle_header = HEADER
            subtitles.codec_context.time_base = Fraction(1, 1000)
            container.start_encoding()
            write_cues(container, subtitles, plan)
        if video is not None:
            for stamp in stamps:
                shown = picture(plan.captions, stamp)
                frame = av.VideoFrame.from_ndarray(as_hdr(shown) if plan.is_hdr else shown, format="rgb24")
                frame = frame.reformat(format=plan.pixels)
                frame.pts, frame.time_base = round((stamp + plan.offset) * 1000), Fraction(1, 1000)
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
        if sound is not None:
            write_tone(container, sound, plan)


HEADER = b"""[Script Info]
ScriptType: v4.00+
[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Default,Arial,16
[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def write_cues(container, stream, plan: Plan) -> None:
    from av.subtitles.subtitle import SubtitleSet

    for number, (start, end, text) in enumerate(plan.cues):
        line = f"{number},0,Default,,0,0,0,,{text}".encode()
        packet = stream.codec_context.encode_subtitle(
            SubtitleSet.create(text=line, start=0, end=round((end - start) * 1000))
        )
        packet.stream, packet.time_base = stream, Fraction(1, 1000)
        packet.pts = packet.dts = round(start * 1000)
        packet.duration = round((end - start) * 1000)
        container.mux(packet)


def write_tone(container, stream, plan: Plan) -> None:
    """A tone of 440 Hz in every odd second, silence in the even ones."""
    times = np.arange(int(plan.seconds * 44_100)) / 44_100
    wave = (0.5 * np.sin(2 * np.pi * 440 * times) * (times.astype(int) % 2)).astype(np.float32)
    for first in range(0, len(wave), 1024):
        piece = np.stack([wave[first : first + 1024]] * 2)
        frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout="stereo")
        frame.sample_rate, frame.time_base = 44_100, Fraction(1, 44_100)
        frame.pts = first + round(plan.offset * 44_100)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


@pytest.fixture(scope="session")
def draw_clip(tmp_path_factory: pytest.TempPathFactory) -> DrawClip:
    """Write a clip once per session and plan; the caller must not change it."""
    folder = tmp_path_factory.mktemp("clips")
    made: dict[tuple[str, Plan], Path] = {}

    def draw(name: str, plan: Plan) -> Path:
        if (name, plan) not in made:
            place = Path(tempfile.mkdtemp(dir=folder))
            write(place / name, plan)
            made[name, plan] = place / name
        return made[name, plan]

    return draw


@pytest.fixture(scope="session")
def plan() -> type[Plan]:
    return Plan


@pytest.fixture(scope="session")
def caption() -> type[Caption]:
    return Caption
