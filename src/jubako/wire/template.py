"""Path templates of google.api.http rules, such as ``/v2/{name=projects/*/locations/*/jobs/*}:run``.

1. Paths are matched percent-encoded and split at ``/``; each ``*`` stands for one segment that is not empty.
2. What follows the last ``:`` of the last segment is the verb and never part of a ``*``.
3. A variable of one segment is decoded wholly; in a longer one ``%2F`` stays encoded, so that it cannot add a segment.

Source: google/api/http.proto, "Path template syntax".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from jubako.core.errors import InvalidArgument

_TOKEN = re.compile(r"\{([^=}]+)(?:=([^}]+))?\}|([^{}]+)")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SLASH = re.compile(r"(%2[Ff])")


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template."""

    segments: tuple[str, ...]
    """Literal text or ``*``."""
    verb: str
    variables: Mapping[str, tuple[int, int]]
    """Field path to the range of segments that it takes."""

    def match(self, segments: tuple[str, ...]) -> bool:
        """Return whether the segments of a path (verb taken off, same number) have this form."""
        for wanted, given in zip(self.segments, segments, strict=True):  # a loop: no other code runs as often
            if given != wanted and not (wanted == "*" and given):
                return False
        return True

    def bind(self, segments: tuple[str, ...]) -> Mapping[str, str]:
        """Return the variables of a path that matches.

        Raises:
            InvalidArgument: The path is not valid percent-encoded UTF-8.

        """
        return {name: _decode(segments[start:end]) for name, (start, end) in self.variables.items()}

    def overlaps(self, other: "Template") -> bool:
        """Return whether some path has both forms."""
        if len(self.segments) != len(other.segments) or self.verb != other.verb:
            return False
        return all("*" in {a, b} or a == b for a, b in zip(self.segments, other.segments, strict=True))


def parse_template(text: str) -> Template:
    """Return the template written in a rule; ``**`` is not supported, because no API here uses it."""
    path, verb = _split_verb(text)
    segments: list[str] = []
    variables: dict[str, tuple[int, int]] = {}
    for name, pattern, literal in _TOKEN.findall(path):
        parts = [part for part in (literal or pattern or "*").split("/") if part]
        if name:
            variables[name] = (len(segments), len(segments) + len(parts))
        segments += parts
    assert "**" not in segments, text
    return Template(tuple(segments), verb, variables)


def split_path(path: str) -> tuple[tuple[str, ...], str]:
    """Return the encoded segments of a request path, and its verb (empty if none)."""
    *first, last = path.removeprefix("/").split("/")
    stem, _, verb = last.rpartition(":")
    return ((*first, stem), verb) if verb and stem else ((*first, last), "")


def _split_verb(text: str) -> tuple[str, str]:
    brace = text.rfind("}")
    colon = text.rfind(":")
    return (text[:colon], text[colon + 1 :]) if colon > brace else (text, "")


def _decode(segments: tuple[str, ...]) -> str:
    if "%" not in (plain := "/".join(segments)):
        return plain
    if any(_BAD_ESCAPE.search(segment) for segment in segments):
        raise InvalidArgument("The path has a malformed percent escape.")
    try:
        if len(segments) == 1:
            return unquote(segments[0], errors="strict")
        return "/".join(_decode_keeping_slashes(segment) for segment in segments)
    except UnicodeDecodeError:
        raise InvalidArgument("The path is not UTF-8.") from None


def _decode_keeping_slashes(segment: str) -> str:
    parts = _SLASH.split(segment)
    return "".join(part if _SLASH.match(part) else unquote(part, errors="strict") for part in parts)
