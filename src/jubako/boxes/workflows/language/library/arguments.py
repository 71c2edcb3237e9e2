"""Checks of arguments that library functions share."""

from typing import Any

from jubako.boxes.workflows.language.data import Data
from jubako.boxes.workflows.language.errors import type_error
from jubako.boxes.workflows.language.values import is_number, type_name


def text(value: Data, name: str) -> str:
    """Return a string argument; raise TypeError for another type."""
    if type(value) is str:
        return value
    raise type_error(f"{name} must be a string; got: {type_name(value)}")


def number(value: Data, name: str) -> Data:
    """Return a numeric argument; raise TypeError for another type."""
    if is_number(value):
        return value
    raise type_error(f"{name} must be a number; got: {type_name(value)}")


def integer(value: Data, name: str) -> int:
    """Return an integer argument; raise TypeError for another type."""
    if type(value) is int:
        return value
    raise type_error(f"{name} must be an integer; got: {type_name(value)}")


def mapping(value: Data, name: str) -> dict[str, Any]:
    """Return a map argument; raise TypeError for another type."""
    if type(value) is dict:
        return value
    raise type_error(f"{name} must be a map; got: {type_name(value)}")


def sequence(value: Data, name: str) -> list[Any]:
    """Return a list argument; raise TypeError for another type."""
    if type(value) is list:
        return value
    raise type_error(f"{name} must be a list; got: {type_name(value)}")


def octets(value: Data, name: str) -> bytes:
    """Return an argument that is bytes, or text taken as UTF-8; raise TypeError for another type."""
    if type(value) is bytes:
        return value
    if type(value) is str:
        return value.encode("utf-8", "surrogatepass")
    raise type_error(f"{name} must be bytes or a string; got: {type_name(value)}")


def boolean(value: Data, name: str) -> bool:
    """Return a boolean argument; raise TypeError for another type."""
    if type(value) is bool:
        return value
    raise type_error(f"{name} must be a boolean; got: {type_name(value)}")
