"""What the wheel of pocketsphinx knows about English: words, how they sound, how likely they follow one another."""

import math
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain, count, takewhile
from pathlib import Path
from typing import Any, Final

from rapidfuzz.distance import Levenshtein

_LOG_BASE: Final = 1.0001
_UNKNOWN_NATS: Final = -18.0
"""What a word that the model does not know counts as."""

_SOUNDS_MIN: Final = 2
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"


class Lexicon:
    """The dictionary and the trigram model; load it once with `lexicon`."""

    def __init__(self, folder: Path) -> None:
        lines = (folder / "cmudict-en-us.dict").read_text("utf-8").splitlines()
        # As it stands in the file, for most words are never asked for: other ways to say WORD are WORD(2), WORD(3).
        self._dictionary: dict[str, str] = dict(line.split(" ", 1) for line in lines)
        self._model = _load_model(folder / "en-us.lm.bin")
        self._known: dict[tuple[str, ...], float] = {}

    def has(self, word: str) -> bool:
        """Say whether it is a word, or a word with an ending that is left out of dictionaries."""
        if word in self._dictionary:
            return True
        stem = word.removesuffix("'s").removesuffix("s'")
        return stem in self._dictionary or (word.endswith("s") and word[:-1] in self._dictionary)

    def entries(self) -> Iterable[str]:
        """Return all words of the dictionary."""
        return (entry for entry in self._dictionary if "(" not in entry)

    def sounds(self, word: str) -> frozenset[str]:
        """Return the ways in which the word is said, each as phones with spaces; none if nobody knows."""
        entries = takewhile(
            self._dictionary.__contains__, chain((word,), map(f"{word}({{}})".format, count(2)))
        )
        return frozenset(map(self._dictionary.__getitem__, entries))

    def sounds_same(self, one: str, other: str) -> bool:
        """Say whether two different words can be said alike."""
        return one != other and not self.sounds(one).isdisjoint(self.sounds(other))

    def sounds_near(self, one: str, other: str) -> bool:
        """Say whether two words differ in one sound of at least three."""
        mine, its = ([sound.split() for sound in self.sounds(word)] for word in (one, other))
        return any(
            min(len(a), len(b)) > _SOUNDS_MIN and Levenshtein.distance(a, b, score_cutoff=1) == 1
            for a in mine
            for b in its
        )

    def log_probability(self, sentence: Sequence[str]) -> float:
        """Return the sentence's trigram probability as its natural logarithm."""
        return sum(self._at(sentence, position) for position in range(len(sentence)))

    def belongs(self, sentence: Sequence[str], place: int) -> float:
        """Return how much better the two words behind ``place`` follow with it than without it, in nats."""
        without = [*sentence[:place], *sentence[place + 1 :]]
        ends = min(place + 3, len(sentence))
        with_it = sum(self._at(sentence, n) for n in range(place + 1, ends))
        return with_it - sum(self._at(without, n) for n in range(place, ends - 1))

    def frequency(self, word: str) -> float:
        """Return the word's own probability as its natural logarithm."""
        return self._conditional((word,))

    def corrections(self, word: str) -> list[str]:
        """Return known words one slip away (a letter more, less, other, or two exchanged), likely ones first."""
        cuts = [(word[:n], word[n:]) for n in range(len(word) + 1)]
        slips = {a + b[1:] for a, b in cuts if b} | {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1}
        slips |= {a + c + b[1:] for a, b in cuts if b for c in _LETTERS}
        slips |= {a + c + b for a, b in cuts for c in _LETTERS}
        found = [slip for slip in slips if slip in self._dictionary and slip != word]
        return sorted(found, key=lambda slip: (-self.frequency(slip), slip))

    def halves(self, word: str) -> tuple[str, str] | None:
        """Return two known words that ``word`` is made of (a space was lost), the likeliest pair; else None."""
        pairs = [(word[:n], word[n:]) for n in range(2, len(word) - 1)]
        known = [pair for pair in pairs if all(self.frequency(part) > _UNKNOWN_NATS for part in pair)]
        return max(known, key=self.log_probability, default=None)

    def _at(self, sentence: Sequence[str], place: int) -> float:
        return self._conditional((sentence[place], *reversed(sentence[max(0, place - 2) : place])))

    def _conditional(self, history: tuple[str, ...]) -> float:
        value = self._known.get(history)
        if value is None:
            value = max(_UNKNOWN_NATS, float(self._model.prob(list(history))) * math.log(_LOG_BASE))
            self._known[history] = value
        return value


@cache
def lexicon() -> Lexicon:
    """Return the lexicon; about a tenth of a second the first time."""
    from pocketsphinx import get_model_path  # noqa: PLC0415 - only tasks that compare pay for it

    return Lexicon(Path(get_model_path("en-us")))


def _load_model(path: Path) -> Any:  # noqa: ANN401 - untyped library
    from pocketsphinx import Config, LogMath, NGramModel  # noqa: PLC0415

    return NGramModel(Config(lm=str(path)), LogMath(_LOG_BASE), str(path))
