"""Errors of a running workflow: values that `except` can catch, and how they look when nobody does.

An error value is a string or a map, exactly what was raised. Errors made by the language are maps with ``message``
and ``tags``. Source: cloud.google.com/workflows/docs/reference/stdlib/overview, "Error types"; the shape of an
unhandled one is google.cloud.workflows.executions.v1 Execution.Error.
"""

import json
from typing import Any

from jubako.boxes.workflows.language.data import Data
from jubako.boxes.workflows.language.limits import MEMORY_BYTES_MAX

_WIDER_TAGS = {
    "KeyError": ("LookupError",),
    "IndexError": ("LookupError",),
    "ZeroDivisionError": ("ArithmeticError",),
    "MemoryLimitExceededError": ("ResourceLimitError",),
    "ResultSizeLimitExceededError": ("ResourceLimitError",),
}


class Raised(Exception):
    """A workflow error on its way to a handler.

    Attributes:
        value: The string or map that `except` receives.
        trace: Where it was raised, innermost frame first, or None while not yet known. Each element is
            ``{"step", "routine", "position": {"line", "column", "length"}}``.

    """

    def __init__(self, value: Data, trace: list[dict[str, Any]] | None = None) -> None:
        super().__init__(value)
        self.value = value
        self.trace = trace


class Exhausted(Exception):
    """The execution used up its steps; no handler may catch this, because there is no step left to handle it in."""


def error_map(tag: str, message: str, **fields: Data) -> dict[str, Data]:
    """Return the map of an error of the language: ``message``, ``tags`` (wider ones included) and more fields."""
    return {"message": f"{tag}: {message}", "tags": [tag, *_WIDER_TAGS.get(tag, ())], **fields}


def failure(tag: str, message: str, **fields: Data) -> Raised:
    """Return the error of the language with this tag, ready to raise."""
    return Raised(error_map(tag, message, **fields))


class TooLarge(Raised):
    """A value that does not fit into the memory of variables."""

    def __init__(self) -> None:
        super().__init__(
            error_map("MemoryLimitExceededError", f"variables need more than {MEMORY_BYTES_MAX} bytes")
        )


def type_error(message: str) -> Raised:
    """Return a TypeError of the workflow language."""
    return failure("TypeError", message)


def value_error(message: str) -> Raised:
    """Return a ValueError of the workflow language."""
    return failure("ValueError", message)


def key_error(key: object) -> Raised:
    """Return the KeyError for a key a map does not have."""
    return failure("KeyError", f"key not found: {key}")


def describe(value: Data, trace: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what an unhandled error looks like from outside: payload, context and stackTrace.

    Source: Execution.Error: ``payload`` is JSON of the value, ``context`` a text for people that ends in the
    step, routine and line.
    """
    payload = json.dumps(value, ensure_ascii=False, default=_bytes_text, separators=(",", ":"))
    headline = value["message"] if _is_system_error(value) else f"RuntimeError: {payload}"
    where = [_where(element) for element in trace]
    return {
        "payload": payload,
        "context": "\n".join([headline, *where]),
        "stackTrace": {"elements": trace},
    }


def _is_system_error(value: Data) -> bool:
    return isinstance(value, dict) and isinstance(value.get("message"), str) and bool(value.get("tags"))


def _bytes_text(value: Data) -> str:
    assert isinstance(value, bytes), type(value)
    return f"<{len(value)} bytes>"


def _where(element: dict[str, Any]) -> str:
    line = element["position"]["line"]
    return f'in step "{element["step"]}", routine "{element["routine"]}", line: {line}'
