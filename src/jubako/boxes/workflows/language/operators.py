"""What operators do to values, and the errors they raise.

Source: cloud.google.com/workflows/docs/reference/syntax/datatypes, with "Implicit data type conversions"; wordings of
the errors as the service prints them where known (cloud.google.com/workflows/docs/access-execution-results for `in`).
"""

import math
from collections.abc import Callable
from typing import Any

from jubako.boxes.workflows.language.data import Data
from jubako.boxes.workflows.language.errors import Raised, failure, key_error, type_error, value_error
from jubako.boxes.workflows.language.limits import INTEGER_MAX, INTEGER_MIN, STRING_BYTES_MAX
from jubako.boxes.workflows.language.values import (
    equal,
    is_number,
    scalar_text,
    string_too_long,
    text_bytes,
    type_name,
)


def fitted(number: float) -> float:
    """Return the number if it is an integer of 64 bits or a finite double; raise ValueError otherwise."""
    if type(number) is int and not INTEGER_MIN <= number <= INTEGER_MAX:
        raise value_error("integer overflow: the result does not fit into 64 bits")
    if type(number) is float and not math.isfinite(number):
        raise value_error("the result is not a finite number")
    return number


def _unsupported(sign: str, left: Data, right: Data) -> Raised:
    return type_error(f"unsupported operand types for {sign}: {type_name(left)} and {type_name(right)}")


def add(left: Data, right: Data) -> Data:
    """Add two numbers, or join a string and a string, number or boolean."""
    if is_number(left) and is_number(right):
        return fitted(left + right)
    if type(left) is str and type(right) is str:
        return _joined(left, right)
    one, other = scalar_text(left), scalar_text(right)
    if one is None or other is None or str not in (type(left), type(right)):
        raise _unsupported("+", left, right)
    return _joined(one, other)


def _joined(left: str, right: str) -> str:
    # The length is checked before the string is made.
    if (len(left) + len(right)) * 4 > STRING_BYTES_MAX and (
        text_bytes(left) + text_bytes(right) > STRING_BYTES_MAX
    ):
        raise string_too_long()
    return left + right


def _numeric(sign: str, work: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def apply(left: Data, right: Data) -> Data:
        if not (is_number(left) and is_number(right)):
            raise _unsupported(sign, left, right)
        try:
            return fitted(work(left, right))
        except ZeroDivisionError:
            raise failure("ZeroDivisionError", "division by zero") from None
        except (OverflowError, ValueError):
            raise value_error(f"{sign} overflows a double") from None

    return apply


def _ordered(sign: str, work: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def apply(left: Data, right: Data) -> bool:
        if (is_number(left) and is_number(right)) or (type(left) is str and type(right) is str):
            return work(left, right)
        raise _unsupported(sign, left, right)

    return apply


def contains(item: Data, holder: Data) -> bool:
    """Return whether a map has a key, or a list a value."""
    if type(holder) is dict:
        return type(item) is str and item in holder
    if type(holder) is list:
        return any(equal(item, other) for other in holder)
    raise type_error(f"The argument of 'in' must be a dict or an array; got: {type_name(holder)}")


def negate(value: Data) -> Data:
    """Return the negative of a number."""
    if not is_number(value):
        raise type_error(f"unsupported operand type for unary -: {type_name(value)}")
    return fitted(-value)


def truth(value: Data, sign: str) -> bool:
    """Return an operand of and, or, not; raise TypeError unless it is boolean."""
    if value is True or value is False:
        return bool(value)
    raise type_error(f"operand of {sign} must be boolean; got: {type_name(value)}")


def member(holder: Data, name: str) -> Data:
    """Return ``holder.name``."""
    if type(holder) is not dict:
        raise type_error(f"cannot read field {name} of {type_name(holder)}; only a map has fields")
    if name not in holder:
        raise key_error(name)
    return holder[name]


def index(holder: Data, key: Data) -> Data:
    """Return ``holder[key]``: a map's value by string, or a list's by integer from 0."""
    if type(holder) is dict:
        if type(key) is not str:
            raise type_error(f"a map key must be a string; got: {type_name(key)}")
        return member(holder, key)
    if type(holder) is list:
        return holder[list_index(holder, key)]
    raise type_error(f"cannot index {type_name(holder)}; only a list or a map can be indexed")


def list_index(holder: list[Any], key: Data) -> int:
    """Return ``key`` as a valid index of the list; raise TypeError or IndexError."""
    if type(key) is not int:
        raise type_error(f"a list index must be an integer; got: {type_name(key)}")
    if not 0 <= key < len(holder):
        raise failure("IndexError", f"index out of range: {key}, list has {len(holder)} elements")
    return key


BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": add,
    "-": _numeric("-", lambda left, right: left - right),
    "*": _numeric("*", lambda left, right: left * right),
    "/": _numeric("/", lambda left, right: left / right),
    "//": _numeric("//", lambda left, right: left // right),
    "%": _numeric("%", lambda left, right: left % right),
    "<": _ordered("<", lambda left, right: left < right),
    "<=": _ordered("<=", lambda left, right: left <= right),
    ">": _ordered(">", lambda left, right: left > right),
    ">=": _ordered(">=", lambda left, right: left >= right),
    "==": equal,
    "!=": lambda left, right: not equal(left, right),
    "in": contains,
}
