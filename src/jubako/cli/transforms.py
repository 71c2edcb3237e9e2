"""The functions of a path: ``name.basename()``, ``createTime.date('%H:%M')``, ``env.name.join(' ')``.

Source: ``gcloud topic projections``; of its functions these are the ones that scripts use on what we have.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

Document = Any
"""JSON of any shape."""


def basename(value: Document) -> Document:
    """Return what stands behind the last slash."""
    return value.rsplit("/", 1)[-1] if isinstance(value, str) else value


def date(value: Document, form: str = "%Y-%m-%dT%H:%M:%S", *, tz: str = "") -> Document:
    """Return a timestamp in another form; ``tz=LOCAL`` in this machine's time zone."""
    try:
        instant = datetime.fromisoformat(str(value))
    except ValueError:
        return ""
    return (instant.astimezone() if tz.upper() == "LOCAL" else instant).strftime(form)


def extract(value: Document, *keys: str) -> Document:
    """Return the values under these keys, of a map or of each map of a list."""
    if isinstance(value, list):
        return [extract(one, *keys) for one in value]
    found = [value.get(key) for key in keys] if isinstance(value, dict) else []
    return found[0] if len(found) == 1 else found


def firstof(value: Document, *keys: str) -> Document:
    """Return the value under the first of these keys that has one."""
    known = value if isinstance(value, dict) else {}
    return next((known[key] for key in keys if known.get(key)), None)


def join(value: Document, separator: str = "/") -> Document:
    """Return the items of a list as one text."""
    return separator.join(str(one) for one in value) if isinstance(value, list) else value


def length(value: Document) -> int:
    """Return how many items or signs there are."""
    return len(value) if isinstance(value, str | list | dict) else 0


def listed(value: Document, *, separator: str = ",") -> Document:
    """Return a list, or the ``key=value`` of a map, as one text."""
    if isinstance(value, dict):
        value = [f"{key}={one}" for key, one in sorted(value.items())]
    return join(value, separator)


def scope(value: Document, collection: str = "regions") -> Document:
    """Return the segment behind ``/collection/`` of a resource name."""
    parts = str(value).split("/")
    return parts[parts.index(collection) + 1] if collection in parts[:-1] else ""


def segment(value: Document, index: str = "-1") -> Document:
    """Return one segment of a resource name; negative ones count from the end."""
    try:
        return str(value).split("/")[int(index)]
    except (IndexError, ValueError):
        return ""


def split(value: Document, separator: str = "/") -> Document:
    """Return the parts of a text."""
    return value.split(separator or "/") if isinstance(value, str) else value


def yesno(value: Document, yes: str = "Yes", no: str = "No") -> str:
    """Return one of two words, by whether there is a value."""
    return yes if value else no


TRANSFORMS: Mapping[str, Callable[..., Any]] = {
    "basename": basename,
    "date": date,
    "extract": extract,
    "firstof": firstof,
    "join": join,
    "len": length,
    "list": listed,
    "scope": scope,
    "segment": segment,
    "split": split,
    "yesno": yesno,
}


def bound(name: str, words: Sequence[str]) -> Callable[[Any], Any]:
    """Return a function with its arguments, ``'text'`` or ``key=text``, taken in.

    Raises:
        TypeError: It does not take these arguments.

    """
    function = TRANSFORMS[name]
    plain = [word.strip("'\"") for word in words if "=" not in word or word[0] in "'\""]
    named = {
        key.strip(): value.strip("'\"")
        for key, _, value in (word.partition("=") for word in words if "=" in word and word[0] not in "'\"")
    }
    function("", *plain, **named)
    return lambda value: function(value, *plain, **named)
