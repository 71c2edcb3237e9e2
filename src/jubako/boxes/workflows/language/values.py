"""Values of the workflow language: their types, sizes, copies and stored form.

A value is None, bool, int (64 bits), float (finite), str, bytes, a list of values or a dict of str to value; always a
tree, because assignment copies. Sizes are our count of the memory that Google limits: 8 bytes for a scalar or an entry
plus the UTF-8 length of text.
"""

import base64
import math
from collections.abc import Collection

from jubako.boxes.workflows.language.data import Data
from jubako.boxes.workflows.language.errors import Raised, TooLarge, failure
from jubako.boxes.workflows.language.limits import (
    ERROR_SLACK_BYTES,
    INTEGER_MAX,
    INTEGER_MIN,
    MEMORY_BYTES_MAX,
    STRING_BYTES_MAX,
    VALUE_DEPTH_MAX,
)

SCALARS = frozenset({int, float, bool, type(None)})
SCALAR_BYTES = 8
_ITEM_WORK = 64
"""What a list, a map, or an item beside one takes to go over, in bytes of text that take as long (measured)."""
_BYTES_KEY = "$bytes"
_MAP_KEY = "$map"

_NAMES = {
    int: "integer",
    float: "double",
    bool: "boolean",
    str: "string",
    bytes: "bytes",
    list: "list",
    dict: "map",
    type(None): "null",
}


def type_name(value: Data) -> str:
    """Return the language's name of the value's type, as `get_type` gives it."""
    return _NAMES[type(value)]


def is_number(value: Data) -> bool:
    """Return whether the value is an integer or a double; a boolean is neither."""
    return type(value) is int or type(value) is float


def scalar_text(value: Data) -> str | None:
    """Return a string, number or boolean as text, None for what no conversion makes text of."""
    if type(value) is bool:
        return "true" if value else "false"
    return str(value) if type(value) is str or is_number(value) else None


