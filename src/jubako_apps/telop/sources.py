"""Who says what is said: decided once, when a video is received, and written into its reception.

In this order: a script that came with the video; a subtitle track inside it; a recogniser whose models the operator has
put on the machine; the built-in recogniser; nobody, if the sender says so (``speech=none``): then spelling, names and
NG words are checked, nothing is compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from jubako_apps.telop.recognisers import BUILT_IN, BUILT_IN_LANGUAGES, KINDS

SCRIPT: Final = "script"
TRACK: Final = "track"
NOBODY: Final = "none"

Speech = Literal["auto", "none"]
SPEECHES: Final[tuple[Speech, ...]] = ("auto", "none")

_ALSO: Final = "or say speech=none to have only spelling, names and NG words checked"


class NobodyKnows(Exception):
    """There is no source for what is said; the text is a sentence for the sender."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A recogniser that the operator has set up: its name (``KIND:DIRECTORY``), and for which language, None: all."""

    name: str
    language: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a video brings: its ``name``, whether a ``script`` came with it, a ``track`` of text inside, ``sound``."""

    name: str
    language: str
    has_script: bool
    has_track: bool
    has_sound: bool


def models_from(text: str) -> tuple[Model, ...]:
    """Read ``ja=vosk:/models/ja,faster-whisper:/models/base``; the first that fits a language is taken.

    Raises:
        ValueError: An entry names no kind of recogniser, or no directory.

    """
    found = []
    for entry in filter(None, (part.strip() for part in text.split(","))):
        before, equals, after = entry.partition("=")
        language, name = (before, after) if equals else (None, entry)
        kind, _, directory = name.partition(":")
        if kind not in KINDS or (kind != BUILT_IN and not directory.startswith("/")):
            raise ValueError(f"{entry!r}: say KIND:/DIRECTORY, with one of {', '.join(KINDS)}")
        found.append(Model(name=name, language=language))
    return tuple(found)


def source_of(given: Given, speech: Speech, models: Sequence[Model]) -> str:
    """Return `SCRIPT`, `TRACK`, `NOBODY` or the name of a recogniser.

    Raises:
        NobodyKnows: There is none of them.

    """
    if given.has_script:
        return SCRIPT
    if speech == "none":
        return NOBODY
    if given.has_track:
        return TRACK
    if not given.has_sound:
        text = f"{given.name} has no sound and there is no script: nothing to compare with. Send a script, {_ALSO}."
        raise NobodyKnows(text)
    mine = [model.name for model in models if model.language in {None, given.language}]
    if mine:
        return mine[0]
    if given.language in BUILT_IN_LANGUAGES:
        return BUILT_IN
    raise NobodyKnows(
        f"Speech in language {given.language!r} cannot be recognised here: a script is needed. Send one, {_ALSO}."
    )
