"""IAM Credentials v1: tokens of a service account for whoever may act as it.

``signBlob`` and ``signJwt`` are not served: they answer UNIMPLEMENTED like every method without a row here.
Source: google/iam/credentials/v1/iamcredentials.proto.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from jubako.core.clock import Clock
from jubako.core.errors import InvalidArgument
from jubako.core.names import Pattern
from jubako.identity.accounts import email_of
from jubako.identity.resources import (
    GenerateAccessTokenRequest,
    GenerateAccessTokenResponse,
    GenerateIdTokenRequest,
    GenerateIdTokenResponse,
)
from jubako.identity.tokens import LIFETIME, Tokens
from jubako.wire.method import Api, Caller, Handler, HttpRule, Method

HOSTS = ("iamcredentials.googleapis.com",)
LIFETIME_MAX = timedelta(hours=12)
"""Source: the comment of GenerateAccessTokenRequest.lifetime."""
_NAME = Pattern("projects/{project}/serviceAccounts/{account}")
_SERVICE = "google.iam.credentials.v1.IAMCredentials"

METHODS: Sequence[Method] = (
    Method(
        name=f"{_SERVICE}.GenerateAccessToken",
        http=(HttpRule("POST", "/v1/{name=projects/*/serviceAccounts/*}:generateAccessToken", "*"),),
        request=GenerateAccessTokenRequest,
        response=GenerateAccessTokenResponse,
        permission="iam.serviceAccounts.getAccessToken",
    ),
    Method(
        name=f"{_SERVICE}.GenerateIdToken",
        http=(HttpRule("POST", "/v1/{name=projects/*/serviceAccounts/*}:generateIdToken", "*"),),
        request=GenerateIdTokenRequest,
        response=GenerateIdTokenResponse,
        permission="iam.serviceAccounts.getOpenIdToken",
    ),
)


class CredentialsHandlers:
    """Answers the methods."""

    def __init__(self, tokens: Tokens, clock: Clock) -> None:
        self._tokens = tokens
        self._clock = clock

    def api(self) -> Api:
        """Return the API."""
        handlers: Mapping[str, Handler] = {
            f"{_SERVICE}.GenerateAccessToken": self.access_token,
            f"{_SERVICE}.GenerateIdToken": self.id_token,
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
        token = self._tokens.access_token(_email(request.name), request.scope, lifetime)
        # In whole seconds: google-auth reads no other form.
        expires = (self._clock.now() + lifetime).replace(microsecond=0)
        return GenerateAccessTokenResponse(access_token=token, expire_time=expires)

    async def id_token(self, request: GenerateIdTokenRequest, _caller: Caller) -> GenerateIdTokenResponse:
        """Return an ID token."""
        if not request.audience:
            raise InvalidArgument("audience: is empty.")
        token = self._tokens.id_token(
            _email(request.name), request.audience, with_email=request.include_email
        )
        return GenerateIdTokenResponse(token=token)


def _email(name: str) -> str:
    place = _NAME.parse(name)
    return email_of(place["account"], place["project"], "name")
