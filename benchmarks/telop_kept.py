"""What `telop_quality.py` has worked out already, kept in files, and how far it is.

A result is kept under a key made of everything that it depends on: code, material, the clip. So a run that was
interrupted goes on where it stopped, a second run is quick, and nothing that has changed is taken from before. The
folder is the one that ``--cache`` names.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import jubako_apps.telop

VARIABLE = "TELOP_QUALITY_CACHE"
"""Names the folder, for this process and those that it starts."""

APP = Path(jubako_apps.telop.__file__).parent
BENCHMARKS = Path(__file__).parent
READING = (
    "container", "decoding", "detect", "extract", "fields", "media", "ocr", "rolling", "signs", "sizes", "sparing",
    "stacked", "telops", "tones", "vote",
)  # fmt: skip
"""The modules of the application that make telops of pictures."""

COMPARING = ("sentences", "noise", "readings", "runs", "programmes", "spoken")

_WIDTH = 30
_KEPT_S = 10.0
_KEPT = 0.3
"""Rows so much quicker than others, or quicker than all of so many seconds, had been kept and tell no pace."""


def folder() -> Path:
    """Return where results are kept."""
    return Path(os.environ.get(VARIABLE) or Path(gettempdir()) / "telop-quality")


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


def drawing_files(language: str, half: str) -> list[Path]:
    """Return the code and the material on which a set of pictures depends."""
    code = [BENCHMARKS / f"telop_{name}.py" for name in ("pictures", "sentences", "readings")]
    return [
        *code,
        *BENCHMARKS.glob("telop_slips*.py"),
        BENCHMARKS / "telop_material" / f"{language}.{half}.txt",
    ]


def comparing_files() -> list[Path]:
    """Return the code and the material on which a comparison of telops with speech depends."""
    return [
        *APP.glob("*_en.py"), *APP.glob("*_ja.py"), *APP.glob("reconcile/*.py"), APP / "findings.py",
        *APP.glob("calibration.*"), APP / "glyphs.py", APP / "notation.py", APP / "score.py", APP / "verify.py",
        *(BENCHMARKS / f"telop_{name}.py" for name in COMPARING), *BENCHMARKS.glob("telop_slips*.py"),
        *BENCHMARKS.glob("telop_material/*.txt"),
    ]  # fmt: skip


def kept(name: str, make: Callable[[], Any]) -> Any:
    """Return what is kept under ``name``, made now if it is not; JSON values."""
    path = folder() / "kept" / f"{name}.json"
    if path.exists():
        return json.loads(path.read_text("utf-8"))
    made = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"draft.{path.name}")
    draft.write_text(json.dumps(made, ensure_ascii=False), "utf-8")
    draft.rename(path)
    return made


class Bar:
    """A line on the error output that says how much is done and how long the rest will take.

    Args:
        shares: What each piece of work usually takes, in any unit.
        at_once: How many are done at a time.

    """

    def __init__(self, shares: Mapping[str, float], at_once: int) -> None:
        self._shares, self._at_once = dict(shares), at_once
        self._done: dict[str, float] = {}
        self._running: dict[str, float] = {}
        self._begun = time.monotonic()

    def starts(self, name: str) -> None:
        """Say that this piece has been begun."""
        self._running[name] = time.monotonic()
        self.say()

    def ends(self, name: str) -> None:
        """Say that this piece is done."""
        self._done[name] = time.monotonic() - self._running.pop(name)
        self.say()

    def say(self) -> None:
        """Write the line anew."""
        done, total = sum(self._shares[name] for name in self._done), sum(self._shares.values())
        full = int(_WIDTH * done / max(total, 1e-9))
        left = self.seconds_left()
        wait = "" if left is None else f", about {left:.0f} s left"
        names = ", ".join(self._running) or "done"
        line = f"[{'#' * full}{'.' * (_WIDTH - full)}] {time.monotonic() - self._begun:.0f} s{wait}: {names}"
        sys.stderr.write(f"\r\033[K{line}" if sys.stderr.isatty() else f"{line}\n")
        sys.stderr.flush()

    def seconds_left(self) -> float | None:
        """Return what is left at the pace of what really took time so far; None until something has."""
        paces = {name: spent / self._shares[name] for name, spent in self._done.items()}
        worked = [name for name, pace in paces.items() if pace > _KEPT * max(paces.values())]
        if not worked or max(self._done.values()) < _KEPT_S:
            return None
        pace = sum(self._done[name] for name in worked) / sum(self._shares[name] for name in worked)
        now = time.monotonic()
        running = [max(0.0, self._shares[n] * pace - now + begun) for n, begun in self._running.items()]
        waiting = [
            self._shares[n] * pace for n in self._shares if n not in self._done and n not in self._running
        ]
        return max([*running, *waiting, (sum(running) + sum(waiting)) / self._at_once], default=0.0)
