"""How an API message is written: msgspec structs whose fields carry their protobuf number and type.

1. One class per protobuf message: ``name: Annotated[str, Field(1)] = ""``. Attribute names are the proto field names.
2. None means unset. Only fields with presence (messages, oneof members, proto3 optional) may be None; a presence field
   set to its zero value is sent, any other field is sent unless it is zero or empty.
3. The number, type and label of every field are complete, so binary protobuf is read from the same classes.
4. JSON rules are in wire/codec.py. Stored documents use the same JSON.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

import msgspec

TIMESTAMP = "google.protobuf.Timestamp"
DURATION = "google.protobuf.Duration"
FIELD_MASK = "google.protobuf.FieldMask"
ANY = "google.protobuf.Any"
STRUCT = "google.protobuf.Struct"
REST_ONLY = 100_000
"""Numbers above it are ours: of these fields Google publishes the JSON name, but no number."""


@dataclass(frozen=True, slots=True)
class Field:
    """What protobuf knows of a field beyond its Python type."""

    number: int
    type: str = ""
    """Protobuf type where the Python type leaves a choice: ``int64`` (``int`` alone is int32), ``float``
    (``float`` alone is double), ``FIELD_MASK`` (a tuple of paths), ``ANY`` and ``STRUCT`` (JSON objects)."""
    oneof: str = ""
    """Of the fields that share a oneof at most one may be set."""


class Message(msgspec.Struct, kw_only=True, omit_defaults=True, rename="camel"):
    """A protobuf message; ``__proto__`` is its full name."""

    __proto__: ClassVar[str] = ""


class Enumeration(IntEnum):
    """A protobuf enum: members have Google's names and numbers; ``__proto__`` is its full name."""

    __proto__: ClassVar[str] = ""
