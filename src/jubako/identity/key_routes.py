"""``POST /jubako/v1/projects/P/serviceAccounts/A/keys``: a key file, for programs that insist on one."""

import asyncio
from collections.abc import Mapping
from functools import partial

import msgspec

from jubako.identity import service_keys
from jubako.identity.accounts import email_of
from jubako.store.port import Store
from jubako.wire.errors import JSON_TYPE
from jubako.wire.extras import Extra
from jubako.wire.http import HttpRequest, HttpResponse
from jubako.wire.method import Caller

TEMPLATE = "/jubako/v1/projects/{project}/serviceAccounts/{account}/keys"
PERMISSION = "iam.serviceAccountKeys.create"


class KeyRoutes:
    """See the module."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> list[Extra]:
        """Return the route."""
        return [Extra(verb="POST", template=TEMPLATE, permission=PERMISSION, handler=self.create)]

    async def create(
        self, request: HttpRequest, variables: Mapping[str, str], caller: Caller
    ) -> HttpResponse:
        """Return the content of a new key file; its private key is kept nowhere here.

        Raises:
            InvalidArgument: The account's name is malformed.

        """
        del request, caller
        email = email_of(variables["account"], variables["project"], "account")
        key, content = await asyncio.to_thread(service_keys.make, email, variables["project"])
        await self._store.write(partial(service_keys.insert, email=email, key=key))
        headers = {"content-type": JSON_TYPE, "cache-control": "no-store"}
        return HttpResponse(status=200, headers=headers, body=msgspec.json.encode(content))
