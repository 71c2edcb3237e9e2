"""Errors a caller can act on: one class per canonical RPC code.

What the user's workload did is data (exit codes, error maps), never one of these; our own bugs are assertions.
Source of the codes: google/rpc/code.proto.
"""

from collections.abc import Sequence
from typing import Any, ClassVar


class JubakoError(Exception):
    """The request could not be served; ``code`` is its canonical name and ``str()`` one sentence for the caller."""

    code: ClassVar[str] = "UNKNOWN"

    def __init__(self, message: str, details: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = tuple(details)


class InvalidArgument(JubakoError):
    """A field of the request is wrong whatever the state of the system; the message names the field."""

    code = "INVALID_ARGUMENT"


class FailedPrecondition(JubakoError):
    """The system is not in the state the request needs; retrying does not help until that changes."""

    code = "FAILED_PRECONDITION"


class OutOfRange(JubakoError):
    """The request reaches past the end of something."""

    code = "OUT_OF_RANGE"


class Unauthenticated(JubakoError):
    """The request carries no credentials where they are needed, or bad ones."""

    code = "UNAUTHENTICATED"


class PermissionDenied(JubakoError):
    """The caller is known and may not do this."""

    code = "PERMISSION_DENIED"


class NotFound(JubakoError):
    """The named resource does not exist."""

    code = "NOT_FOUND"


class AlreadyExists(JubakoError):
    """The resource to be created exists."""

    code = "ALREADY_EXISTS"


class Aborted(JubakoError):
    """Somebody else changed the resource meanwhile (etag, idempotency key); read it again and decide."""

    code = "ABORTED"


class ResourceExhausted(JubakoError):
    """A limit is reached: a quota, the disk, a queue."""

    code = "RESOURCE_EXHAUSTED"


class Cancelled(JubakoError):
    """The operation was cancelled."""

    code = "CANCELLED"


class Unimplemented(JubakoError):
    """The method or field exists at Google and not here."""

    code = "UNIMPLEMENTED"


class Internal(JubakoError):
    """A bug of ours; its text is never shown to the caller."""

    code = "INTERNAL"


class Unavailable(JubakoError):
    """Not possible right now; trying again later may help."""

    code = "UNAVAILABLE"


class DeadlineExceeded(JubakoError):
    """The time allowed for the request is over."""

    code = "DEADLINE_EXCEEDED"
