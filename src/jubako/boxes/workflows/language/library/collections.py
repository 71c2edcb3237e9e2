"""Functions on lists and maps; all return new values.

Source: cloud.google.com/workflows/docs/reference/stdlib/list and .../map.
"""

from typing import Any

from jubako.boxes.workflows.language.data import Data
from jubako.boxes.workflows.language.errors import type_error
from jubako.boxes.workflows.language.library.arguments import mapping, sequence, text
from jubako.boxes.workflows.language.library.registry import pure
from jubako.boxes.workflows.language.values import type_name


@pure("list.concat", "objs", "val")
def concat(objs: Data, val: Data) -> list[Any]:
    """Return the list with one element more at the end; a list is added as one element."""
    return [*sequence(objs, "objs"), val]


@pure("list.prepend", "objs", "val")
def prepend(objs: Data, val: Data) -> list[Any]:
    """Return the list with one element more at the start."""
    return [val, *sequence(objs, "objs")]


@pure("map.get", "map", "keys")
def get(holder: Data, keys: Data) -> Data:
    """Return the value at a key or a path of keys, null where anything on the way is missing or no map."""
    path = keys if type(keys) is list else [keys]
    for key in path:
        if type(key) is not str:
            raise type_error(f"keys must be strings; got: {type_name(key)}")
    for key in path:
        if type(holder) is not dict or key not in holder:
            return None
        holder = holder[key]
    return holder


@pure("map.delete", "map", "key")
def delete(holder: Data, key: Data) -> dict[str, Any]:
    """Return the map without a key."""
    gone = text(key, "key")
    return {name: value for name, value in mapping(holder, "map").items() if name != gone}


@pure("map.merge", "first", "second")
def merge(first: Data, second: Data) -> dict[str, Any]:
    """Return both maps in one; the second wins."""
    return {**mapping(first, "first"), **mapping(second, "second")}


@pure("map.merge_nested", "first", "second", goes_deep=True)
def merge_nested(first: Data, second: Data) -> dict[str, Any]:
    """Return both maps in one, maps under the same key merged likewise; elsewhere the second wins."""
    merged = dict(mapping(first, "first"))
    for key, value in mapping(second, "second").items():
        both = type(value) is dict and type(merged.get(key)) is dict
        merged[key] = merge_nested(merged[key], value) if both else value
    return merged
