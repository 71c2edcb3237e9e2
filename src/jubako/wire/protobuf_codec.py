"""Messages to binary protobuf and back.

1. Out: msgspec turns the message into dicts in C, protobuf's class is made of those in C, and only what the two write
   differently (instants, durations, masks, Any) is put right in between.
2. In: protobuf parses in C; only the fields that are set are then walked. Unknown fields are skipped.
3. google.protobuf.Any is its JSON form with us: ``{"@type": ..., ...}``; see any_types.py for types that are not ours.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any, TypeVar

import msgspec
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from jubako.core.errors import InvalidArgument
from jubako.core.timestamps import EPOCH
from jubako.wire.any_types import PREFIX, is_opaque, message_type
from jubako.wire.codec import invalid, pack, unpack
from jubako.wire.descriptors import protobuf_class, well_known_class
from jubako.wire.json_in import Mismatch, shown
from jubako.wire.schema import ANY, DURATION, FIELD_MASK, STRUCT, TIMESTAMP, Enumeration, Message
from jubako.wire.shape import Label, Shape, shapes

M = TypeVar("M", bound=Message)
Convert = Callable[[Any], Any]

_KEPT = (datetime, timedelta, bytes)
_MICROSECOND = timedelta(microseconds=1)


def encode(message: Message) -> bytes:
    """Return ``message`` as protobuf bytes; maps are in the order of their keys.

    Raises:
        InvalidArgument: An Any inside is none of our messages, or not valid.

    """
    cls = type(message)
    built = _put_right(cls, msgspec.to_builtins(message, builtin_types=_KEPT))
    data: bytes = protobuf_class(cls)(**built).SerializeToString(deterministic=True)
    return data


def decode(cls: type[M], data: bytes) -> M:
    """Return the message of protobuf bytes.

    Raises:
        InvalidArgument: They are not a ``cls``; the message names the field where protobuf tells.

    """
    try:
        parsed = protobuf_class(cls).FromString(data)
    except DecodeError:
        raise InvalidArgument(
            f"The request is not a valid {cls.__proto__} in protobuf's wire format."
        ) from None
    try:
        message: M = _reader(cls)(parsed)
    except Mismatch as mismatch:
        raise invalid(".".join(mismatch.path).replace(".[", "["), mismatch.reason) from None
    return message


def pack_any(packed: Mapping[str, Any]) -> dict[str, Any]:
    """Return what protobuf's Any is made of, from the JSON form of an Any.

    Raises:
        InvalidArgument: It is none of our messages, or not valid.

    """
    url = packed.get("@type")
    cls = message_type(url)
    if cls is not None:
        return {"type_url": f"{PREFIX}{cls.__proto__}", "value": encode(unpack(cls, packed))}
    if not is_opaque(packed):
        raise invalid("@type", f"{shown(url)} is not a known message type.")
    return {"type_url": url, "value": b64decode(packed["value"])}


# Out.


def _put_right(cls: type[Message], built: dict[str, Any]) -> dict[str, Any]:
    for json_name, convert in _rows_out(cls):
        if json_name in built:
            built[json_name] = convert(built[json_name])
    return built


@cache
def _rows_out(cls: type[Message]) -> tuple[tuple[str, Convert], ...]:
    """Return the fields that protobuf's classes do not take as msgspec writes them."""
    return tuple(
        (shape.json_name, _field_out(shape)) for shape in shapes(cls) if not _is_right(shape, frozenset())
    )


def _is_right(shape: Shape, outside: frozenset[Any]) -> bool:
    if shape.kind != "message":
        return True
    if shape.cls is None:
        return False
    if shape.cls in outside:
        return True
    return all(_is_right(inner, outside | {shape.cls}) for inner in shapes(shape.cls))


def _field_out(shape: Shape) -> Convert:
    one = _OUT[shape.type_name] if shape.cls is None else partial(_put_right, shape.cls)
    return _of_label(shape.label, one)


def _of_label(label: Label, one: Convert) -> Convert:
    if label is Label.REPEATED:
        return lambda values: [one(value) for value in values]
    if label is Label.MAP:
        return lambda values: {key: one(value) for key, value in values.items()}
    return one


