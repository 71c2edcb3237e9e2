"""Who calls, and what they may do.

Without authentication the server listens on loopback only and every caller is ``user:local`` with every
control-plane permission. A token that is presented is checked all the same: no issuer exists yet, so it is refused.
"""

from collections.abc import Mapping

from jubako.core.errors import PermissionDenied, Unauthenticated
from jubako.wire.method import Caller

LOCAL = Caller(principal="user:local")


class LoopbackAccess:
    """Access without authentication."""

    async def caller(self, headers: Mapping[str, str]) -> Caller:
        """Return the caller of a request with these headers (lower-case names).

        Raises:
            Unauthenticated: A credential is presented and is not one of ours.

        """
        if headers.get("authorization"):
            raise Unauthenticated(
                "The presented credentials are not valid here; this server issues none yet."
            )
        return LOCAL

    async def check(self, permission: str, caller: Caller) -> None:
        """Return if ``caller`` holds ``permission``.

        Raises:
            PermissionDenied: It does not; a method without a permission is nobody's.

        """
        if not permission or caller.principal != LOCAL.principal:
            raise PermissionDenied(
                f"{caller.principal} lacks the permission {permission or '(none given)'!r}."
            )
