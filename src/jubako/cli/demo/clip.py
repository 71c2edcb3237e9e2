"""What the demo checks: a file of the person's own, or one of the bundled clips."""

import argparse
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from jubako.cli.errors import CliError, UsageError

NEEDED = {
    "av": "av",
    "numpy": "numpy",
    "onnxruntime": "onnxruntime",
    "rapidfuzz": "rapidfuzz",
    "rapidocr": "rapidocr",
    "starlette": "starlette",
    "sudachipy": "sudachipy",
}
"""Module -> distribution; what the extra ``telop`` brings."""
NEEDED_FOR_ENGLISH = {"pocketsphinx": "pocketsphinx"}
"""Its words and their sounds; Japanese does without it."""
BUNDLED_SEGMENT_S = 10
SCRIPT_SUFFIXES = (".srt", ".vtt", ".txt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A video to check. All paths are absolute."""

    video: Path
    script: Path | None
    language: str
    segment_seconds: int | None
    truth: Path | None = None
    """Which typos it really holds; only bundled clips have it."""
    glossary: Path | None = None
    ng_words: Path | None = None


def require_extra(language: str, needed: Mapping[str, str] = NEEDED) -> None:
    """Raise CliError, naming what is missing, unless the telop application can check this language here."""
    if missing := _missing(needed):
        raise CliError(
            f"The telop application needs packages that are not installed: {missing}.",
            "Install them with: pip install 'jubako[telop]'",
        )
    if language == "en" and (missing := _missing(NEEDED_FOR_ENGLISH)):
        raise CliError(
            f"English needs a package that is not installed: {missing}. It has no wheels for Python 3.14 and later.",
            "Use Python 3.11 to 3.13, or check Japanese: --lang ja",
        )


def _missing(needed: Mapping[str, str]) -> str:
    return ", ".join(name for module, name in needed.items() if importlib.util.find_spec(module) is None)


def chosen_clip(args: argparse.Namespace) -> Clip:
    """Return the clip that the command line names.

    Raises:
        UsageError: A file cannot be read, or the script has a format that nobody reads.

    """
    script = _readable(args.script, "--script") if args.script else None
    if script is not None and script.suffix.lower() not in SCRIPT_SUFFIXES:
        raise UsageError(f"--script: {script.name} is not one of {', '.join(SCRIPT_SUFFIXES)}.")
    glossary = _word_list(args.glossary, "--glossary")
    ng_words = _word_list(args.ng_words, "--ng-words")
    if args.video is None:
        bundled = _bundled(args.lang, script, args.segment_seconds)
        return replace(bundled, glossary=glossary, ng_words=ng_words)
    video = _readable(args.video, "--video")
    return Clip(
        video=video,
        script=script,
        language=args.lang,
        segment_seconds=args.segment_seconds,
        glossary=glossary,
        ng_words=ng_words,
    )


def _word_list(path: Path | None, flag: str) -> Path | None:
    if path is not None and path.suffix.lower() != ".csv":
        raise UsageError(f"{flag}: {path.name} is not a .csv file.")
    return _readable(path, flag) if path else None


def _bundled(language: str, script: Path | None, segment_seconds: int | None) -> Clip:
    folder = application_folder() / "clips"
    video, truth = folder / f"{language}.mp4", folder / f"{language}.truth.json"
    if not video.exists():
        raise CliError(
            f"The bundled clip {video} is missing.", "Check a video of your own with --video FILE."
        )
    sidecar = folder / f"{language}.srt"
    if script is None and language == "ja" and sidecar.exists():
        script = sidecar  # there is no Japanese recogniser that could be bundled
    return Clip(
        video=video,
        script=script,
        language=language,
        segment_seconds=segment_seconds or BUNDLED_SEGMENT_S,
        truth=truth if truth.exists() else None,
    )


def application_folder() -> Path:
    """Return where the application's files lie, without importing it."""
    spec = importlib.util.find_spec("jubako_apps.telop")
    origin = spec.origin if spec else None
    assert origin is not None, "jubako_apps.telop is part of this distribution"
    return Path(origin).parent


def _readable(path: Path, flag: str) -> Path:
    try:
        with path.open("rb"):
            return path.absolute()
    except OSError as error:
        raise UsageError(f"{flag}: {path} cannot be read: {error.strerror}.") from None
