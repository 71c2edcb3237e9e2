"""One hour of 1080p through the tasks of the telop check: memory of the largest, disk, real-time factor of each stage.

The video is one minute, encoded once and repeated sixty times: a moving picture with a caption every five seconds, and
a tone. Every task is a process of its own, as on the platform. By default a few shards stand for all; --all does them.

Usage: python benchmarks/telop_hour.py [--shards 3] [--all] [--folder DIR]
"""

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from jubako_apps.telop.intake import Intake
from jubako_apps.telop.pipeline import FileReader
from jubako_apps.telop.receptions import Reception
from jubako_apps.telop.settings import Settings
from jubako_apps.telop.wishes import wish_from
from jubako_sdk import sink

WIDTH, HEIGHT, FPS, MINUTE = 1920, 1080, 25, 60
MEMORY_MAX, DISK_MAX = 2 * 1024**3, 24 * 1024**3


def minute(path: Path) -> None:
    """Encode one minute."""
    grain = np.random.default_rng(5).integers(60, 140, (HEIGHT // 40, WIDTH // 40 * 2), dtype=np.uint8)
    font = ImageFont.load_default(size=72)
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.options = {"preset": "ultrafast", "crf": "28", "g": str(2 * FPS), "bf": "0"}
        sound: Any = container.add_stream("aac", rate=48_000, layout="mono")
        for number in range(MINUTE * FPS):
            moving = np.roll(grain, number // 3, axis=1)[:, : WIDTH // 40]
            image = Image.fromarray(np.kron(moving, np.ones((40, 40), np.uint8))).convert("RGB")
            text = f"The council approved item {number // (5 * FPS)}"
            ImageDraw.Draw(image).text(
                (300, 880), text, "white", font=font, stroke_width=6, stroke_fill="black"
            )
            frame = av.VideoFrame.from_image(image)
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        times = np.arange(MINUTE * 48_000) / 48_000
        wave = (0.3 * np.sin(2 * np.pi * 440 * times) * (times.astype(int) % 4 > 0)).astype(np.float32)
        for first in range(0, len(wave), 1024):
            piece = av.AudioFrame.from_ndarray(wave[None, first : first + 1024], format="fltp", layout="mono")
            piece.sample_rate, piece.pts, piece.time_base = 48_000, first, Fraction(1, 48_000)
            container.mux(sound.encode(piece))
        container.mux(sound.encode(None))


def repeated(source: Path, target: Path, times: int, seconds: float = MINUTE) -> None:
    """Write the packets of ``source``, so many seconds long, ``times`` times without encoding again."""
    with av.open(str(target), "w") as whole:
        streams = None
        for turn in range(times):
            with av.open(str(source)) as part:
                if streams is None:
                    streams = {
                        stream.index: whole.add_stream_from_template(stream) for stream in part.streams
                    }
                for packet in part.demux():
                    if packet.dts is None or not 0 <= packet.pts * packet.time_base < seconds:
                        continue
                    shift = round(turn * seconds / packet.time_base)
                    packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                    packet.stream = streams[packet.stream.index]
                    whole.mux(packet)


def received(place: Path, video: Path) -> Reception:
    settings = Settings(output_uri=str(place), project="p", location="l")
    intake = Intake(sink(settings.output_uri), settings, FileReader())
    reception, _ = asyncio.run(intake.by_path(str(video), wish_from({"language": "en"}, None, settings)))
    return reception


def task(place: Path, reception: Reception, stage: str, index: int, count: int) -> float:
    """Run one task in a process of its own; return its seconds."""
    variables = {
        "OUTPUT_URI": str(place),
        "RECEPTION_ID": reception.id,
        "CLOUD_RUN_TASK_INDEX": str(index),
        "CLOUD_RUN_TASK_COUNT": str(count),
    }
    began = time.perf_counter()
    command = [sys.executable, "-m", "jubako_apps.telop.tasks", stage]
    subprocess.run(command, env=os.environ | variables, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=int, default=3, help="how many shards of each stage are run")
    parser.add_argument("--all", action="store_true", help="run every shard")
    parser.add_argument("--folder", type=Path, help="where the files go; default: a new one")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        minute(folder / "minute.mp4")
        repeated(folder / "minute.mp4", folder / "hour.mp4", 60)
        place = folder / "out"
        reception = received(place, folder / "hour.mp4")
        for stage, total in (("ocr", reception.segments), ("speech", reception.speech_parts), ("report", 1)):
            wanted = total if given.all else min(total, given.shards)
            chosen = sorted({round(n * (total - 1) / max(1, wanted - 1)) for n in range(wanted)})
            seconds = sum(task(place, reception, stage, index, total) for index in chosen)
            share = len(chosen) / total
            print(
                f"{stage}: {len(chosen)} of {total} shards, real-time factor {seconds / (3600 * share):.3f}",
                flush=True,
            )
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        disk = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        print(
            f"largest task {memory / 1e6:.0f} MB of memory, {disk / 1e6:.0f} MB on disk for 3600 s of 1080p"
        )
        assert memory < MEMORY_MAX, "more than 2 GB of memory"
        assert disk < DISK_MAX, "more than 24 GB on disk"


if __name__ == "__main__":
    main()
