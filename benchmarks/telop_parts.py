"""What reading the captions of a video consists of, in processor seconds: decoding, finding telops, reading them.

Usage: python benchmarks/telop_parts.py VIDEO
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jubako_apps.telop import media
from jubako_apps.telop.extract import extract
from jubako_apps.telop.merge import merge
from jubako_apps.telop.ocr import Line, packaged_engine


@dataclass
class Timed:
    """An engine that notes how often it reads, and how long that takes."""

    engine: Any = field(default_factory=packaged_engine)
    seconds: float = 0.0
    calls: int = 0

    def read(self, image: Any) -> list[Line]:
        began = time.process_time()
        lines: list[Line] = self.engine.read(image)
        self.seconds += time.process_time() - began
        self.calls += 1
        return lines


def parts_of(video: Path) -> str:
    """Return one line of figures."""
    facts = media.probe(video)
    began = time.process_time()
    loaded = Timed()
    loading, began = time.process_time() - began, time.process_time()
    samples = sum(1 for _ in sampled(video, facts.duration))
    decoding, began = time.process_time() - began, time.process_time()
    (whole,) = media.segments(facts.duration, facts.duration)
    telops = merge([extract(video, whole, loaded)])
    finding = time.process_time() - began - decoding - loaded.seconds
    return (
        f"{video.name}, {facts.width}x{facts.height}, {facts.duration:.0f} s, {samples} samples, CPU s: loading "
        f"{loading:.2f}, decoding and scaling {decoding:.2f}, finding {finding:.2f}, reading {loaded.seconds:.2f}; "
        f"{loaded.calls} readings of {len(telops)} telops, {loaded.calls / max(1, len(telops)):.2f} per telop"
    )


def sampled(video: Path, duration: float) -> Iterator[media.Frame]:
    """Yield the samples that telops are looked for in."""
    return media.frames(video, 0.0, duration, 5.0)


if __name__ == "__main__":
    print(parts_of(Path(sys.argv[1])))
