"""The words of a request, checked before its body is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from jubako_apps.telop.receptions import LANGUAGES, MODES, Language, Mode
from jubako_apps.telop.settings import Settings
from jubako_apps.telop.sources import SPEECHES, Speech

T = TypeVar("T", bound=str)

SEGMENT_SECONDS = (5.0, 600.0)
NAME_LENGTH_MAX = 200
KEY_LENGTH_MAX = 256


class Refused(Exception):
    """The request cannot be served; the text is a sentence for the person who sent it."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The words of a request, checked."""

    name: str
    language: Language
    mode: Mode
    segment_seconds: float
    script: str | None
    key: str | None
    glossary: str | None = None
    ng_words: str | None = None
    speech: Speech = "auto"

    def options(self) -> dict[str, object]:
        """Return what decides on the result beside video and script."""
        return {"language": self.language, "mode": self.mode, "segment_seconds": self.segment_seconds}


_FIELDS = ("name", "language", "mode", "segment_seconds", "script", "glossary", "ng_words", "speech")


def wish_from(values: Mapping[str, object], key: str | None, settings: Settings) -> Wish:
    """Check the words of a request.

    Raises:
        Refused: 400, naming the field.

    """
    for field, value in values.items():
        if field not in _FIELDS:
            raise Refused(400, f"{field}: there is no such field; there are {', '.join(_FIELDS)}.")
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise Refused(400, f"{field}: must be a text or a number.")
    if key is not None and not (0 < len(key) <= KEY_LENGTH_MAX and key.isprintable()):
        raise Refused(400, f"Idempotency-Key: must be 1 to {KEY_LENGTH_MAX} printable characters.")
    language = str(values.get("language", "en"))
    mode = str(values.get("mode", "balanced"))
    return Wish(
        name=display_name(str(values.get("name", "video"))),
        language=_one_of("language", language, LANGUAGES),
        mode=_one_of("mode", mode, MODES),
        segment_seconds=_seconds(values.get("segment_seconds", settings.segment_seconds)),
        script=str(values["script"]) if values.get("script") else None,
        key=key,
        speech=_one_of("speech", str(values.get("speech", "auto")), SPEECHES),
        glossary=str(values["glossary"]) if values.get("glossary") else None,
        ng_words=str(values["ng_words"]) if values.get("ng_words") else None,
    )


def display_name(text: str) -> str:
    """Return the last part of a file name without what could disturb a page or a log."""
    last = text.replace("\\", "/").rstrip("/").rpartition("/")[2]
    clean = "".join(char for char in last if char.isprintable())
    return clean.encode("utf-8", "replace").decode()[:NAME_LENGTH_MAX] or "video"


def _seconds(value: object) -> float:
    try:
        seconds = float(str(value))
    except ValueError:
        seconds = 0.0
    low, high = SEGMENT_SECONDS
    if not low <= seconds <= high:
        raise Refused(400, f"segment_seconds: must be {low:g} to {high:g}.")
    return seconds


def _one_of(field: str, value: str, known: tuple[T, ...]) -> T:
    for choice in known:
        if choice == value:
            return choice
    raise Refused(400, f"{field}: {value[:40]!r} is none of {', '.join(known)}.")
