"""Who calls, and what they may do.

1. Without authentication the server listens on loopback only, and whoever presents nothing is ``user:local`` with every
   control-plane permission. With it nobody gets in without a token; the state directory holds that of ``user:local``.
2. A token that is presented is checked in either case. A good access token makes the caller its service account;
   anything else is refused, because a program that presents a credential relies on its being looked at.
3. A service account may do everything, or with strict IAM what the policies grant it (``StrictAccess``). A method
   without a permission is nobody's.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from jubako.core.errors import PermissionDenied, Unauthenticated
from jubako.identity import grants, policies
from jubako.identity.grants import UidFinder
from jubako.identity.tokens import Tokens
from jubako.store.port import Store
from jubako.wire.method import Caller

LOCAL = Caller(principal="user:local")
ACCOUNT_PREFIX = "serviceAccount:"
UNBOUND = frozenset({"jubako.documents.get", policies.ASK})
"""Permissions on nothing in particular: whoever is known has them."""
ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
DOMAIN = "googleapis.com"


def principal_of(email: str) -> str:
    """Return the principal of a service account."""
    return f"{ACCOUNT_PREFIX}{email}"


class LoopbackAccess:
    """Access by which every service account may do everything."""

    def __init__(self, tokens: Tokens | None = None, *, authenticates: bool = False) -> None:
        """``tokens`` knows the ones that may be presented; None: no token is good.

        With ``authenticates`` a token must be.
        """
        self._tokens = tokens
        self._authenticates = authenticates

    def caller(self, headers: Mapping[str, str]) -> Caller:
        """Return the caller of a request with these headers (lower-case names).

        Raises:
            Unauthenticated: A credential is presented and is not a good access token of ours, or none is and
                it is needed.

        """
        presented = headers.get("authorization")
        if presented is None:
            if self._authenticates:
                raise _missing()
            return LOCAL
        scheme, _, token = presented.partition(" ")
        if self._tokens is None or scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("Credentials are presented as `Authorization: Bearer TOKEN`.")
        email = self._tokens.access(token.strip())
        return LOCAL if email is None else Caller(principal=principal_of(email))

    async def check(self, permission: str, caller: Caller, resource: str = "") -> None:
        """Return if ``caller`` holds ``permission`` on ``resource``.

        Raises:
            PermissionDenied: It does not; a method without a permission is nobody's.

        """
        if not permission or not _is_known(caller):
            raise denied(permission, resource)

    def holds(self, permission: str, caller: Caller) -> bool:
        """Return whether ``caller`` holds ``permission`` on everything, whatever policies say."""
        return bool(permission) and _is_known(caller)


class StrictAccess(LoopbackAccess):
    """Access by which a service account may do what the policies grant it."""

    def __init__(
        self, tokens: Tokens, store: Store, finders: Sequence[UidFinder], *, authenticates: bool
    ) -> None:
        """``finders`` know the resources that have policies of their own."""
        super().__init__(tokens, authenticates=authenticates)
        self._store = store
        self._finders = finders

    async def check(self, permission: str, caller: Caller, resource: str = "") -> None:
        """See LoopbackAccess."""
        await super().check(permission, caller, resource)
        if self.holds(permission, caller):
            return
        if not resource:
            raise denied(permission, resource)
        found = await self._store.read(partial(grants.effective, resource=resource, finders=self._finders))
        if not grants.holds(found, permission, caller.principal):
            raise denied(permission, resource)

    def holds(self, permission: str, caller: Caller) -> bool:
        """See LoopbackAccess."""
        is_free = caller.principal == LOCAL.principal or permission in UNBOUND
        return is_free and super().holds(permission, caller)


def _is_known(caller: Caller) -> bool:
    return caller.principal == LOCAL.principal or caller.principal.startswith(ACCOUNT_PREFIX)


def denied(permission: str, resource: str) -> PermissionDenied:
    """Return the refusal in Google's words. Source: what Google's APIs answer; google/rpc/error_details.proto."""
    where = f" on resource '{resource}' (or it may not exist)" if resource else ""
    metadata = {"permission": permission, "resource": resource}
    info = {
        "@type": ERROR_INFO,
        "reason": "IAM_PERMISSION_DENIED",
        "domain": f"iam.{DOMAIN}",
        "metadata": metadata,
    }
    return PermissionDenied(f"Permission '{permission or '(none given)'}' denied{where}.", [info])


def _missing() -> Unauthenticated:
    info = {"@type": ERROR_INFO, "reason": "CREDENTIALS_MISSING", "domain": DOMAIN, "metadata": {}}
    return Unauthenticated(
        "Request is missing required authentication credential. Expected OAuth 2 access token.", [info]
    )
