"""google.protobuf.Any: a message of any type, in JSON with its type beside its fields.

A type that is none of ours is opaque: its bytes are kept and given back. In JSON it is
``{"@type": URL, "value": BASE64}``; with any other fields it is refused, because nobody here could write them in
protobuf.

Source: protobuf.dev, "ProtoJSON Format", Any.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from jubako.wire.schema import Message

PREFIX = "type.googleapis.com/"
_types: dict[str, type[Message]] = {}


def message_type(url: object) -> type[Message] | None:
    """Return our class for the ``@type`` of an Any; None if we have none."""
    name = str(url).rpartition("/")[2]
    if name not in _types:
        _types.update((cls.__proto__, cls) for cls in _below(Message))
    return _types.get(name)


def is_opaque(packed: Mapping[str, Any]) -> bool:
    """Return whether the JSON form of an Any of an unknown type holds its bytes."""
    return packed.keys() == {"@type", "value"} and isinstance(packed["value"], str)


def _below(cls: type[Message]) -> Iterator[type[Message]]:
    for one in cls.__subclasses__():
        yield one
        yield from _below(one)
