"""The messages of google/rpc/error_details.proto that our errors carry.

Source: googleapis-common-protos; a test compares them.
"""

# ruff: noqa: RUF012 - msgspec copies the mutable defaults of structs

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

from jubako.wire.schema import Field, Message


class LocalizedMessage(Message):
    """``google.rpc.LocalizedMessage``."""

    __proto__ = "google.rpc.LocalizedMessage"

    locale: Annotated[str, Field(1)] = ""
    message: Annotated[str, Field(2)] = ""


class ErrorInfo(Message):
    """``google.rpc.ErrorInfo``."""

    __proto__ = "google.rpc.ErrorInfo"

    reason: Annotated[str, Field(1)] = ""
    domain: Annotated[str, Field(2)] = ""
    metadata: Annotated[dict[str, str], Field(3)] = {}


class RetryInfo(Message):
    """``google.rpc.RetryInfo``."""

    __proto__ = "google.rpc.RetryInfo"

    retry_delay: Annotated[timedelta | None, Field(1)] = None


class BadRequest(Message):
    """``google.rpc.BadRequest``."""

    __proto__ = "google.rpc.BadRequest"

    class FieldViolation(Message):
        """``google.rpc.BadRequest.FieldViolation``."""

        __proto__ = "google.rpc.BadRequest.FieldViolation"

        field: Annotated[str, Field(1)] = ""
        description: Annotated[str, Field(2)] = ""
        reason: Annotated[str, Field(3)] = ""
        localized_message: Annotated[LocalizedMessage | None, Field(4)] = None

    field_violations: Annotated[list[FieldViolation], Field(1)] = []


class PreconditionFailure(Message):
    """``google.rpc.PreconditionFailure``."""

    __proto__ = "google.rpc.PreconditionFailure"

    class Violation(Message):
        """``google.rpc.PreconditionFailure.Violation``."""

        __proto__ = "google.rpc.PreconditionFailure.Violation"

        type: Annotated[str, Field(1)] = ""
        subject: Annotated[str, Field(2)] = ""
        description: Annotated[str, Field(3)] = ""

    violations: Annotated[list[Violation], Field(1)] = []


class ResourceInfo(Message):
    """``google.rpc.ResourceInfo``."""

    __proto__ = "google.rpc.ResourceInfo"

    resource_type: Annotated[str, Field(1)] = ""
    resource_name: Annotated[str, Field(2)] = ""
    owner: Annotated[str, Field(3)] = ""
    description: Annotated[str, Field(4)] = ""


DETAILS: Sequence[type[Message]] = (BadRequest, ErrorInfo, PreconditionFailure, ResourceInfo, RetryInfo)
"""What may stand in ``Status.details``."""
