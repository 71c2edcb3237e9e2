"""What Google's OAuth and OpenID hosts serve to everybody: public keys, facts about tokens, tokens for key files.

None of it needs a caller: public keys are public, and whoever asks about a token or presents an assertion shows all
that is needed with it. Errors of the token endpoint have OAuth's shape (RFC 6749, 5.2). Sources: RFC 7523 (JWT bearer
grants); developers.google.com/identity/protocols/oauth2/service-account; OpenID Connect Discovery 1.0.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qs, unquote

import msgspec

from jubako.core.clock import Clock
from jubako.core.errors import Unauthenticated
from jubako.identity import keys, service_keys
from jubako.identity.account_keys import AccountKeys
from jubako.identity.keys import Claims, SigningKey
from jubako.identity.tokens import CLOUD_PLATFORM, ISSUER, LIFETIME, Tokens, check_times
from jubako.store.port import Store
from jubako.wire.http import HttpRequest, HttpResponse

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_ENDPOINTS = frozenset(
    {"https://oauth2.googleapis.com/token", "https://www.googleapis.com/oauth2/v4/token"}
)
PublicHandler = Callable[[HttpRequest], Awaitable[HttpResponse]]


class OAuth:
    """Answers for accounts.google.com, oauth2.googleapis.com and www.googleapis.com/oauth2."""

    def __init__(
        self, key: SigningKey, tokens: Tokens, store: Store, clock: Clock, accounts: AccountKeys
    ) -> None:
        self._accounts = accounts
        self._key = key
        self._tokens = tokens
        self._store = store
        self._clock = clock

    def routes(self) -> Mapping[tuple[str, str], PublicHandler]:
        """Return the handlers by verb and path."""
        return {
            ("GET", "/oauth2/v1/certs"): self._certificates,
            ("GET", "/oauth2/v3/certs"): self._key_set,
            ("GET", "/service_accounts/v1/metadata/x509/*"): self._account_certificates,
            ("GET", "/service_accounts/v1/jwk/*"): self._account_key_set,
            ("GET", "/.well-known/openid-configuration"): self._discovery,
            ("GET", "/tokeninfo"): self._token_info,
            ("GET", "/oauth2/v3/tokeninfo"): self._token_info,
            ("POST", "/token"): self._token,
            ("POST", "/oauth2/v4/token"): self._token,
        }

    async def _certificates(self, _request: HttpRequest) -> HttpResponse:
        return _json(self._key.certificates(), cache=True)

    async def _key_set(self, _request: HttpRequest) -> HttpResponse:
        return _json(self._key.key_set(), cache=True)

    async def _account_certificates(self, request: HttpRequest) -> HttpResponse:
        key = await self._accounts.known(unquote(request.path.rpartition("/")[2]))
        return _json(key.certificates() if key else {}, cache=True)

    async def _account_key_set(self, request: HttpRequest) -> HttpResponse:
        key = await self._accounts.known(unquote(request.path.rpartition("/")[2]))
        return _json(key.key_set() if key else {"keys": []}, cache=True)

    async def _discovery(self, _request: HttpRequest) -> HttpResponse:
        facts = {
            "issuer": ISSUER,
            "jwks_uri": "https://www.googleapis.com/oauth2/v3/certs",
            "token_endpoint": "https://oauth2.googleapis.com/token",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [keys.ALGORITHM],
        }
        return _json(facts, cache=True)

    async def _token_info(self, request: HttpRequest) -> HttpResponse:
        given = _fields(request.query)
        try:
            claims = self._tokens.claims(given.get("id_token") or given.get("access_token") or "")
        except Unauthenticated as error:
            return _refused("invalid_token", error.message)
        left = int(claims["exp"] - self._clock.now().timestamp())
        return _json({name: str(value) for name, value in claims.items()} | {"expires_in": str(left)})

    async def _token(self, request: HttpRequest) -> HttpResponse:
        given = _fields(request.body.decode("utf-8", "replace"))
        if given.get("grant_type") != JWT_BEARER:
            return _refused(
                "unsupported_grant_type", "Only the key files of service accounts made here are known."
            )
        try:
            claims = await self._assertion(given.get("assertion", ""))
        except Unauthenticated as error:
            return _refused("invalid_grant", error.message)
        email, audience = str(claims["iss"]), claims.get("target_audience")
        if isinstance(audience, str) and audience:
            return _json({"id_token": self._tokens.id_token(email, audience)})
        token = self._tokens.access_token(email, str(claims.get("scope") or CLOUD_PLATFORM).split())
        seconds = int(LIFETIME.total_seconds())
        return _json({"access_token": token, "expires_in": seconds, "token_type": "Bearer"})

    async def _assertion(self, assertion: str) -> Claims:
        """Return the claims of an assertion that the key file of the account in ``iss`` signed.

        Raises:
            Unauthenticated: It is not good.

        """
        key_id = keys.key_id_of(assertion)
        found = await self._store.read(partial(service_keys.find, key_id=key_id))
        if found is None:
            raise Unauthenticated("The assertion is not signed by a key file that was made here.")
        email, public = found
        _, claims = keys.checked(assertion, {key_id: keys.public_key(public)})
        if claims.get("iss") != email or claims.get("sub", email) != email:
            raise Unauthenticated("The assertion speaks for another account than its key's.")
        if claims.get("aud") not in TOKEN_ENDPOINTS:
            raise Unauthenticated("The assertion is for another audience.")
        check_times(claims, self._clock.now())
        return claims


def _fields(text: str) -> dict[str, str]:
    try:
        return {name: values[0] for name, values in parse_qs(text, max_num_fields=20).items()}
    except ValueError:
        return {}


def _json(value: Any, *, cache: bool = False) -> HttpResponse:  # noqa: ANN401 - any JSON value
    headers = {"content-type": "application/json; charset=UTF-8"}
    headers["cache-control"] = "public, max-age=300" if cache else "no-store"
    return HttpResponse(status=200, headers=headers, body=msgspec.json.encode(value))


def _refused(error: str, description: str) -> HttpResponse:
    headers = {"content-type": "application/json; charset=UTF-8", "cache-control": "no-store"}
    body = msgspec.json.encode({"error": error, "error_description": description})
    return HttpResponse(status=400, headers=headers, body=body)