def _timestamp_out(instant: datetime) -> dict[str, int]:
    seconds, micros = divmod((instant - EPOCH) // _MICROSECOND, 1_000_000)
    return {"seconds": seconds, "nanos": micros * 1000}


def _duration_out(duration: timedelta) -> dict[str, int]:
    micros = duration // _MICROSECOND
    sign = -1 if micros < 0 else 1
    seconds, fraction = divmod(abs(micros), 1_000_000)
    return {"seconds": sign * seconds, "nanos": sign * fraction * 1000}


def _struct_out(value: dict[str, Any]) -> Any:  # noqa: ANN401 - protobuf's own class
    return json_format.ParseDict(value, well_known_class(STRUCT)())


_OUT: Mapping[str, Convert] = {
    TIMESTAMP: _timestamp_out,
    DURATION: _duration_out,
    FIELD_MASK: lambda paths: {"paths": paths},
    ANY: pack_any,
    STRUCT: _struct_out,
}


# In.


@cache
def _reader(cls: type[M]) -> Callable[[Any], M]:
    """Return the function that turns protobuf's object into a ``cls``, or raises Mismatch."""
    rows = {shape.number: (shape.name, shape.json_name, _field_in(shape)) for shape in shapes(cls)}

    def read(parsed: Any) -> M:  # noqa: ANN401 - protobuf's own class
        given = {}
        for field, value in parsed.ListFields():
            name, json_name, convert = rows[field.number]
            if convert is None:
                given[name] = value
                continue
            try:
                given[name] = convert(value)
            except Mismatch as mismatch:
                mismatch.path.insert(0, json_name)
                raise
        for unknown in UnknownFieldSet(parsed):
            if unknown.field_number in rows:
                raise Mismatch("has another type on the wire.", rows[unknown.field_number][1])
        return cls(**given)

    return read


def _field_in(shape: Shape) -> Convert | None:
    """Return how the value of a field is read; None means that it is used as it is."""
    one = _value_in(shape)
    if one is None and shape.label is Label.SINGULAR:
        return None
    if one is None:
        return list if shape.label is Label.REPEATED else dict
    if shape.label is Label.REPEATED:
        return partial(_list_in, one)
    return _of_label(shape.label, one)


def _value_in(shape: Shape) -> Convert | None:
    if shape.kind == "enum":
        return partial(_enum_in, shape.cls)
    if shape.kind != "message":
        return None
    return _IN[shape.type_name] if shape.cls is None else partial(_message_in, shape.cls)


def _message_in(cls: type[Message], parsed: Any) -> Message:  # noqa: ANN401 - protobuf's own class
    # Looked up at the call, because messages may contain themselves.
    message: Message = _reader(cls)(parsed)
    return message


def _list_in(one: Convert, values: Any) -> list[Any]:  # noqa: ANN401 - protobuf's own container
    found = []
    for index, value in enumerate(values):
        try:
            found.append(one(value))
        except Mismatch as mismatch:
            mismatch.path.insert(0, f"[{index}]")
            raise
    return found


def _enum_in(cls: type[Enumeration], number: int) -> Enumeration:
    try:
        return cls(number)
    except ValueError:
        raise Mismatch(f"{number} is not one of {', '.join(cls.__members__)}.") from None


def _timestamp_in(parsed: Any) -> datetime:  # noqa: ANN401
    try:
        return EPOCH + timedelta(seconds=parsed.seconds, microseconds=parsed.nanos // 1000)
    except OverflowError:
        raise Mismatch("is out of range.") from None


def _duration_in(parsed: Any) -> timedelta:  # noqa: ANN401
    try:
        return timedelta(seconds=parsed.seconds, microseconds=int(parsed.nanos / 1000))
    except OverflowError:
        raise Mismatch("is out of range.") from None


def _any_in(parsed: Any) -> dict[str, Any]:  # noqa: ANN401
    cls = message_type(parsed.type_url)
    if cls is None:
        return {"@type": parsed.type_url, "value": b64encode(parsed.value).decode("ascii")}
    try:
        return pack(decode(cls, parsed.value))
    except InvalidArgument as error:
        raise Mismatch(error.message) from None


_IN: Mapping[str, Convert] = {
    TIMESTAMP: _timestamp_in,
    DURATION: _duration_in,
    FIELD_MASK: lambda parsed: tuple(parsed.paths),
    ANY: _any_in,
    STRUCT: json_format.MessageToDict,
}
