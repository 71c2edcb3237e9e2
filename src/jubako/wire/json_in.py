"""From plain JSON values to messages; see wire/codec.py."""

import binascii
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

from jubako.core.errors import InvalidArgument
from jubako.core.timestamps import parse_duration, parse_timestamp
from jubako.wire.any_types import is_opaque, message_type
from jubako.wire.schema import ANY, DURATION, FIELD_MASK, STRUCT, TIMESTAMP, Enumeration, Message
from jubako.wire.shape import Label, Shape, camel, shapes, snake

Read = Callable[[Any], Any]

_SHOWN = 100
_INTEGER = re.compile(r"-?[0-9]{1,20}\Z")
_BOUNDS: Mapping[str, tuple[int, int]] = {
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}
_FLOATS = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


class Mismatch(Exception):
    """The value does not fit; ``path`` grows while the error travels outwards."""

    def __init__(self, reason: str, *path: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = list(path)


_NEWER: Mapping[str, frozenset[str]] = {
    "google.cloud.workflows.executions.v1.Execution": frozenset(
        {"disableConcurrencyQuotaOverflowBuffering", "executionHistoryLevel"}
    )
}
"""Fields that newer clients than our messages send in every request, unset: gcloud 528 does."""
_UNSET = (False, None, "", "EXECUTION_HISTORY_LEVEL_UNSPECIFIED")


@cache
def reader(cls: type[Message]) -> Callable[[Any], Any]:
    """Return the function that turns a JSON object into a ``cls``, or raises Mismatch."""
    rows = {name: (s.name, of_field(s)) for s in shapes(cls) for name in (s.json_name, s.name)}
    oneofs = _oneofs(cls)

    def read(tree: Any) -> Message:  # noqa: ANN401
        given: dict[str, Any] = {}
        for key, value in _object(tree).items():
            row = rows.get(key)
            if row is None:
                _check_unknown(cls, key, value)
                continue
            name, of_value = row
            if value is None:
                continue
            if name in given:
                raise Mismatch("given twice.", key)
            given[name] = _at(key, of_value, value)
        for names in oneofs:
            if len(names & given.keys()) > 1:
                raise Mismatch(f"only one of {', '.join(camel(name) for name in sorted(names))} may be set.")
        return cls(**given)

    return read


def of_field(shape: Shape) -> Read:
    """Return the function that reads the value of a field, or raises Mismatch."""
    one = of_value(shape)
    if shape.label is Label.REPEATED:
        return partial(_list, one)
    if shape.label is Label.MAP:
        return partial(_map, one)
    return one


def _check_unknown(cls: type[Message], key: str, value: object) -> None:
    if value not in _UNSET or key not in _NEWER.get(cls.__proto__, ()):
        raise Mismatch("no such field.", shown(key))


def of_value(shape: Shape) -> Read:
    """Return the function that reads one value (an element, if the field is repeated)."""
    if shape.kind == "enum":
        return partial(_enum, shape.cls)
    if shape.cls is not None:
        return partial(_message, shape.cls)
    if shape.kind in _BOUNDS:
        return partial(_integer, *_BOUNDS[shape.kind])
    return _PLAIN[shape.type_name or shape.kind]


def shown(value: object) -> str:
    """Return a hostile value cut to a length that fits an error message."""
    text = str(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def _oneofs(cls: type[Message]) -> list[frozenset[str]]:
    names = {shape.oneof for shape in shapes(cls) if shape.oneof}
    groups = [frozenset(s.name for s in shapes(cls) if s.oneof == name) for name in sorted(names)]
    return [group for group in groups if len(group) > 1]


def _at(key: str, read: Read, value: Any) -> Any:  # noqa: ANN401
    try:
        return read(value)
    except Mismatch as mismatch:
        mismatch.path.insert(0, key)
        raise


def _message(cls: type[Message], tree: Any) -> Any:  # noqa: ANN401
    # Looked up at the call, because messages may contain themselves.
    return reader(cls)(tree)


def _object(tree: Any) -> dict[str, Any]:  # noqa: ANN401
    if not isinstance(tree, dict):
        raise Mismatch("must be a JSON object.")
    return tree


def _list(one: Read, tree: Any) -> list[Any]:  # noqa: ANN401
    if not isinstance(tree, list):
        raise Mismatch("must be a list.")
    return [_at(f"[{index}]", one, value) for index, value in enumerate(tree)]


def _map(one: Read, tree: Any) -> dict[str, Any]:  # noqa: ANN401
    return {key: _at(shown(key), one, value) for key, value in _object(tree).items()}


def _string(value: Any) -> str:  # noqa: ANN401
    if not isinstance(value, str):
        raise Mismatch("must be text.")
    return value


def _bool(value: Any) -> bool:  # noqa: ANN401
    if not isinstance(value, bool):
        raise Mismatch("must be true or false.")
    return value


def _integer(least: int, most: int, value: Any) -> int:  # noqa: ANN401
    is_text = isinstance(value, str) and _INTEGER.match(value)
    if is_text or (isinstance(value, float) and value.is_integer()):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise Mismatch(f"{shown(repr(value))} is not an integer.")
    if not least <= value <= most:
        raise Mismatch(f"must be between {least} and {most}.")
    return value


def _float(value: Any) -> float:  # noqa: ANN401
    if isinstance(value, str):
        try:
            value = _FLOATS[value] if value in _FLOATS else float(value)
        except ValueError:
            raise Mismatch(f"{shown(repr(value))} is not a number.") from None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise Mismatch(f"{shown(repr(value))} is not a number.")
    return float(value)


def _bytes(value: Any) -> bytes:  # noqa: ANN401
    text = _string(value).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Mismatch("is not base64.") from None


def _enum(cls: type[Enumeration], value: Any) -> Enumeration:  # noqa: ANN401
    if isinstance(value, str) and value in cls.__members__:
        return cls[value]
    try:
        number = _integer(*_BOUNDS["int32"], value)
        return cls(number)
    except (Mismatch, ValueError):
        names = ", ".join(cls.__members__)
        raise Mismatch(f"{shown(repr(value))} is not one of {names}.") from None


def _parsed(parse_text: Callable[[str], Any], value: Any) -> Any:  # noqa: ANN401
    text = _string(value)
    try:
        return parse_text(text)
    except InvalidArgument as error:
        raise Mismatch(shown(error.message.partition(": ")[2])) from None
    except OverflowError:
        raise Mismatch("is out of range.") from None


def _mask(value: Any) -> tuple[str, ...]:  # noqa: ANN401
    return tuple(snake(path.strip()) for path in _string(value).split(",") if path.strip())


def _any(value: Any) -> dict[str, Any]:  # noqa: ANN401
    packed = _object(value)
    if not packed:  # an Any without a type is empty
        return packed
    cls = message_type(packed.get("@type"))
    if cls is not None:
        reader(cls)({name: one for name, one in packed.items() if name != "@type"})
    elif is_opaque(packed):
        _bytes(packed["value"])
    else:
        raise Mismatch(f"{shown(packed.get('@type'))} is not a known message type.", "@type")
    return packed


_PLAIN: Mapping[str, Read] = {
    "string": _string,
    "bool": _bool,
    "float": _float,
    "double": _float,
    "bytes": _bytes,
    TIMESTAMP: partial(_parsed, parse_timestamp),
    DURATION: partial(_parsed, parse_duration),
    FIELD_MASK: _mask,
    ANY: _any,
    STRUCT: _object,
}
