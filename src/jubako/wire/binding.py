"""From an HTTP request to a method's request message.

The body fills the whole message (``*``) or one field; query parameters fill the rest, by dotted JSON or proto names;
variables of the path win over both. Source: google/api/http.proto, "Rules for HTTP mapping".
"""

from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl

from jubako.core.errors import InvalidArgument
from jubako.wire.codec import decode, from_json, invalid, parse
from jubako.wire.json_in import Mismatch, of_value, shown
from jubako.wire.method import HttpRule
from jubako.wire.schema import Message
from jubako.wire.shape import Label, Shape, by_name

SYSTEM_PARAMETERS = frozenset(
    {
        "access_token",
        "alt",
        "callback",
        "fields",
        "key",
        "oauth_token",
        "prettyPrint",
        "quotaUser",
        "userProject",
        "upload_protocol",
        "uploadType",
    }
)
"""Parameters that every method takes; with ``$`` before them too. Source: Google Cloud APIs, "System parameters"."""

_NOTHING = frozenset({b"", b'""'})
"""What clients send instead of no body: Node's REST transport an empty string."""
_NOTHING_BYTES = 16
_QUERY_FIELDS_MAX = 1000
_BOOLS = {"true": True, "false": False}


def parse_query(query: str) -> list[tuple[str, str]]:
    """Return the decoded parameters of a query string.

    Raises:
        InvalidArgument: Not UTF-8, or more than a thousand parameters.

    """
    try:
        return parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_QUERY_FIELDS_MAX)
    except UnicodeDecodeError:
        raise InvalidArgument("The query string is not UTF-8.") from None
    except ValueError:
        raise InvalidArgument(f"The query string has more than {_QUERY_FIELDS_MAX} parameters.") from None


def wants_enum_numbers(pairs: Iterable[tuple[str, str]]) -> bool:
    """Return whether the client asked for enums as numbers (``$alt=json;enum-encoding=int``)."""
    return any(key.lstrip("$") == "alt" and "enum-encoding=int" in value for key, value in pairs)


def bind(
    cls: type[Message],
    rule: HttpRule,
    body: bytes,
    query: Iterable[tuple[str, str]],
    variables: Mapping[str, str],
) -> Message:
    """Return the request message.

    Raises:
        InvalidArgument: A part of the request does not fit ``cls``; the message names the field.

    """
    message = _from_body(cls, rule.body, body)
    for key, value in query:
        if not _is_system(key):
            if rule.body == "*":
                raise invalid(
                    shown(key), "no such query parameter; this method takes its fields in the body."
                )
            _assign(message, key, value)
    for path, value in variables.items():
        _assign(message, path, value)
    return message


def _is_system(key: str) -> bool:
    return key.startswith("$") or key in SYSTEM_PARAMETERS


def _from_body(cls: type[Message], rule: str, body: bytes) -> Message:
    if len(body) <= _NOTHING_BYTES and body.strip() in _NOTHING:
        body = b""
    if not rule:
        if body and body.strip() != b"{}":
            raise InvalidArgument("The request has a body, but this method takes none.")
        return cls()
    if rule == "*":
        return decode(cls, body) if body else cls()
    message = cls()
    if body:
        shape = by_name(cls)[rule]
        setattr(message, shape.name, from_json(shape.cls, parse(body), shape.json_name))
    return message


def _assign(message: Message, path: str, text: str) -> None:
    """Set the field at a dotted path, making the messages on the way."""
    *parents, last = path.split(".")
    for part in parents:
        shape = _field(message, part, path)
        if shape.label is not Label.SINGULAR or shape.cls is None or shape.kind != "message":
            raise invalid(shown(path), f"{part} has no fields that a parameter could set.")
        inner = getattr(message, shape.name)
        if inner is None:
            inner = shape.cls()
            setattr(message, shape.name, inner)
        message = inner
    _set(message, _field(message, last, path), text, path)


def _field(message: Message, part: str, path: str) -> Shape:
    shape = by_name(type(message)).get(part)
    if shape is None:
        raise invalid(shown(path), "no such field.")
    return shape


def _set(message: Message, shape: Shape, text: str, path: str) -> None:
    if shape.label is Label.MAP or (shape.kind == "message" and shape.cls is not None):
        raise invalid(shown(path), "cannot be set by a parameter.")
    try:
        value = of_value(shape)(_BOOLS.get(text, text) if shape.kind == "bool" else text)
    except Mismatch as mismatch:
        raise invalid(shown(path), mismatch.reason) from None
    if shape.label is Label.REPEATED:
        getattr(message, shape.name).append(value)
    else:
        setattr(message, shape.name, value)
