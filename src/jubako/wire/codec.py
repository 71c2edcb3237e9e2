"""Messages to JSON and back, by protobuf's JSON mapping (protobuf.dev, "ProtoJSON Format").

1. Out: JSON names, int64 as text, enums by name (or by number where the client asks for it), unset fields left out.
2. In: JSON and proto names, numbers or text for integers, names or numbers for enums, null for unset.
3. What Google refuses is refused: unknown fields, wrong types, two fields of one oneof; the message names the field.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from jubako.core import json_text
from jubako.core.errors import InvalidArgument
from jubako.wire import json_in, json_out
from jubako.wire.schema import Message

M = TypeVar("M", bound=Message)

BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"


def encode(value: Message, *, enum_as_int: bool = False) -> bytes:
    """Return ``value`` as JSON text."""
    return msgspec.json.encode(to_json(value, enum_as_int=enum_as_int))


def to_json(value: Message, *, enum_as_int: bool = False) -> dict[str, Any]:
    """Return ``value`` as a JSON object of plain dicts, lists, strings and numbers."""
    return json_out.writer(type(value), enum_as_int)(value)


def decode(cls: type[M], data: bytes | str) -> M:
    """Return the message of a JSON text.

    Raises:
        InvalidArgument: Not JSON, or not a ``cls``; the message names the field.

    """
    return from_json(cls, parse(data))


def parse(data: bytes | str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the JSON value of a text.

    Raises:
        InvalidArgument: Not JSON, not UTF-8, or nested too deeply.

    """
    try:
        return json_text.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"The request body is not valid JSON: {error}.") from None
    except RecursionError:
        raise InvalidArgument("The request body is not valid JSON: it is nested too deeply.") from None


def from_json(cls: type[M], tree: Any, path: str = "") -> M:  # noqa: ANN401 - any JSON value
    """Return the message of a parsed JSON value; ``path`` is where in the request it stands.

    Raises:
        InvalidArgument: It is not a ``cls``; the message names the field.

    """
    try:
        message: M = json_in.reader(cls)(tree)
    except json_in.Mismatch as mismatch:
        where = ".".join([path, *mismatch.path] if path else mismatch.path)
        raise invalid(where.replace(".[", "["), mismatch.reason) from None
    return message


def type_url(cls: type[Message]) -> str:
    """Return the ``@type`` of a message inside google.protobuf.Any."""
    return f"type.googleapis.com/{cls.__proto__}"


def pack(value: Message) -> dict[str, Any]:
    """Return ``value`` as the JSON form of google.protobuf.Any."""
    return {"@type": type_url(type(value)), **to_json(value)}


def unpack(cls: type[M], packed: Mapping[str, Any]) -> M:
    """Return the message inside the JSON form of google.protobuf.Any.

    Raises:
        InvalidArgument: It is another type, or no valid ``cls``.

    """
    if packed.get("@type") != type_url(cls):
        raise invalid("@type", f"{packed.get('@type')} is not {type_url(cls)}.")
    return from_json(cls, {key: value for key, value in packed.items() if key != "@type"})


def invalid(field: str, reason: str) -> InvalidArgument:
    """Return the error for one bad field, with the details that Google sends."""
    details = {"@type": BAD_REQUEST, "fieldViolations": [{"field": field, "description": reason}]}
    return InvalidArgument(f"{field or 'The request body'}: {reason}", [details])
