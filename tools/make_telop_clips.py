"""Make the bundled telop clips: a news bulletin with burned-in captions, some of them wrong, and its truth.

    python tools/make_telop_clips.py [--language en|ja] [--out src/jubako_apps/telop/clips]

What is said and shown stands in ``tools/telop_clips/LANGUAGE.json``; everything else (background, motion, cuts)
comes from its ``seed``, so the same fonts and voices make the same pictures and the same truth. It needs,
beside the ``telop`` extra:

- English voice: the ``flite`` program (Debian: ``apt-get install flite``), voice rms.
- Japanese voice: ``pyopenjtalk-plus`` (dependency group ``fixtures``).
- Fonts: DejaVu Sans/Serif Bold (Debian: ``fonts-dejavu-core``) and Noto Sans/Serif CJK Bold
  (``fonts-noto-cjk``).

Written per clip: ``LANGUAGE.mp4`` (H.264 and AAC), ``LANGUAGE.srt`` (what is said), ``LANGUAGE.truth.json``:
``telops`` (start, end, text with lines joined by one space, style, box of the ink as x, y, width, height relative
to the picture), ``errors`` (telop index, kind, wrong, right) and ``speech`` (start, end, text as in the script,
and as spoken).
"""

import argparse
import json
import subprocess
import sys
import tempfile
import wave
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

WIDTH, HEIGHT, FPS, RATE = 1280, 720, 25, 48_000
LEAD_S, PAUSE_S, LINGER_S, FADE_S = 0.6, 0.55, 0.35, 0.2
SHOT_S = 7.0
HERE = Path(__file__).parent
CLIPS = HERE.parent / "src/jubako_apps/telop/clips"
FONTS = {
    ("en", "sans"): "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf",
    ("en", "serif"): "/usr/share/fonts/truetype/dejavu/DejaVuSerif-Bold.ttf",
    ("ja", "sans"): "/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc",
    ("ja", "serif"): "/usr/share/fonts/opentype/noto/NotoSerifCJK-Bold.ttc",
}

Picture = NDArray[np.float32]
Sound = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How one kind of telop looks; ``top`` and ``left`` in parts of the picture, ``left`` None is centred."""

    face: str
    size: dict[str, int]
    top: float
    left: float | None
    ink: str
    stroke: int
    outline: str
    band: tuple[int, int, int, int] | None = None
    full_width: bool = False


STYLES = {
    "lower": Style(
        face="sans", size={"en": 44, "ja": 54}, top=0.78, left=None, ink="white", stroke=4, outline="#101830"
    ),
    "band": Style(
        face="sans",
        size={"en": 38, "ja": 48},
        top=0.83,
        left=0.05,
        ink="white",
        stroke=0,
        outline="black",
        band=(12, 34, 92, 170),
        full_width=True,
    ),
    "name": Style(
        face="sans",
        size={"en": 34, "ja": 40},
        top=0.60,
        left=0.07,
        ink="#fffbe8",
        stroke=0,
        outline="black",
        band=(120, 20, 24, 225),
    ),
    "center": Style(
        face="serif",
        size={"en": 84, "ja": 96},
        top=0.40,
        left=None,
        ink="#ffe14a",
        stroke=7,
        outline="#8c1010",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One telop laid out: a full-size picture with alpha, when it is on, and its ink's box in pixels."""

    start: float
    end: float
    fades: bool
    layer: Image.Image
    box: tuple[int, int, int, int]
    text: str
    style: str


def speak_en(text: str) -> Sound:
    """Say an English sentence with flite's rms voice."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "voice.wav"
        subprocess.run(["flite", "-voice", "rms", "-t", text, "-o", str(path)], check=True)
        with wave.open(str(path)) as file:
            pcm = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)
            return resampled(pcm.astype(np.float32) / np.float32(32768), file.getframerate())


def speak_ja(text: str) -> Sound:
    """Say a Japanese sentence with Open JTalk."""
    import pyopenjtalk  # noqa: PLC0415 - only the Japanese clip needs it

    samples, rate = pyopenjtalk.tts(text)
    return resampled(np.asarray(samples, dtype=np.float32) / np.float32(32768), rate)


def resampled(samples: Sound, rate: int) -> Sound:
    """Bring sound to ``RATE`` and to one loudness, without the voice's own silence around it."""
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    samples = samples[loud[0] : loud[-1] + 1]
    frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
    frame.sample_rate = rate
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=RATE)
    pieces = [piece.to_ndarray()[0] for piece in (*resampler.resample(frame), *resampler.resample(None))]
    moved = np.concatenate(pieces)
    louder: Sound = moved * np.float32(0.5 / np.abs(moved).max())
    return louder


