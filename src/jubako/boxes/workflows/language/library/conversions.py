"""Conversions between types, and the functions on any value.

Source: cloud.google.com/workflows/docs/reference/stdlib/expression-helpers.
"""

import math
import re

from jubako.boxes.workflows.language.data import Data
from jubako.boxes.workflows.language.errors import type_error, value_error
from jubako.boxes.workflows.language.library.arguments import boolean, mapping, number
from jubako.boxes.workflows.language.library.registry import pure
from jubako.boxes.workflows.language.operators import fitted
from jubako.boxes.workflows.language.values import is_number, scalar_text, type_name

_INTEGER = re.compile(r"[-+]?[0-9]{1,40}\Z")
_DOUBLE = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,6})?\Z")


@pure("int", "x")
def to_integer(x: Data) -> Data:
    """Return the integer of a string, or of a double cut towards zero."""
    if type(x) is int:
        return x
    if type(x) is float:
        return fitted(math.trunc(x))
    if type(x) is not str:
        raise type_error(f"cannot convert {type_name(x)} to integer")
    if not _INTEGER.match(x):
        raise value_error(f"cannot convert {x[:100]!r} to integer")
    return fitted(int(x))


@pure("double", "x")
def to_double(x: Data) -> float:
    """Return the double of a string or an integer."""
    if is_number(x):
        return float(x)
    if type(x) is not str:
        raise type_error(f"cannot convert {type_name(x)} to double")
    if not _DOUBLE.match(x):
        raise value_error(f"cannot convert {x[:100]!r} to double")
    return float(fitted(float(x)))


@pure("string", "x")
def to_string(x: Data) -> str:
    """Return the string of an integer, a double or a boolean; a string stays."""
    text = scalar_text(x)
    if text is None:
        raise type_error(f"cannot convert {type_name(x)} to string")
    return text


@pure("len", "value")
def length(value: Data) -> int:
    """Return the number of characters, elements or entries."""
    if type(value) in (str, list, dict, bytes):
        return len(value)
    raise type_error(f"{type_name(value)} has no length")


@pure("keys", "map")
def keys(value: Data) -> list[str]:
    """Return the keys of a map as a list."""
    return list(mapping(value, "map"))


@pure("default", "val", "d")
def default(val: Data, d: Data) -> Data:
    """Return the value, or the default if it is null."""
    return d if val is None else val


@pure("if", "condition", "ifTrue", "ifFalse")
def choose(condition: Data, if_true: Data, if_false: Data) -> Data:
    """Return one of two values, the second for null; both have been evaluated."""
    return if_true if condition is not None and boolean(condition, "condition") else if_false


@pure("get_type", "value")
def get_type(value: Data) -> str:
    """Return the name of the value's type."""
    return type_name(value)


@pure("math.abs", "x")
def absolute(x: Data) -> Data:
    """Return the absolute value."""
    return fitted(abs(number(x, "x")))


@pure("math.floor", "x")
def floor(x: Data) -> Data:
    """Return the greatest integer not above a number."""
    return fitted(math.floor(number(x, "x")))


@pure("math.max", "x", "y")
def greatest(x: Data, y: Data) -> Data:
    """Return the greater of two numbers."""
    return max(number(x, "x"), number(y, "y"))


@pure("math.min", "x", "y")
def least(x: Data, y: Data) -> Data:
    """Return the lesser of two numbers."""
    return min(number(x, "x"), number(y, "y"))
