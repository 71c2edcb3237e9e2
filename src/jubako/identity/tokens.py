"""Access tokens and ID tokens of this install.

1. Both are JWT, signed by the install's key, good for an hour, and told apart by ``typ`` (RFC 9068): an ID token, which
   may be shown to any service, opens no API.
2. The issuer is Google's, because code that verifies ID tokens with Google's libraries insists on it; the key is ours,
   and programs in our environment get its public half where Google's would be.
3. Signature, type, issuer, time and audience are checked, in this order, and audience exactly.

Source: OpenID Connect Core 1.0, 2 and 3.1.3.7; cloud.google.com/docs/authentication/token-types.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from jubako.core.clock import Clock
from jubako.core.errors import Unauthenticated
from jubako.identity.keys import Claims, SigningKey

ISSUER = "https://accounts.google.com"
ISSUERS = frozenset({ISSUER, "accounts.google.com"})
ACCESS = "at+jwt"
ID = "JWT"
API_AUDIENCE = "https://www.googleapis.com/"
"""Of access tokens: every API of this server."""
CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
LIFETIME = timedelta(hours=1)
OWNER = "owner"
"""Subject of the owner's token; those of service accounts are numbers."""
LEEWAY = timedelta(seconds=10)
"""By how much another program's clock may differ from ours."""
_CACHED_MAX = 1024


class Tokens:
    """Makes tokens and checks them."""

    def __init__(self, key: SigningKey, clock: Clock) -> None:
        self._key = key
        self._clock = clock
        self._checked: OrderedDict[str, tuple[str, Claims]] = OrderedDict()
        """Type and claims of tokens whose signature was found right: the same ones come again and again."""

    def access_token(
        self, email: str, scopes: Sequence[str] = (CLOUD_PLATFORM,), lifetime: timedelta = LIFETIME
    ) -> str:
        """Return a token that opens the APIs to the service account ``email``."""
        claims = self._claims(email, API_AUDIENCE, lifetime)
        return self._key.sign({**claims, "email": email, "scope": " ".join(scopes)}, ACCESS)

    def owner_token(self) -> str:
        """Return a token that opens the APIs to whoever owns the state directory."""
        claims = self._claims("", API_AUDIENCE, LIFETIME)
        return self._key.sign({**claims, "sub": OWNER}, ACCESS)

    def id_token(self, email: str, audience: str, *, with_email: bool = True) -> str:
        """Return a token that proves to ``audience`` that ``email`` calls."""
        claims = {**self._claims(email, audience, LIFETIME), "azp": unique_id(email)}
        if with_email:
            claims |= {"email": email, "email_verified": True}
        return self._key.sign(claims, ID)

    def access(self, token: str) -> str | None:
        """Return the email that an access token proves; None: it is the owner's.

        Raises:
            Unauthenticated: It proves nothing here, or no longer.

        """
        claims = self._read(token, ACCESS)
        if claims.get("aud") != API_AUDIENCE:
            raise Unauthenticated("The token is for another audience.")
        return None if claims.get("sub") == OWNER else str(claims["email"])

    def identity(self, token: str, audiences: Collection[str]) -> str:
        """Return the email that an ID token for one of ``audiences`` proves, or the subject if it names no email.

        Raises:
            Unauthenticated: It proves nothing to this audience, or no longer.

        """
        claims = self._read(token, ID)
        if claims.get("aud") not in audiences:
            raise Unauthenticated("The token is for another audience.")
        return str(claims.get("email") or claims["sub"])

    def claims(self, token: str) -> Claims:
        """Return the claims of a token of either kind that is good now.

        Raises:
            Unauthenticated: It is none.

        """
        header, _ = self._key.read(token)
        return self._read(token, ACCESS if header.get("typ") == ACCESS else ID)

    def _read(self, token: str, kind: str) -> Claims:
        found = self._checked.get(token)
        if found is None:
            header, claims = self._key.read(token)
            found = self._checked[token] = (str(header.get("typ")), claims)
            if len(self._checked) > _CACHED_MAX:
                self._checked.popitem(last=False)
        if found[0] != kind:
            raise Unauthenticated("This needs a token of another kind (access token or ID token).")
        check_times(found[1], self._clock.now())
        if found[1].get("iss") not in ISSUERS:
            raise Unauthenticated("The token has another issuer.")
        return found[1]

    def _claims(self, email: str, audience: str, lifetime: timedelta) -> Claims:
        now = int(self._clock.now().timestamp())
        return {
            "iss": ISSUER,
            "aud": audience,
            "sub": unique_id(email),
            "iat": now,
            "exp": now + int(lifetime.total_seconds()),
        }


def check_times(claims: Claims, now: datetime) -> None:
    """Return if a token's time has come and is not over.

    Raises:
        Unauthenticated: Otherwise, or if the token does not say.

    """
    seconds, leeway = now.timestamp(), LEEWAY.total_seconds()
    if not seconds < _number(claims.get("exp")) + leeway:
        raise Unauthenticated("The token has expired.")
    if _number(claims.get("iat")) > seconds + leeway:
        raise Unauthenticated("The token is not valid yet.")


def unique_id(email: str) -> str:
    """Return the number by which Google would know a service account: 21 digits, computed."""
    digest = int.from_bytes(hashlib.sha256(email.encode()).digest()[:12], "big")
    return str(10**20 + digest % (9 * 10**20))


def _number(value: Any) -> float:  # noqa: ANN401 - any JSON value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Unauthenticated("The token does not say when it expires.")
    return float(value)
