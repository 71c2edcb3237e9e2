"""Who may call a deployed service: its invoker policy, and the ID token that proves who calls.

1. A policy that says who may invoke the service always holds, for everybody, on loopback too.
2. A service whose policy says nothing is open on a server without authentication and strict IAM; else it admits whom
   the project's policy admits (strict IAM), or every service account with a good token.
3. A token is looked at only where one is needed: the applications of open services may have credentials of their own.
   ``X-Serverless-Authorization`` goes before ``Authorization``, so that both can be used.

Source: cloud.google.com/run/docs/authenticating/service-to-service; .../run/docs/securing/managing-access.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jubako.core.errors import PermissionDenied, Unauthenticated
from jubako.identity import grants, policies
from jubako.identity.access import denied, principal_of
from jubako.identity.grants import Grant
from jubako.identity.tokens import Tokens
from jubako.store.port import Store, Tx
from jubako.wire.method import Caller

PERMISSION = "run.routes.invoke"
HEADERS = ("x-serverless-authorization", "authorization")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the services box knows of a service that is called."""

    uid: str
    audiences: Sequence[str]
    """Its addresses, and its custom audiences."""
    is_open: bool
    """Whether it says itself that nobody is checked."""


TargetFinder = Callable[[Tx, str], Target | None]
"""``find(tx, service)`` returns the service by its full name; None: there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How strict this server is."""

    authenticates: bool = False
    is_strict: bool = False


class PolicyInvoker:
    """See boxes.services.gateway.Invoker."""

    def __init__(self, store: Store, tokens: Tokens, find: TargetFinder, rules: Rules) -> None:
        self._store = store
        self._tokens = tokens
        self._find = find
        self._rules = rules

    async def admit(self, service: str, headers: Sequence[tuple[str, str]], caller: Caller | None) -> None:
        """Return if this request may reach the service.

        Raises:
            Unauthenticated: The token is bad.
            PermissionDenied: There is no identity, or it may not (``run.routes.invoke``).

        """
        del caller  # a call from inside proves itself by its token too, as it would have to at Google
        target, own, found = await self._store.read(lambda tx: self._grants(tx, service))
        if target is None or target.is_open:
            return
        is_said = grants.mentions(own, PERMISSION)
        if not is_said and not self._rules.authenticates and not self._rules.is_strict:
            return
        if grants.holds(found, PERMISSION, None):
            return
        principal = self._principal(headers, target)
        if principal is None:
            raise PermissionDenied(f"Service {service!r} needs an ID token of who may invoke it.")
        is_held = grants.holds(found, PERMISSION, principal)
        if not is_held and (is_said or self._rules.is_strict):
            raise denied(PERMISSION, service)

    def _grants(self, tx: Tx, service: str) -> tuple[Target | None, list[Grant], list[Grant]]:
        """Return the service, what its own policy grants, and what holds for it in all."""
        target = self._find(tx, service)
        if target is None:
            return None, [], []
        own = grants.grants_of(tx, policies.find(tx, target.uid))
        if not self._rules.is_strict:
            return target, own, own
        return target, own, [*own, *grants.grants_of(tx, grants.project_policy(tx, service.split("/")[1]))]

    def _principal(self, headers: Sequence[tuple[str, str]], target: Target) -> str | None:
        """Return who calls by the token, or None if there is none."""
        given = dict(headers)
        presented = next((given[name] for name in HEADERS if name in given), None)
        if presented is None:
            return None
        scheme, _, token = presented.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("Credentials are presented as `Authorization: Bearer ID_TOKEN`.")
        return principal_of(self._tokens.identity(token.strip(), target.audiences))
