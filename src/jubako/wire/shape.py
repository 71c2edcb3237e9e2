"""The shape of a message class, field by field: what codecs, the REST binder and the drift test read."""

import re
import types
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from jubako.wire.schema import DURATION, TIMESTAMP, Enumeration, Field, Message

_KINDS: Mapping[Any, str] = {str: "string", bool: "bool", int: "int32", float: "double", bytes: "bytes"}
_WELL_KNOWN: Mapping[Any, str] = {datetime: TIMESTAMP, timedelta: DURATION}


class Label(StrEnum):
    """How often a field occurs."""

    SINGULAR = "singular"
    REPEATED = "repeated"
    MAP = "map"
    """Keys are strings: Google's APIs have no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One field."""

    name: str
    """As in Google's .proto, which is also the attribute's name."""
    json_name: str
    number: int
    label: Label
    kind: str
    """Protobuf scalar type (``string``, ``int64``, ...), or ``message`` or ``enum``; of the value if this is a map."""
    type_name: str
    """Full name of the message or enum type, else empty."""
    cls: Any
    """Our class of that type; None for scalars and for well-known types that are plain Python values."""
    has_presence: bool
    """Whether unset (None) differs from zero."""
    oneof: str


@cache
def shapes(cls: type[Message]) -> tuple[Shape, ...]:
    """Return the fields of ``cls`` in the order in which they are written."""
    hints = get_type_hints(cls, include_extras=True)
    return tuple(_shape(name, hints[name]) for name in cls.__struct_fields__)


@cache
def by_name(cls: type[Message]) -> Mapping[str, Shape]:
    """Return the fields of ``cls`` by JSON name and by proto name: parsers take both."""
    return {name: shape for shape in shapes(cls) for name in (shape.json_name, shape.name)}


def camel(name: str) -> str:
    """Return the JSON name of a proto name. Source: protobuf's ToJsonName."""
    return re.sub(r"_+([a-zA-Z0-9]?)", lambda found: found[1].upper(), name)


def snake(name: str) -> str:
    """Return the proto name of a JSON name; proto names stay as they are."""
    return re.sub(r"[A-Z]", lambda found: "_" + found[0].lower(), name)


def _shape(name: str, hint: Any) -> Shape:  # noqa: ANN401 - a type expression
    assert get_origin(hint) is Annotated, f"{name} has no Field"
    python, field = get_args(hint)[:2]
    assert isinstance(field, Field), name
    python, is_optional = _without_none(python)
    label, element = _element(python, field)
    kind, type_name, cls = _kind(element, field)
    return Shape(
        name=name,
        json_name=camel(name),
        number=field.number,
        label=label,
        kind=kind,
        type_name=type_name,
        cls=cls,
        has_presence=is_optional,
        oneof=field.oneof,
    )


def _without_none(python: Any) -> tuple[Any, bool]:  # noqa: ANN401
    if get_origin(python) in {Union, types.UnionType}:
        return next(part for part in get_args(python) if part is not types.NoneType), True
    return python, False


def _element(python: Any, field: Field) -> tuple[Label, Any]:  # noqa: ANN401
    if get_origin(python) is list:
        return Label.REPEATED, get_args(python)[0]
    if get_origin(python) is dict and "." not in field.type:
        return Label.MAP, get_args(python)[1]
    return Label.SINGULAR, python


def _kind(python: Any, field: Field) -> tuple[str, str, Any]:  # noqa: ANN401
    """Return kind, full type name and our class."""
    if "." in field.type:
        return "message", field.type, None
    if python in _WELL_KNOWN:
        return "message", _WELL_KNOWN[python], None
    if python in _KINDS:
        return field.type or _KINDS[python], "", None
    kind = "enum" if issubclass(python, Enumeration) else "message"
    return kind, python.__proto__, python
