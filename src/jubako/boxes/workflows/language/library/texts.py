"""Functions on text; positions count characters, not bytes.

Source: cloud.google.com/workflows/docs/reference/stdlib/text.
"""

from urllib.parse import quote, unquote_plus

from jubako.boxes.workflows.language.data import Data
from jubako.boxes.workflows.language.errors import failure
from jubako.boxes.workflows.language.library.arguments import integer, text
from jubako.boxes.workflows.language.library.registry import pure
from jubako.boxes.workflows.language.limits import STRING_BYTES_MAX
from jubako.boxes.workflows.language.values import bounded_text, string_too_long


@pure("text.find_all", "source", "substr")
def find_all(source: Data, substr: Data) -> list[int]:
    """Return the index of every occurrence, none overlapping; "" is found around every character."""
    wanted, where = text(substr, "substr"), text(source, "source")
    if not wanted:
        return list(range(len(where) + 1))
    found = []
    at = where.find(wanted)
    while at >= 0:
        found.append(at)
        at = where.find(wanted, at + len(wanted))
    return found


@pure("text.replace_all", "source", "substr", "repl")
def replace_all(source: Data, substr: Data, repl: Data) -> str:
    """Return the text with every occurrence replaced; the length is checked first."""
    where, old, new = text(source, "source"), text(substr, "substr"), text(repl, "repl")
    grown = len(where) + where.count(old) * (len(new) - len(old))
    if grown > STRING_BYTES_MAX:
        raise string_too_long()
    return bounded_text(where.replace(old, new))


@pure("text.split", "source", "separator")
def split(source: Data, separator: Data) -> list[str]:
    """Return the parts between separators; an empty separator splits into characters."""
    where, mark = text(source, "source"), text(separator, "separator")
    return where.split(mark) if mark else list(where)


@pure("text.substring", "source", "start", "end")
def substring(source: Data, start: Data, end: Data) -> str:
    """Return the characters from ``start`` up to but not including ``end``."""
    where = text(source, "source")
    first, last = integer(start, "start"), integer(end, "end")
    if not 0 <= first <= last <= len(where):
        raise failure("IndexError", f"substring [{first}, {last}) is outside of 0 to {len(where)}")
    return where[first:last]


@pure("text.to_lower", "source")
def to_lower(source: Data) -> str:
    """Return the text in lower case, character by character."""
    return "".join([_one_to_one(char, char.lower()) for char in text(source, "source")])


@pure("text.to_upper", "source")
def to_upper(source: Data) -> str:
    """Return the text in upper case, character by character: the sharp s stays, as in Go's strings package."""
    return "".join([_one_to_one(char, char.upper()) for char in text(source, "source")])


def _one_to_one(char: str, mapped: str) -> str:
    return mapped if len(mapped) == 1 else char


@pure("text.url_encode", "source")
def url_encode(source: Data) -> str:
    """Return the text with all but unreserved characters as %XX."""
    return bounded_text(quote(text(source, "source"), safe="", errors="replace"))


@pure("text.url_encode_plus", "source")
def url_encode_plus(source: Data) -> str:
    """Return the text as `url_encode` does, a space as +."""
    return bounded_text(quote(text(source, "source"), safe=" ", errors="replace").replace(" ", "+"))


@pure("text.url_decode", "source")
def url_decode(source: Data) -> str:
    """Return the text with + and %XX decoded."""
    return unquote_plus(text(source, "source"))