def text_bytes(text: str) -> int:
    """Return the UTF-8 length of a text."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def bounded_text(text: str) -> str:
    """Return the text if it may exist; raise ResourceLimitError over 256 KB."""
    if len(text) * 4 > STRING_BYTES_MAX and text_bytes(text) > STRING_BYTES_MAX:
        raise string_too_long()
    return text


def string_too_long() -> Raised:
    """Return the error for a string over the limit."""
    return failure("ResourceLimitError", f"string is longer than {STRING_BYTES_MAX} bytes")


def size_of(value: Data) -> int:
    """Return the bytes a value counts for."""
    return measured(value)[1]


def copied(value: Data) -> Data:
    """Return an independent copy of a value; see `measured`."""
    return measured(value)[0]


def measured(
    value: Data, room: int = MEMORY_BYTES_MAX + ERROR_SLACK_BYTES, depth: int = VALUE_DEPTH_MAX
) -> tuple[Data, int, int]:
    """Return an independent copy of a value, the bytes it counts for, and the work of going over it.

    A value may name a variable many times, and be far larger than all variables; so it is refused while it is copied.

    Args:
        value: The value.
        room: The bytes that lists and maps may count for.
        depth: How deep they may be nested.

    Raises:
        Raised: MemoryLimitExceededError (as `TooLarge`), or ResourceLimitError, nested deeper than 100 levels, or a
            string over 256 KB.

    """
    kind = type(value)
    if kind in SCALARS:
        return value, SCALAR_BYTES, SCALAR_BYTES
    if kind is str:
        size = SCALAR_BYTES + text_bytes(value)
        return bounded_text(value), size, size
    if kind is bytes:
        size = SCALAR_BYTES + len(value)
        return value, size, size
    if depth == 0:
        raise failure("ResourceLimitError", f"value is nested deeper than {VALUE_DEPTH_MAX} levels")
    if kind is list:
        items, size, work = _measured_items(value, room - SCALAR_BYTES, depth)
        return items, size + SCALAR_BYTES, work + _ITEM_WORK
    own = SCALAR_BYTES * (1 + len(value)) + sum(map(text_bytes, value))
    items, size, work = _measured_items(value.values(), room - own, depth)
    return dict(zip(value, items, strict=True)), size + own, work + own + _ITEM_WORK


def _measured_items(items: Collection[Data], room: int, depth: int) -> tuple[list[Data], int, int]:
    # Long flat lists are what loops build; they are measured without a Python step for each element.
    size = SCALAR_BYTES * len(items)
    if size > room:
        raise TooLarge
    kinds = set(map(type, items))
    if kinds <= SCALARS:
        return list(items), size, size
    if kinds == {str} and all(map(str.isascii, items)) and max(map(len, items)) <= STRING_BYTES_MAX:
        size += sum(map(len, items))
        if size > room:
            raise TooLarge
        return list(items), size, size
    size, work, found = 0, _ITEM_WORK * len(items), []
    for item in items:
        copy, one, effort = measured(item, room - size, depth - 1)
        size += one
        if size > room:
            raise TooLarge
        work += effort
        found.append(copy)
    return found, size, work


def admitted(value: Data, depth: int = VALUE_DEPTH_MAX) -> Data:
    """Return a copy of a value from outside (an argument, an outcome), refused if it is none of ours.

    Raises:
        Raised: ValueError for an integer beyond 64 bits, or a key that is no string; ResourceLimitError.

    """
    kind = type(value)
    if kind is dict or kind is list:
        if depth == 0:
            raise failure("ResourceLimitError", f"value is nested deeper than {VALUE_DEPTH_MAX} levels")
        if kind is list:
            return [admitted(item, depth - 1) for item in value]
        return {_admitted_key(key): admitted(item, depth - 1) for key, item in value.items()}
    if type(value) is int and not INTEGER_MIN <= value <= INTEGER_MAX:
        raise failure("ValueError", "an integer does not fit into 64 bits")
    if type(value) is float and not math.isfinite(value):
        raise failure("ValueError", f"{value} is not a finite number")
    if type(value) is str:
        return _well_formed(value)
    if type(value) not in _NAMES:
        raise failure("ValueError", f"a {type(value).__name__} is not a value of the workflow language")
    return value


def _admitted_key(key: Data) -> str:
    if type(key) is not str:
        raise failure("ValueError", f"map key {key!r} is not a string")
    return _well_formed(key)


def _well_formed(text: str) -> str:
    # JSON can smuggle in half a surrogate pair, which no UTF-8 writer downstream would survive.
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def equal(left: Data, right: Data) -> bool:
    """Return whether two values are the same; 1 equals 1.0, and true does not equal 1."""
    if type(left) is dict and type(right) is dict:
        return left.keys() == right.keys() and all(equal(item, right[key]) for key, item in left.items())
    if type(left) is list and type(right) is list:
        return len(left) == len(right) and all(map(equal, left, right))
    if type(left) is type(right) or (is_number(left) and is_number(right)):
        return bool(left == right)
    return False


def to_data(value: Data) -> Data:
    """Return the value as JSON data; bytes, and maps that look like wrapped ones, are wrapped."""
    if type(value) is list:
        return [to_data(item) for item in value]
    if type(value) is dict:
        data = {key: to_data(item) for key, item in value.items()}
        return {_MAP_KEY: data} if len(data) == 1 and next(iter(data)).startswith("$") else data
    if type(value) is bytes:
        return {_BYTES_KEY: base64.b64encode(value).decode()}
    return value


def from_data(data: Data) -> Data:
    """Return the value that `to_data` wrote."""
    if type(data) is list:
        return [from_data(item) for item in data]
    if type(data) is not dict:
        return data
    if len(data) == 1:
        ((key, item),) = data.items()
        if key == _BYTES_KEY:
            return base64.b64decode(item)
        data = item if key == _MAP_KEY else data
    return {key: from_data(item) for key, item in data.items()}
