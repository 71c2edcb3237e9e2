"""Errors as gRPC tells them: a short text, and google.rpc.Status with its details.

Both are headers, and a client refuses headers that are large (8 KiB by default), so both are bounded.
"""

from jubako.core.errors import InvalidArgument, JubakoError
from jubako.wire import protobuf_codec
from jubako.wire.error_details import DETAILS
from jubako.wire.errors import CODE_NUMBER
from jubako.wire.google_types import Status

MESSAGE_MAX = 1024
"""Characters of an error's text; non-ASCII ones take up to twelve bytes in ``grpc-message``."""
_STATUS_BYTES_MAX = 4096
_TYPES = frozenset(f"type.googleapis.com/{cls.__proto__}" for cls in DETAILS)


def shortened(message: str) -> str:
    """Return an error's text cut to what fits a header."""
    fits = MESSAGE_MAX if message.isascii() else MESSAGE_MAX // 4
    return message if len(message) <= fits else message[: fits - 3] + "..."


def status_of(error: JubakoError) -> bytes:
    """Return google.rpc.Status in protobuf; details that have no protobuf form or no room are left out."""
    status = Status(code=CODE_NUMBER[error.code], message=shortened(error.message))
    bare = protobuf_codec.encode(status)
    status.details = [one for one in error.details if one.get("@type") in _TYPES]
    try:
        whole = protobuf_codec.encode(status)
    except InvalidArgument:
        return bare
    return whole if len(whole) <= _STATUS_BYTES_MAX else bare
