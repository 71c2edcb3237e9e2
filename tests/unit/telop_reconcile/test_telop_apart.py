import os

import pytest

from jubako_apps.telop.apart import Apart
from jubako_apps.telop.telops import Word
from jubako_apps.telop.verify import near

WORDS = [Word(start=n / 2, end=n / 2 + 0.4, text=f"w{n}", confidence=1.0) for n in range(30)]


class Looking:
    """Judges by the words that stand around the doubtful ones."""

    clear = 0.5

    def margin(self, words, first, last, shown, heard):
        low, high = near(words, first, last)
        around = sum(int(word.text[1:]) for word in words[low:high])
        slot = sum(int(word.text[1:]) for word in words[first:last])
        return around + slot / 1000 if shown != heard else None


@pytest.mark.parametrize("first", [0, 1, 3, 4, 5, 15, 26, 28])
def test_an_ear_apart_hears_what_one_at_hand_hears(first):
    with Apart(Looking, Looking.clear) as ear:
        for last in (first + 1, first + 2):
            given = (WORDS, first, last, "sight", "site")
            assert ear.margin(*given) == Looking().margin(*given)
        assert ear.margin(WORDS, first, first + 1, "site", "site") is None
        assert ear.clear == Looking.clear


class Telling:
    clear = 0.0

    def margin(self, words, first, last, shown, heard):
        if shown == heard:
            os._exit(1)
        return float(os.getpid())


def test_an_ear_apart_is_another_process_and_its_death_is_no_answer():
    with Apart(Telling, 0.0) as ear:
        assert ear.margin(WORDS, 0, 1, "sight", "site") not in (None, os.getpid())
        with pytest.raises(EOFError):
            ear.margin(WORDS, 0, 1, "site", "site")
