"""JSON, base64, character sets and hashes.

Source: cloud.google.com/workflows/docs/reference/stdlib/json, .../base64, .../text and .../hash.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator

from jubako.boxes.workflows.language.data import Data
from jubako.boxes.workflows.language.errors import value_error
from jubako.boxes.workflows.language.library.arguments import boolean, mapping, octets, text
from jubako.boxes.workflows.language.library.registry import pure
from jubako.boxes.workflows.language.limits import STRING_BYTES_MAX
from jubako.boxes.workflows.language.values import admitted, bounded_text, string_too_long, type_name

_INDENT = "    "
_LINE_ENDS = str.maketrans("", "", "\r\n")
_ALGORITHMS = {name: name.lower() for name in ("MD5", "SHA1", "SHA256", "SHA384", "SHA512")}


@pure("json.encode", "data", ("indent", None), goes_deep=True)
def json_encode(data: Data, indent: Data) -> bytes:
    """Return JSON as bytes."""
    return _written(data, indent).encode("utf-8", "surrogatepass")


@pure("json.encode_to_string", "data", ("indent", None), goes_deep=True)
def json_encode_to_string(data: Data, indent: Data) -> str:
    """Return JSON as a string; ``indent`` is a boolean or a map of ``prefix`` and ``indent`` (four spaces)."""
    return _written(data, indent)


def _written(data: Data, indent: Data) -> str:
    prefix, step = _indentation(indent)
    encoder = json.JSONEncoder(
        ensure_ascii=False,
        allow_nan=False,
        default=_refuse,
        indent=step,
        separators=(",", ": ") if step is not None else (",", ":"),
    )
    try:
        # What is written without indents is not much longer than the value; with them there is no telling before.
        parts = encoder.iterencode(data) if step is not None else iter((encoder.encode(data),))
        return bounded_text("".join(_bounded(part.replace("\n", "\n" + prefix) for part in parts)))
    except ValueError:
        raise value_error("JSON has no infinity and no NaN") from None


def _bounded(parts: Iterable[str]) -> Iterator[str]:
    length = 0
    for part in parts:
        length += len(part)
        if length > STRING_BYTES_MAX:
            raise string_too_long()
        yield part


def _indentation(indent: Data) -> tuple[str, str | None]:
    if indent is None or indent is False:
        return "", None
    if indent is True:
        return "", _INDENT
    options = mapping(indent, "indent")
    return text(options.get("prefix", ""), "prefix")[:100], text(options.get("indent", _INDENT), "indent")[
        :100
    ]


def _refuse(value: Data) -> Data:
    raise value_error(f"cannot encode {type_name(value)} as JSON")


@pure("json.decode", "data")
def json_decode(data: Data) -> Data:
    """Return the value of a JSON text given as a string, or as bytes in UTF-8."""
    try:
        return admitted(json.loads(octets(data, "data").decode(), parse_constant=_refuse_constant))
    except RecursionError:
        raise value_error("JSON is nested too deeply") from None
    except ValueError as bad:
        raise value_error(f"not valid JSON: {bad}") from None


def _refuse_constant(name: str) -> Data:
    raise ValueError(name)


@pure("base64.encode", "data", ("padding", True))
def base64_encode(data: Data, padding: Data) -> str:
    """Return bytes as base64 text."""
    encoded = base64.b64encode(octets(data, "data")).decode()
    return bounded_text(encoded if boolean(padding, "padding") else encoded.rstrip("="))


@pure("base64.decode", "data", ("padding", True))
def base64_decode(data: Data, padding: Data) -> bytes:
    """Return the bytes of base64 text; ends of lines in it do not count."""
    encoded = text(data, "data").translate(_LINE_ENDS)
    if not boolean(padding, "padding"):
        encoded += "=" * (-len(encoded) % 4)
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as bad:
        raise value_error(f"not valid base64: {bad}") from None


@pure("text.encode", "text", ("charset", "UTF-8"))
def text_encode(value: Data, charset: Data) -> bytes:
    """Return text as bytes in a character set."""
    try:
        return text(value, "text").encode(_charset(charset))
    except UnicodeError as bad:
        raise value_error(f"cannot encode: {bad.reason if hasattr(bad, 'reason') else bad}") from None


@pure("text.decode", "data", ("charset", "UTF-8"))
def text_decode(data: Data, charset: Data) -> str:
    """Return the text of bytes in a character set."""
    try:
        return bounded_text(octets(data, "data").decode(_charset(charset)))
    except UnicodeError as bad:
        raise value_error(f"cannot decode: {bad.reason if hasattr(bad, 'reason') else bad}") from None


_CHARSETS = {
    "UTF-8",
    "UTF8",
    "US-ASCII",
    "ASCII",
    "ISO-8859-1",
    "UTF-16",
    "UTF-16BE",
    "UTF-16LE",
    "SHIFT_JIS",
    "EUC-JP",
}


def _charset(name: Data) -> str:
    # A list of our own: Python's codec names include things such as zip and idna.
    if text(name, "charset").upper() not in _CHARSETS:
        raise value_error(f"unknown charset {name[:40]!r}")
    return str(name)


@pure("hash.compute_checksum", "data", "algorithm")
def checksum(data: Data, algorithm: Data) -> bytes:
    """Return the digest of data."""
    return hashlib.new(_algorithm(algorithm), octets(data, "data"), usedforsecurity=False).digest()


@pure("hash.compute_hmac", "key", "data", "algorithm")
def keyed(key: Data, data: Data, algorithm: Data) -> bytes:
    """Return the HMAC of data under a key."""
    return hmac.new(octets(key, "key"), octets(data, "data"), _algorithm(algorithm)).digest()


def _algorithm(name: Data) -> str:
    known = _ALGORITHMS.get(text(name, "algorithm").upper())
    if known is None:
        raise value_error(f"unknown algorithm {name[:40]!r}; known: {', '.join(_ALGORITHMS)}")
    return known