def timed_speech(scenes: list[dict[str, Any]], language: str) -> tuple[Sound, list[tuple[float, float]]]:
    """Return the whole sound track and the (start, end) of every scene's sentence."""
    speak = {"en": speak_en, "ja": speak_ja}[language]
    pieces, times, now = [np.zeros(int(LEAD_S * RATE), dtype=np.float32)], [], LEAD_S
    for scene in scenes:
        voice = speak(scene["say"])
        pieces += [voice, np.zeros(int(PAUSE_S * RATE), dtype=np.float32)]
        length = len(voice) / RATE
        times.append((round(now, 3), round(now + length, 3)))
        now += (len(pieces[-1]) + len(voice)) / RATE
    return np.concatenate([*pieces, np.zeros(RATE // 2, dtype=np.float32)]), times


def laid_out(telop: dict[str, Any], language: str, start: float, end: float) -> Shown:
    """Draw one telop on a transparent picture."""
    style = STYLES[telop["style"]]
    font = ImageFont.truetype(FONTS[language, style.face], style.size[language])
    layer = Image.new("RGBA", (WIDTH, HEIGHT))
    draw = ImageDraw.Draw(layer)
    lines = telop["text"].split("\n")
    align = "center" if style.left is None else "left"
    ask: dict[str, Any] = {"font": font, "stroke_width": style.stroke, "spacing": 10, "align": align}
    x0, y0, x1, y1 = draw.multiline_textbbox((0, 0), telop["text"], **ask)
    left = (WIDTH - (x1 - x0)) / 2 if style.left is None else style.left * WIDTH
    top = style.top * HEIGHT - (0 if len(lines) == 1 else (y1 - y0) / 4)
    box = (int(left), int(top), int(x1 - x0), int(y1 - y0))
    if style.band:
        across = (0, WIDTH) if style.full_width else (box[0] - 22, box[0] + box[2] + 22)
        draw.rectangle((across[0], box[1] - 14, across[1], box[1] + box[3] + 14), fill=style.band)
    draw.multiline_text(
        (left - x0, top - y0), telop["text"], fill=style.ink, stroke_fill=style.outline, **ask
    )
    return Shown(
        start=start,
        end=end,
        fades=telop.get("out") != "cut",
        layer=layer,
        box=box,
        text=" ".join(lines),
        style=telop["style"],
    )


def schedule(scenes: list[dict[str, Any]], times: list[tuple[float, float]], language: str) -> list[Shown]:
    """Give every telop its time: from its sentence's start until a little after, or until the next one (cut)."""
    shown = []
    for index, (scene, (start, end)) in enumerate(zip(scenes, times, strict=True)):
        for telop in scene["telops"]:
            until = times[index + 1][0] if telop.get("out") == "cut" else end + LINGER_S
            first, last = (round(round(t * FPS) / FPS, 3) for t in (start, until))
            shown.append(laid_out(telop, language, first, last))
    return shown


def shot(rng: np.random.Generator) -> Picture:
    """Make one wide textured still for the camera to pan over: sky, blurred masses, houses with windows."""
    width, height = WIDTH + 520, HEIGHT + 120
    tint = rng.uniform(70, 170, 3)
    coarse = np.clip(tint + rng.normal(0, 26, (9, 14, 1)) + rng.normal(0, 9, (9, 14, 3)), 0, 255)
    image = Image.fromarray(coarse.astype(np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image, "RGBA")
    x = -40
    while x < width:
        wide, high = int(rng.integers(70, 190)), int(rng.integers(120, 520))
        shade = tuple(int(v) for v in np.clip(rng.uniform(45, 165) + rng.normal(0, 16, 3), 0, 255))
        draw.rectangle((x, height - high, x + wide, height), fill=(*shade, 230))
        for wx in range(x + 12, x + wide - 20, 30):
            for wy in range(height - high + 14, height - 20, 40):
                if rng.random() < 0.55:
                    draw.rectangle((wx, wy, wx + 14, wy + 20), fill=(235, 225, 160, 210))
        x += wide + int(rng.integers(0, 60))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(1.2)), dtype=np.float32)


def background(still: Picture, t: float, way: int) -> Picture:
    """Return the camera's view of the still at ``t`` seconds into the shot, panning ``way`` (+1 or -1)."""
    place = 20 + t * 60
    x = int(place if way > 0 else 500 - place)
    y = int(60 + 40 * np.sin(t * 0.8))
    return still[y : y + HEIGHT, x : x + WIDTH]


def strength(shown: Shown, t: float) -> float:
    """Return how opaque the telop is at ``t``, 0 to 1."""
    if not shown.start <= t < shown.end:
        return 0.0
    if not shown.fades:
        return 1.0
    return float(np.clip(min((t - shown.start + 1 / FPS) / FADE_S, (shown.end - t) / FADE_S), 0, 1))


def composed(view: Picture, shown: list[Shown], t: float) -> NDArray[np.uint8]:
    """Lay the telops on the view."""
    picture = view.copy()
    for telop in shown:
        opacity = strength(telop, t)
        if opacity:
            layer = np.asarray(telop.layer, dtype=np.float32)
            alpha = layer[..., 3:] / 255 * opacity
            picture += (layer[..., :3] - picture) * alpha
    return np.clip(picture, 0, 255).astype(np.uint8)


def encode(path: Path, sound: Sound, shown: list[Shown], seed: int) -> float:
    """Write the clip; return its length in seconds."""
    rng = np.random.default_rng(seed)
    count = int(len(sound) / RATE * FPS)
    with av.open(str(path), "w", options={"movflags": "+faststart", "fflags": "+bitexact"}) as container:
        video = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.options = {"crf": "27", "preset": "slow", "threads": "1", "g": "125"}
        voice = container.add_stream("aac", rate=RATE, layout="mono")
        voice.bit_rate = 64_000
        still = shot(rng)
        for index in range(count):
            t = index / FPS
            if index and index % int(SHOT_S * FPS) == 0:
                still = shot(rng)
            view = background(still, t % SHOT_S, 1 if int(t / SHOT_S) % 2 else -1)
            frame = av.VideoFrame.from_ndarray(composed(view, shown, t), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(video.encode(frame))
            write_sound(container, voice, sound, index)
        container.mux(video.encode(None))
        container.mux(voice.encode(None))
    return count / FPS


def write_sound(container: Any, stream: Any, sound: Sound, index: int) -> None:  # noqa: ANN401 - PyAV's types
    """Encode the sound that belongs to picture ``index``, so that both streams grow side by side."""
    first, last = index * RATE // FPS, (index + 1) * RATE // FPS
    frame = av.AudioFrame.from_ndarray(sound[None, first:last], format="fltp", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = RATE, first, Fraction(1, RATE)
    container.mux(stream.encode(frame))


def clock(seconds: float) -> str:
    """Return SRT's time, hours:minutes:seconds,milliseconds."""
    ms = round(seconds * 1000)
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02},{ms % 1000:03}"


def truth(
    script: dict[str, Any], times: list[tuple[float, float]], shown: list[Shown], length: float
) -> dict[str, Any]:
    """Return what the clip holds, for tests to compare with."""
    planned = [telop for scene in script["scenes"] for telop in scene["telops"]]
    telops = [
        {
            "start": one.start,
            "end": one.end,
            "text": one.text,
            "style": one.style,
            "box": [round(v / side, 4) for v, side in zip(one.box, (WIDTH, HEIGHT) * 2, strict=True)],
        }
        for one in shown
    ]
    errors = [{"telop": i, **telop["error"]} for i, telop in enumerate(planned) if "error" in telop]
    speech = [
        {"start": start, "end": end, "text": scene["script"], "spoken": scene["say"]}
        for scene, (start, end) in zip(script["scenes"], times, strict=True)
    ]
    return {
        "language": script["language"],
        "duration": length,
        "telops": telops,
        "errors": errors,
        "speech": speech,
    }


def make(language: str, out: Path) -> None:
    """Write one language's clip, script and truth into ``out``."""
    script = json.loads((HERE / "telop_clips" / f"{language}.json").read_text("utf-8"))
    sound, times = timed_speech(script["scenes"], language)
    shown = schedule(script["scenes"], times, language)
    out.mkdir(parents=True, exist_ok=True)
    length = encode(out / f"{language}.mp4", sound, shown, script["seed"])
    cues = [
        f"{number}\n{clock(start)} --> {clock(end)}\n{scene['script']}\n"
        for number, (scene, (start, end)) in enumerate(zip(script["scenes"], times, strict=True), 1)
    ]
    (out / f"{language}.srt").write_text("\n".join(cues), "utf-8")
    found = truth(script, times, shown, length)
    text = json.dumps(found, ensure_ascii=False, indent=1) + "\n"
    (out / f"{language}.truth.json").write_text(text, "utf-8")
    size = (out / f"{language}.mp4").stat().st_size
    print(
        f"{language}: {length:.1f} s, {len(shown)} telops, {len(found['errors'])} errors, {size / 1e6:.1f} MB"
    )


def main() -> int:
    """Read the arguments and make the clips."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--language", choices=["en", "ja"], action="append")
    parser.add_argument("--out", type=Path, default=CLIPS)
    arguments = parser.parse_args()
    for language in arguments.language or ["en", "ja"]:
        make(language, arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
