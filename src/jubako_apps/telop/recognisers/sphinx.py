"""The English recogniser whose models lie in its own wheel."""

import re
from functools import cache

from pocketsphinx import Decoder

from jubako_apps.telop.media import SAMPLE_RATE, Pcm
from jubako_apps.telop.telops import Word

_FRAMES_PER_S = 100
_VARIANT = re.compile(r"\(\d+\)$")
_NO_WORD = re.compile(r"^[<\[+]")


class PocketSphinx:
    """See `jubako_apps.telop.recognisers.Recogniser`."""

    def __init__(self) -> None:
        self._decoder = Decoder(samprate=SAMPLE_RATE, loglevel="FATAL")

    def words(self, sound: Pcm) -> list[Word]:
        """See Recogniser."""
        if not sound.any():  # of digital silence it makes any word: there is nothing to adapt to
            return []
        # It adapts to the sound it has heard; started afresh, no piece depends on the ones before it.
        self._decoder.reinit_feat()
        self._decoder.start_utt()
        self._decoder.process_raw(sound.tobytes(), full_utt=True)
        self._decoder.end_utt()
        # No hypothesis at all is None, not an empty list.
        found = self._decoder.seg() or ()
        return [
            Word(
                start=round(segment.start_frame / _FRAMES_PER_S, 3),
                end=round((segment.end_frame + 1) / _FRAMES_PER_S, 3),
                text=_VARIANT.sub("", segment.word),
                confidence=round(min(1.0, max(0.0, segment.prob)), 4),
            )
            for segment in found
            if not _NO_WORD.match(segment.word)
        ]


@cache
def packaged() -> PocketSphinx:
    """Return the recogniser, loaded once; without threads, it outlives a fork, and its models are shared."""
    return PocketSphinx()
