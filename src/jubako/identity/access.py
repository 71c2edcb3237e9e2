"""Who calls, and what they may do.

1. Without authentication the server listens on loopback only, and whoever presents nothing is ``user:local`` with every
   control-plane permission.
2. A token that is presented is checked all the same. A good access token makes the caller its service account; anything
   else is refused, because a program that presents a credential relies on its being looked at.
3. A service account may do everything too, as long as there are no policies. A method without a permission is nobody's.
"""

from collections.abc import Mapping

from jubako.core.errors import PermissionDenied, Unauthenticated
from jubako.identity.tokens import Tokens
from jubako.wire.method import Caller

LOCAL = Caller(principal="user:local")
ACCOUNT_PREFIX = "serviceAccount:"


def principal_of(email: str) -> str:
    """Return the principal of a service account."""
    return f"{ACCOUNT_PREFIX}{email}"


class LoopbackAccess:
    """Access without authentication."""

    def __init__(self, tokens: Tokens | None = None) -> None:
        """``tokens`` knows the ones that may be presented; None: no token is good."""
        self._tokens = tokens

    async def caller(self, headers: Mapping[str, str]) -> Caller:
        """Return the caller of a request with these headers (lower-case names).

        Raises:
            Unauthenticated: A credential is presented and is not a good access token of ours.

        """
        presented = headers.get("authorization")
        if presented is None:
            return LOCAL
        scheme, _, token = presented.partition(" ")
        if self._tokens is None or scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("Credentials are presented as `Authorization: Bearer TOKEN`.")
        return Caller(principal=principal_of(self._tokens.access(token.strip())))

    async def check(self, permission: str, caller: Caller) -> None:
        """Return if ``caller`` holds ``permission``.

        Raises:
            PermissionDenied: It does not; a method without a permission is nobody's.

        """
        is_known = caller.principal == LOCAL.principal or caller.principal.startswith(ACCOUNT_PREFIX)
        if not permission or not is_known:
            raise PermissionDenied(
                f"{caller.principal} lacks the permission {permission or '(none given)'!r}."
            )
