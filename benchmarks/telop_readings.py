"""Japanese words by how they are read, from Open JTalk's dictionary: what a hand or a machine writes by mistake.

It is not the dictionary that the telop application uses, so a planted error is not the detector's own idea of one. The
file is MeCab's: a head of 72 bytes, a trie, tokens of 16 bytes (connection ids, cost, place of the feature), features.
"""

import struct
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

_HEAD = struct.Struct("<10I32s")
_TOKEN = np.dtype([("ids", "<u2", 3), ("cost", "<i2"), ("feature", "<u4"), ("compound", "<u4")])
_COMMON = 8_500
"""Up to this cost a word is usual enough to be chosen by an input method."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A word of the dictionary as written, its part of speech, and how unusual it is."""

    text: str
    part: tuple[str, ...]
    cost: int


@dataclass(frozen=True, slots=True)
class Said:
    """A word of a sentence: as written, its part of speech, as read (katakana), and where it begins."""

    text: str
    part: tuple[str, ...]
    reading: str
    start: int


def cut(text: str) -> list[Said]:
    """Cut a sentence into words; what the reader writes otherwise (widths) is left out."""
    import pyopenjtalk  # noqa: PLC0415 - loads its dictionary

    result, place = [], 0
    for word in pyopenjtalk.run_frontend(text):
        start = text.find(word["string"], place)
        if start < 0:
            continue
        part = (word["pos"], word["pos_group1"], word["pos_group2"])
        result.append(Said(word["string"], part, word["read"], start))
        place = start + len(word["string"])
    return result


def same_sound(reading: str, part: tuple[str, ...]) -> list[str]:
    """Return the usual words of one reading and kind, the most usual first."""
    found = [entry for entry in _by_reading().get(reading, ()) if _alike(entry.part, part)]
    return list(dict.fromkeys(entry.text for entry in sorted(found, key=lambda one: (one.cost, one.text))))


def near_sound(reading: str) -> list[str]:
    """Return usual nouns whose reading differs in one kana of the same vowel."""
    found = []
    for place, kana in enumerate(reading):
        for other in _VOWELS.get(kana, ""):
            if other != kana:
                found += _by_reading().get(reading[:place] + other + reading[place + 1 :], [])
    nouns = [entry for entry in found if entry.part[0] == "名詞" and entry.part[1] != "固有名詞"]
    return list(dict.fromkeys(entry.text for entry in sorted(nouns, key=lambda one: (one.cost, one.text))))


_ROWS = (
    "アカサタナハマヤラワガザダバパ", "イキシチニヒミリギジビピ", "ウクスツヌフムユルグズブプ",
    "エケセテネヘメレゲゼデベペ", "オコソトノホモヨロゴゾドボポ",
)  # fmt: skip
_VOWELS = {kana: row for row in _ROWS for kana in row}


def _alike(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    proper = "固有名詞" in one, "固有名詞" in other
    return one[0] == other[0] and proper[0] == proper[1] and (not all(proper) or one[2] == other[2])


@cache
def _by_reading() -> dict[str, list[Entry]]:
    import pyopenjtalk  # noqa: PLC0415

    folder: Any = pyopenjtalk.OPEN_JTALK_DICT_DIR
    data = (Path(folder.decode() if isinstance(folder, bytes) else folder) / "sys.dic").read_bytes()
    head = _HEAD.unpack_from(data)
    trie, size = head[6], head[7]
    tokens = np.frombuffer(data, _TOKEN, size // _TOKEN.itemsize, _HEAD.size + trie)
    features = _HEAD.size + trie + size
    found: dict[str, list[Entry]] = defaultdict(list)
    for place, cost in zip(tokens["feature"].tolist(), tokens["cost"].tolist(), strict=True):
        if cost > _COMMON:
            continue
        start = features + place
        columns = data[start : data.index(b"\0", start)].decode("utf-8").split(",")
        if len(columns) > 8 and columns[0] == "名詞":
            found[columns[7]].append(Entry(columns[6], tuple(columns[:3]), cost))
    return dict(found)
