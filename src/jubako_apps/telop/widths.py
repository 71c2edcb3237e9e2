"""How wide text is, by its signs: a full-width sign counts two, any other one."""

import unicodedata


def width(text: str) -> int:
    """Return the width of ``text``."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)


def part(text: str, offset: int, length: int) -> tuple[float, float]:
    """Return from where to where, 0 to 1, the signs from ``offset`` on stand in a line of ``text``."""
    whole = width(text) or 1
    return width(text[:offset]) / whole, width(text[: offset + length]) / whole
