"""``auth`` of an HTTP request: a token of the workflow's service account.

Source: cloud.google.com/workflows/docs/authenticate-from-workflow.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"


class NoToken(Exception):
    """No token can be had; ``str()`` is one sentence for the workflow."""


class TokenSource(Protocol):
    """Makes tokens; the identity room does."""

    def access_token(self, email: str, scopes: Sequence[str] = ...) -> str:
        """Return an OAuth2 access token of the service account ``email``."""
        ...

    def id_token(self, email: str, audience: str) -> str:
        """Return an OpenID Connect token that proves to ``audience`` that ``email`` calls."""
        ...


def token_of(args: Mapping[str, Any], account: str, tokens: TokenSource | None) -> str:
    """Return the token that the ``auth`` of a request asks for.

    Args:
        args: The request's arguments.
        account: Email of the workflow's service account.
        tokens: Who makes tokens.

    Raises:
        NoToken: ``auth`` is none of the known kinds, or this server makes no tokens.

    """
    auth = args["auth"]
    kind = str(auth.get("type", "")).upper()
    if kind not in {"OIDC", "OAUTH2"}:
        raise NoToken(f"auth.type must be OIDC or OAuth2; got: {auth.get('type')!r}"[:200])
    if tokens is None:
        raise NoToken("this server makes no tokens")
    if kind == "OIDC":
        return tokens.id_token(account, str(auth.get("audience") or args["url"]))
    return tokens.access_token(account, _scopes(auth))


def _scopes(auth: Mapping[str, Any]) -> list[str]:
    given = auth.get("scopes") or auth.get("scope") or [CLOUD_PLATFORM]
    scopes = given.replace(",", " ").split() if isinstance(given, str) else given
    if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
        raise NoToken("auth.scopes must be a string or a list of strings")
    return scopes
