"""Messages of google.iam.credentials.v1 that are served. Source: google/iam/credentials/v1/common.proto."""

from datetime import datetime, timedelta
from typing import Annotated, ClassVar

from msgspec import field

from jubako.wire.schema import DURATION, TIMESTAMP, Field, Message


class GenerateAccessTokenRequest(Message):
    """Ask for an access token."""

    __proto__: ClassVar[str] = "google.iam.credentials.v1.GenerateAccessTokenRequest"
    name: Annotated[str, Field(1)] = ""
    delegates: Annotated[list[str], Field(2)] = field(default_factory=list)
    scope: Annotated[list[str], Field(4)] = field(default_factory=list)
    lifetime: Annotated[timedelta | None, Field(7, DURATION)] = None


class GenerateAccessTokenResponse(Message):
    """An access token."""

    __proto__: ClassVar[str] = "google.iam.credentials.v1.GenerateAccessTokenResponse"
    access_token: Annotated[str, Field(1)] = ""
    expire_time: Annotated[datetime | None, Field(3, TIMESTAMP)] = None


class GenerateIdTokenRequest(Message):
    """Ask for an ID token."""

    __proto__: ClassVar[str] = "google.iam.credentials.v1.GenerateIdTokenRequest"
    name: Annotated[str, Field(1)] = ""
    delegates: Annotated[list[str], Field(2)] = field(default_factory=list)
    audience: Annotated[str, Field(3)] = ""
    include_email: Annotated[bool, Field(4)] = False


class GenerateIdTokenResponse(Message):
    """An ID token."""

    __proto__: ClassVar[str] = "google.iam.credentials.v1.GenerateIdTokenResponse"
    token: Annotated[str, Field(1)] = ""


class SignBlobRequest(Message):
    """Ask for the signature of any bytes."""

    __proto__: ClassVar[str] = "google.iam.credentials.v1.SignBlobRequest"
    name: Annotated[str, Field(1)] = ""
    delegates: Annotated[list[str], Field(3)] = field(default_factory=list)
    payload: Annotated[bytes, Field(5)] = b""


class SignBlobResponse(Message):
    """The signature."""

    __proto__: ClassVar[str] = "google.iam.credentials.v1.SignBlobResponse"
    key_id: Annotated[str, Field(1)] = ""
    signed_blob: Annotated[bytes, Field(4)] = b""


class SignJwtRequest(Message):
    """Ask for a signed token with any claims."""

    __proto__: ClassVar[str] = "google.iam.credentials.v1.SignJwtRequest"
    name: Annotated[str, Field(1)] = ""
    delegates: Annotated[list[str], Field(3)] = field(default_factory=list)
    payload: Annotated[str, Field(5)] = ""


class SignJwtResponse(Message):
    """The token."""

    __proto__: ClassVar[str] = "google.iam.credentials.v1.SignJwtResponse"
    key_id: Annotated[str, Field(1)] = ""
    signed_jwt: Annotated[str, Field(2)] = ""
