"""Recognisers of speech behind one port: the built-in one, and those whose models the user brings.

A recogniser is named ``KIND:DIRECTORY``, for example ``faster-whisper:/models/base``; the built-in ``pocketsphinx``
needs no directory and knows English only. Nothing is ever downloaded: a directory that is not there is an error.
`docs/howto/telop-speech-models.md` says what each kind expects in its directory.
"""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from jubako_apps.telop.telops import Word

if TYPE_CHECKING:
    from jubako_apps.telop.media import Pcm

BUILT_IN: Final = "pocketsphinx"
BUILT_IN_LANGUAGES: Final = ("en",)

_KINDS: Final = {
    "faster-whisper": ("jubako_apps.telop.recognisers.whisper", "telop-whisper"),
    "vosk": ("jubako_apps.telop.recognisers.vosk", "telop-vosk"),
    "sherpa-onnx": ("jubako_apps.telop.recognisers.sherpa", "telop-sherpa"),
}

KINDS: Final = (BUILT_IN, *_KINDS)


class RecogniserMissing(Exception):
    """The recogniser cannot be used; the message is one sentence for whoever set it up."""


class Recogniser(Protocol):
    """Turns sound into words."""

    def words(self, sound: "Pcm") -> list[Word]:
        """Return the words heard in 16 kHz mono sound, in order, times from its start.

        What was heard before has no influence; silence holds no word.
        """
        ...


def recogniser(name: str, language: str) -> Recogniser:
    """Load the recogniser of this name.

    Raises:
        RecogniserMissing: There is no such kind, its package is not installed, or its models are not there.

    """
    kind, _, directory = name.partition(":")
    if kind == BUILT_IN:
        from jubako_apps.telop.recognisers import sphinx  # noqa: PLC0415 - the package is optional

        return sphinx.packaged()
    if kind not in _KINDS:
        raise RecogniserMissing(f"There is no recogniser {kind!r}: there are {', '.join(KINDS)}.")
    # A name that is no directory must not reach the libraries: one of them would take it for a model to download.
    if not directory or not Path(directory).is_dir():
        raise RecogniserMissing(f"The speech model of {kind} is not there: {directory or '(nothing)'}.")
    module, extra = _KINDS[kind]
    try:
        loaded = importlib.import_module(module)
    except ImportError as error:
        raise RecogniserMissing(f"{kind} is not installed: pip install 'jubako[{extra}]'.") from error
    found: Recogniser = loaded.load(Path(directory), language)
    return found
