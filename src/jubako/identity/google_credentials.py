"""The user's own credentials for the real Google: a service account key, or what ``gcloud auth`` wrote down.

They leave this process only as what buys tokens, to the address that the file names; tokens are kept until a minute
before they end. Sources: google.aip.dev/auth/4112, .../4110 (where the file is), RFC 7523 (assertions).
"""

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jubako.core.clock import Clock
from jubako.core.errors import InvalidArgument
from jubako.identity.keys import SigningKey, encoded
from jubako.wire.outbound import EgressError, Outbound, parse_url

DEFAULT = "default"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
PATIENCE = timedelta(seconds=30)
_SPARE = timedelta(minutes=1)
_LIFE = timedelta(hours=1)
_REPLY_MAX = 64 * 1024
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "service_account": ("client_email", "private_key"),
    "authorized_user": ("client_id", "client_secret", "refresh_token"),
}


class NoGoogleToken(Exception):
    """Google gave no token; ``str()`` is one sentence, without credentials."""


def credentials_file(given: str, environ: Mapping[str, str]) -> Path:
    """Return the file that ``given`` means: a path, or ``default`` for where Google's libraries would look."""
    if given != DEFAULT:
        return Path(given)
    if named := environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        return Path(named)
    folder = environ.get("CLOUDSDK_CONFIG") or f"{environ.get('HOME', '')}/.config/gcloud"
    return Path(folder) / "application_default_credentials.json"


def read_credentials(path: Path) -> dict[str, Any]:
    """Return what a credentials file says.

    Raises:
        InvalidArgument: It cannot be read, or holds credentials of another kind.

    """
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        told = error.strerror if isinstance(error, OSError) else "it is not JSON"
        raise InvalidArgument(f"google-credentials: {path} cannot be read: {told}.") from None
    kind = document.get("type") if isinstance(document, dict) else None
    if not isinstance(kind, str) or kind not in _FIELDS:
        raise InvalidArgument(
            f"google-credentials: {path} holds credentials of type {kind!r}; known are {' and '.join(_FIELDS)}."
        )
    missing = [name for name in _FIELDS[kind] if not isinstance(document.get(name), str)]
    if missing:
        raise InvalidArgument(f"google-credentials: {path} lacks {', '.join(missing)}.")
    return dict(document)


class GoogleCredentials:
    """Buys tokens with the credentials of a file."""

    def __init__(self, document: Mapping[str, Any], outbound: Outbound, clock: Clock) -> None:
        """Take what ``read_credentials`` returned.

        Raises:
            InvalidArgument: The private key is none.

        """
        self._document = document
        self._outbound = outbound
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token = ""
        self._until: datetime | None = None
        self._key: SigningKey | None = None
        if "private_key" in document:
            try:
                self._key = SigningKey.from_pem(document["private_key"].encode())
            except (ValueError, TypeError, AssertionError):
                raise InvalidArgument("google-credentials: the private key is unreadable.") from None

    async def headers(self) -> Mapping[str, str]:
        """Return the headers that a call needs.

        Raises:
            NoGoogleToken: No token can be had.

        """
        async with self._lock:
            if self._until is None or self._until <= self._clock.now():
                await self._renew()
        headers = {"authorization": f"Bearer {self._token}"}
        if quota := self._document.get("quota_project_id"):
            headers["x-goog-user-project"] = str(quota)
        return headers

    async def _renew(self) -> None:
        address = str(self._document.get("token_uri") or TOKEN_URI)
        body = urlencode(self._request(address)).encode()
        form = {"content-type": "application/x-www-form-urlencoded"}
        try:
            async with asyncio.timeout(PATIENCE.total_seconds()):
                reply = await self._outbound.send("POST", parse_url(address), form, body, _REPLY_MAX)
        except (EgressError, TimeoutError) as error:
            raise NoGoogleToken(f"{address} cannot be reached: {str(error) or 'it took too long'}") from None
        try:
            told = json.loads(reply.body)
        except ValueError:
            raise NoGoogleToken(f"{address} answered with status {reply.status} and no JSON") from None
        token = told.get("access_token") if isinstance(told, dict) else None
        if reply.status != 200 or not isinstance(token, str):
            reason = told.get("error_description") or told.get("error") if isinstance(told, dict) else None
            raise NoGoogleToken(f"{address} gave no token (status {reply.status}): {str(reason)[:200]}")
        life = told.get("expires_in")
        self._token = token
        self._until = self._clock.now() + timedelta(seconds=life if isinstance(life, int) else 0) - _SPARE

    def _request(self, address: str) -> Mapping[str, str]:
        if self._key is not None:
            return {"grant_type": _GRANT, "assertion": self._assertion(self._key, address)}
        told = {name: str(self._document[name]) for name in _FIELDS["authorized_user"]}
        return {"grant_type": "refresh_token", **told}

    def _assertion(self, key: SigningKey, address: str) -> str:
        now = self._clock.now()
        header = {"alg": "RS256", "typ": "JWT", "kid": self._document.get("private_key_id", "")}
        claims = {
            "iss": self._document["client_email"],
            "scope": SCOPE,
            "aud": address,
            "iat": int(now.timestamp()),
            "exp": int((now + _LIFE).timestamp()),
        }
        signed = ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
        return f"{signed}.{encoded(key.signature(signed.encode('ascii')))}"
