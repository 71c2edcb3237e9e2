"""From messages to plain JSON values; see wire/codec.py."""

import math
from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

from jubako.core.timestamps import format_duration, format_timestamp
from jubako.wire.schema import DURATION, FIELD_MASK, TIMESTAMP, Enumeration, Message
from jubako.wire.shape import Label, Shape, camel, shapes

Write = Callable[[Any], Any]


@cache
def writer(cls: type[Message], enum_as_int: bool) -> Callable[[Message], dict[str, Any]]:  # noqa: FBT001
    """Return the function that turns a ``cls`` into a JSON object."""
    rows = [(s.name, s.json_name, s.has_presence, _of_field(s, enum_as_int)) for s in shapes(cls)]

    def write(message: Message) -> dict[str, Any]:
        out = {}
        for name, json_name, has_presence, of_value in rows:
            value = getattr(message, name)
            if value is None or not (value or has_presence):
                continue
            out[json_name] = value if of_value is None else of_value(value)
        return out

    return write


def _of_field(shape: Shape, enum_as_int: bool) -> Write | None:  # noqa: FBT001
    """Return how the value of a field is written; None means as it is."""
    one = _of_value(shape, enum_as_int)
    if shape.label is Label.SINGULAR or one is None:
        return one
    if shape.label is Label.REPEATED:
        return lambda values: [one(value) for value in values]
    return lambda entries: {key: one(value) for key, value in entries.items()}


def _of_value(shape: Shape, enum_as_int: bool) -> Write | None:  # noqa: FBT001
    if shape.kind == "enum":
        return int if enum_as_int else _enum_name
    if shape.cls is not None:
        return partial(_message, enum_as_int)
    return _PLAIN.get(shape.type_name or shape.kind)


def _message(enum_as_int: bool, message: Message) -> dict[str, Any]:  # noqa: FBT001
    # Looked up at the call, because messages may contain themselves.
    return writer(type(message), enum_as_int)(message)


def _enum_name(member: Enumeration) -> str:
    return member.name


def _float(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _mask(paths: tuple[str, ...]) -> str:
    return ",".join(".".join(camel(part) for part in path.split(".")) for path in paths)


_PLAIN: Mapping[str, Write] = {
    "int64": str,
    "uint64": str,
    "float": _float,
    "double": _float,
    "bytes": lambda value: b64encode(value).decode(),
    TIMESTAMP: format_timestamp,
    DURATION: format_duration,
    FIELD_MASK: _mask,
}
"""By scalar type or well-known message; what is not listed is JSON already."""
