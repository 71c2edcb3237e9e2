"""IAM Credentials v1: tokens and signatures of a service account for whoever may act as it.

Source: google/iam/credentials/v1/iamcredentials.proto.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from jubako.core.clock import Clock
from jubako.core.errors import InvalidArgument
from jubako.core.names import Pattern
from jubako.identity.account_keys import AccountKeys
from jubako.identity.accounts import email_of
from jubako.identity.acting import Register
from jubako.identity.resources import (
    GenerateAccessTokenRequest,
    GenerateAccessTokenResponse,
    GenerateIdTokenRequest,
    GenerateIdTokenResponse,
    SignBlobRequest,
    SignBlobResponse,
    SignJwtRequest,
    SignJwtResponse,
)
from jubako.identity.tokens import LIFETIME, Tokens
from jubako.wire import codec
from jubako.wire.method import Api, Caller, Handler, HttpRule, Method
from jubako.wire.schema import Message

HOSTS = ("iamcredentials.googleapis.com",)
LIFETIME_MAX = timedelta(hours=12)
"""Source: the comment of GenerateAccessTokenRequest.lifetime."""
_NAME = Pattern("projects/{project}/serviceAccounts/{account}")
_SERVICE = "google.iam.credentials.v1.IAMCredentials"


def _method(name: str, request: type[Message], response: type[Message], permission: str) -> Method:
    verb = name[0].lower() + name[1:]
    return Method(
        name=f"{_SERVICE}.{name}",
        http=(HttpRule("POST", f"/v1/{{name=projects/*/serviceAccounts/*}}:{verb}", "*"),),
        request=request,
        response=response,
        permission=f"iam.serviceAccounts.{permission}",
    )


METHODS: Sequence[Method] = (
    _method("GenerateAccessToken", GenerateAccessTokenRequest, GenerateAccessTokenResponse, "getAccessToken"),
    _method("GenerateIdToken", GenerateIdTokenRequest, GenerateIdTokenResponse, "getOpenIdToken"),
    _method("SignBlob", SignBlobRequest, SignBlobResponse, "signBlob"),
    _method("SignJwt", SignJwtRequest, SignJwtResponse, "signJwt"),
)


class CredentialsHandlers:
    """Answers the methods."""

    def __init__(self, tokens: Tokens, clock: Clock, register: Register, keys: AccountKeys) -> None:
        self._keys = keys
        self._register = register
        self._tokens = tokens
        self._clock = clock

    def api(self) -> Api:
        """Return the API."""
        handlers: Mapping[str, Handler] = {
            f"{_SERVICE}.GenerateAccessToken": self.access_token,
            f"{_SERVICE}.GenerateIdToken": self.id_token,
            f"{_SERVICE}.SignBlob": self.sign_blob,
            f"{_SERVICE}.SignJwt": self.sign_jwt,
        }
        return Api(name="iamcredentials", version="v1", hosts=HOSTS, methods=METHODS, handlers=handlers)

    async def access_token(
        self, request: GenerateAccessTokenRequest, _caller: Caller
    ) -> GenerateAccessTokenResponse:
        """Return an access token."""
        lifetime = request.lifetime or LIFETIME
        if not request.scope:
            raise InvalidArgument("scope: is empty.")
        if not timedelta(0) < lifetime <= LIFETIME_MAX:
            raise InvalidArgument("lifetime: is not between 1 second and 12 hours.")
        token = self._tokens.access_token(await self._email(request.name), request.scope, lifetime)
        # In whole seconds: google-auth reads no other form.
        expires = (self._clock.now() + lifetime).replace(microsecond=0)
        return GenerateAccessTokenResponse(access_token=token, expire_time=expires)

    async def id_token(self, request: GenerateIdTokenRequest, _caller: Caller) -> GenerateIdTokenResponse:
        """Return an ID token."""
        if not request.audience:
            raise InvalidArgument("audience: is empty.")
        token = self._tokens.id_token(
            await self._email(request.name), request.audience, with_email=request.include_email
        )
        return GenerateIdTokenResponse(token=token)

    async def sign_blob(self, request: SignBlobRequest, _caller: Caller) -> SignBlobResponse:
        """Return the RS256 signature of bytes, by the account's own key."""
        if not request.payload:
            raise InvalidArgument("payload: is empty.")
        key = await self._keys.of(await self._email(request.name))
        return SignBlobResponse(key_id=key.id, signed_blob=key.signature(request.payload))

    async def sign_jwt(self, request: SignJwtRequest, _caller: Caller) -> SignJwtResponse:
        """Return a token with the claims given, signed by the account's own key."""
        claims = codec.parse(request.payload)
        if not isinstance(claims, dict):
            raise InvalidArgument("payload: is not a JSON object.")
        expires = claims.get("exp")
        latest = (self._clock.now() + LIFETIME_MAX).timestamp()
        if expires is not None and not (isinstance(expires, int | float) and expires <= latest):
            raise InvalidArgument("payload: exp is more than 12 hours ahead.")
        key = await self._keys.of(await self._email(request.name))
        return SignJwtResponse(key_id=key.id, signed_jwt=key.sign(claims, "JWT"))

    async def _email(self, name: str) -> str:
        place = _NAME.parse(name)
        email = email_of(place["account"], place["project"], "name")
        await self._register.require(email)
        return email
