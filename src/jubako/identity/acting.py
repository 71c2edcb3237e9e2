"""Which service accounts there are, and who may have programs run as one.

Without strict IAM every well-formed account is there, and everybody may use it. With it an account must have been made,
and whoever deploys something that runs as it needs ``iam.serviceAccounts.actAs`` on it.

Source: cloud.google.com/iam/docs/service-accounts-actas.
"""

from collections.abc import Awaitable, Callable

from jubako.core.errors import NotFound
from jubako.identity import accounts
from jubako.store.port import Store
from jubako.wire.dispatch import Access
from jubako.wire.method import Caller

PERMISSION = "iam.serviceAccounts.actAs"

Admit = Callable[[str, str, Caller], Awaitable[None]]
"""``await admit(account, project, caller)`` returns if ``caller`` may have a program of ``project`` run as ``account``
(as the API names it; empty for the default one).

Raises:
    InvalidArgument: It is no name of an account.
    NotFound: There is no such account.
    PermissionDenied: The caller may not act as it.
"""


async def everybody(account: str, project: str, caller: Caller) -> None:
    """See Admit; only malformed names are refused."""
    del caller
    accounts.email_of(account, project)


class AnyAccess:
    """See Access; everybody may do everything."""

    async def check(self, permission: str, caller: Caller, resource: str = "") -> None:
        """See Access."""


class Register:
    """The service accounts that exist."""

    def __init__(self, store: Store, *, is_strict: bool) -> None:
        self._store = store
        self._is_strict = is_strict

    async def require(self, email: str) -> None:
        """Return if the account exists; without strict IAM every one does.

        Raises:
            NotFound: It does not.

        """
        if self._is_strict and not await self._store.read(lambda tx: accounts.exists(tx, email)):
            raise NotFound(f"Service account {email} does not exist.")


class StrictActing:
    """See Admit, with strict IAM."""

    def __init__(self, register: Register, access: Access) -> None:
        self._register = register
        self._access = access

    async def __call__(self, account: str, project: str, caller: Caller) -> None:
        """See Admit."""
        email = accounts.email_of(account, project)
        await self._register.require(email)
        await self._access.check(PERMISSION, caller, f"projects/{project}/serviceAccounts/{email}")
