"""Text on a terminal, or into a pipe: colours, widths of East-Asian characters, and lines redrawn in place.

Text from outside (logs, recognised captions, names) passes ``clean`` first: an escape sequence in it must not
reach the terminal.
"""

import re
import shutil
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TextIO

STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def clean(text: str) -> str:
    """Return ``text`` without control characters, so that it cannot drive the terminal."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def width(text: str) -> int:
    """Return how many columns ``text`` takes; wide (East-Asian) characters take two, combining ones and styles none."""
    if text.isascii() and "\x1b" not in text:
        return len(text)
    return sum(_columns(character) for character in _ESCAPE.sub("", text))


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def clip(text: str, columns: int) -> str:
    """Return ``text``, which must be unstyled, cut to ``columns`` with an ellipsis where something is missing."""
    if width(text) <= columns:
        return text
    kept, used = [], 1
    for character in text:
        used += _columns(character)
        if used > columns:
            break
        kept.append(character)
    return "".join(kept) + "…" if columns > 0 else ""


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """Return ``text`` filled with spaces up to ``columns``; with ``right`` it stands on the right."""
    space = " " * max(columns - width(text), 0)
    return space + text if right else text + space


class Terminal:
    """One output stream. ``is_live``: somebody watches, lines may be redrawn."""

    def __init__(self, stream: TextIO, environ: Mapping[str, str]) -> None:
        self.stream = stream
        self.is_live = stream.isatty() and environ.get("TERM") != "dumb"
        # no-color.org: set and not empty, whatever the value.
        self.has_colour = self.is_live and not environ.get("NO_COLOR")

    @property
    def columns(self) -> int:
        """Width in columns; a pipe is as wide as it must be."""
        return shutil.get_terminal_size((80, 24)).columns if self.is_live else 10_000

    @property
    def rows(self) -> int:
        """Height in lines."""
        return shutil.get_terminal_size((80, 24)).lines

    def paint(self, text: str, *styles: str) -> str:
        """Return ``text`` in ``styles`` (keys of STYLES) where the stream shows them."""
        if not self.has_colour or not styles or not text:
            return text
        return f"\x1b[{';'.join(STYLES[style] for style in styles)}m{text}\x1b[0m"

    def print(self, text: str = "") -> None:
        """Write one line and flush."""
        self.stream.write(text + "\n")
        self.stream.flush()


class Live:
    """A block of lines at the end of a terminal that is drawn again in place. Does nothing into a pipe."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self._height = 0

    def draw(self, lines: Sequence[str]) -> None:
        """Replace the block by ``lines``; each must fit the terminal's width."""
        if not self.terminal.is_live:
            return
        shown = lines[: max(self.terminal.rows - 1, 1)]
        body = "".join(f"{line}\x1b[K\n" for line in shown)
        self.terminal.stream.write(f"{self._home()}{body}\x1b[J")
        self.terminal.stream.flush()
        self._height = len(shown)

    def clear(self) -> None:
        """Take the block away; what is printed next stands in its place."""
        if self.terminal.is_live and self._height:
            self.terminal.stream.write(f"{self._home()}\x1b[J")
            self.terminal.stream.flush()
        self._height = 0

    def leave(self) -> None:
        """Let the block stand as it is."""
        self._height = 0

    def _home(self) -> str:
        return f"\r\x1b[{self._height}A" if self._height else "\r"
