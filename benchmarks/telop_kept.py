"""What `telop_quality.py` has worked out already, kept in files, and how far it is.

A result is kept under a key made of everything that it depends on: code, material, the clip. So a run that was
interrupted goes on where it stopped, a second run is quick, and nothing that has changed is taken from before.
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import jubako_apps.telop

FOLDER = Path(gettempdir()) / "telop-quality"
APP = Path(jubako_apps.telop.__file__).parent
BENCHMARKS = Path(__file__).parent
READING = (
    "container", "decoding", "detect", "extract", "fields", "media", "ocr", "rolling", "signs", "stacked", "telops",
    "sparing", "tones", "vote",
)  # fmt: skip
"""The modules of the application that make telops of pictures."""

COMPARING = ("sentences", "noise", "readings", "runs", "programmes", "spoken")

_WIDTH = 30


def key(files: Iterable[Path], *more: object) -> str:
    """Return the key of a result that depends on the contents of the files and on ``more``."""
    digest = hashlib.sha256(repr(more).encode())
    for path in sorted(files):
        digest.update(path.name.encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:24]


def reading_files() -> list[Path]:
    """Return the code on which a reading of pictures depends."""
    return [APP / f"{name}.py" for name in READING]


def comparing_files() -> list[Path]:
    """Return the code and the material on which a comparison of telops with speech depends."""
    return [
        *APP.glob("*_en.py"), *APP.glob("*_ja.py"), *APP.glob("reconcile/*.py"), APP / "findings.py",
        APP / "calibration.py", APP / "glyphs.py", APP / "notation.py", APP / "score.py", APP / "verify.py",
        *(BENCHMARKS / f"telop_{name}.py" for name in COMPARING), *BENCHMARKS.glob("telop_slips*.py"),
        *BENCHMARKS.glob("telop_material/*.txt"),
    ]  # fmt: skip


def kept(name: str, make: Callable[[], Any]) -> Any:
    """Return what is kept under ``name``, made now if it is not; JSON values."""
    path = FOLDER / "kept" / f"{name}.json"
    if path.exists():
        return json.loads(path.read_text("utf-8"))
    made = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"draft.{path.name}")
    draft.write_text(json.dumps(made, ensure_ascii=False), "utf-8")
    draft.rename(path)
    return made


class Bar:
    """A line on the error output that says what is being done, how much is, and how long the rest may take."""

    def __init__(self, total: float) -> None:
        self._total = total
        self._done = 0.0
        self._begun = time.monotonic()
        self._next = 0.0

    def step(self, text: str, size: float) -> None:
        """Say that ``text`` is next, and which part of the whole it is."""
        self._done, self._next = self._done + self._next, size
        self.say(text)

    def say(self, text: str) -> None:
        """Say what is being done."""
        spent = time.monotonic() - self._begun
        left = f", about {spent * (self._total - self._done) / self._done:.0f} s left" if self._done else ""
        full = int(_WIDTH * self._done / max(self._total, 1e-9))
        line = f"[{'#' * full}{'.' * (_WIDTH - full)}] {spent:.0f} s{left}: {text}"
        sys.stderr.write(f"\r\033[K{line}" if sys.stderr.isatty() else f"{line}\n")
        sys.stderr.flush()

    def end(self) -> None:
        """Say that all is done."""
        self.step("done", 0.0)
        sys.stderr.write("\n")
