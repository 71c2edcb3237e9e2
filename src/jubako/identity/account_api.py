"""IAM v1: service accounts and their keys, as ``gcloud iam service-accounts`` calls them; REST only.

Accounts that were used without being made (see accounts.py) are there like those that were. The private half of a key
is in the answer that made it and nowhere else.

Source: cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts, .../projects.serviceAccounts.keys.
"""

import asyncio
import base64
import re
from functools import partial
from typing import Any

import msgspec

from jubako.core.errors import AlreadyExists, NotFound
from jubako.core.timestamps import format_timestamp, from_micros
from jubako.identity import accounts, service_keys
from jubako.identity.tokens import unique_id
from jubako.store.port import Store, Tx
from jubako.wire.codec import invalid
from jubako.wire.method import (
    Api,
    Caller,
    Document,
    DocumentHandler,
    DocumentRequest,
    DocumentRoute,
    document_routes,
)

HOSTS = ("iam.googleapis.com",)
_ACCOUNT_ID = re.compile(r"[a-z]([-a-z0-9]{4,28}[a-z0-9])\Z")
_ACCOUNTS = "/v1/projects/{project}/serviceAccounts"
_KEYS = f"{_ACCOUNTS}/{{account}}/keys"


class AccountApi:
    """Answers for service accounts and their keys."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> list[DocumentRoute]:
        """Return the routes."""
        rows: list[tuple[str, str, str, DocumentHandler]] = [
            ("POST", _ACCOUNTS, "serviceAccounts.create", self.create),
            ("GET", _ACCOUNTS, "serviceAccounts.list", self.list),
            ("GET", f"{_ACCOUNTS}/{{account}}", "serviceAccounts.get", self.get),
            ("DELETE", f"{_ACCOUNTS}/{{account}}", "serviceAccounts.delete", self.delete),
            ("POST", _KEYS, "serviceAccountKeys.create", self.create_key),
            ("GET", _KEYS, "serviceAccountKeys.list", self.list_keys),
            ("DELETE", f"{_KEYS}/{{key}}", "serviceAccountKeys.delete", self.delete_key),
        ]
        return document_routes(
            (verb, path, f"iam.{permission}", handler) for verb, path, permission, handler in rows
        )

    async def create(self, request: DocumentRequest, caller: Caller) -> Document:
        """Make an account.

        Raises:
            InvalidArgument: Its id is malformed.
            AlreadyExists: There is one.

        """
        del caller
        project, name = request.variables["project"], str(request.body.get("accountId", ""))
        if not _ACCOUNT_ID.match(name):
            raise invalid(
                "accountId", "must have 6 to 30 lower-case letters, digits and hyphens, a letter first."
            )
        email = accounts.email_of(name, project, "accountId")
        given = request.body.get("serviceAccount")
        display = str(given.get("displayName", "")) if isinstance(given, dict) else ""

        def fn(tx: Tx) -> None:
            if not accounts.ensure(tx, email, display):
                raise AlreadyExists(
                    f"Service account {name} already exists within project projects/{project}."
                )

        await self._store.write(fn)
        return _shown(project, email, display)

    async def list(self, request: DocumentRequest, caller: Caller) -> Document:
        """Return the accounts of a project, in one page."""
        del caller
        project = request.variables["project"]
        found = await self._store.read(lambda tx: accounts.of_project(tx, project))
        return {"accounts": [_shown(project, email, display) for email, display in found]}

    async def get(self, request: DocumentRequest, caller: Caller) -> Document:
        """Return an account."""
        del caller
        project, email = _named(request)
        display = await self._store.read(partial(_display, email=email))
        return _shown(project, email, display)

    async def delete(self, request: DocumentRequest, caller: Caller) -> Document:
        """Forget an account and its keys; tokens that are out hold until they expire."""
        del caller
        _, email = _named(request)

        def fn(tx: Tx) -> None:
            _display(tx, email)
            accounts.delete(tx, email)

        await self._store.write(fn)
        return {}

    async def create_key(self, request: DocumentRequest, caller: Caller) -> Document:
        """Return a new key file, in base64 as Google does."""
        del caller
        project, email = _named(request)
        owner = accounts.project_of(email) or project
        key, content = await asyncio.to_thread(service_keys.make, email, owner)
        await self._store.write(partial(service_keys.insert, email=email, key=key))
        data = base64.b64encode(msgspec.json.encode(content)).decode()
        return {
            **_key(project, email, key.id),
            "privateKeyType": "TYPE_GOOGLE_CREDENTIALS_FILE",
            "privateKeyData": data,
        }

    async def list_keys(self, request: DocumentRequest, caller: Caller) -> Document:
        """Return the keys of an account, without their private halves."""
        del caller
        project, email = _named(request)
        found = await self._store.read(partial(service_keys.of_account, email=email))
        return {
            "keys": [
                {**_key(project, email, key_id), "validAfterTime": format_timestamp(from_micros(created))}
                for key_id, created in found
            ]
        }

    async def delete_key(self, request: DocumentRequest, caller: Caller) -> Document:
        """Forget a key: its assertions are refused from now on."""
        del caller
        _, email = _named(request)
        key_id = request.variables["key"]
        if not await self._store.write(partial(service_keys.delete, email=email, key_id=key_id)):
            raise NotFound(f"Service account key {key_id} does not exist.")
        return {}


def account_api(store: Store) -> Api:
    """Return the API without the IAM policies of accounts."""
    return Api(
        name="iam", version="v1", hosts=HOSTS, methods=(), handlers={}, documents=AccountApi(store).routes()
    )


def _named(request: DocumentRequest) -> tuple[str, str]:
    """Return project and email; the project may be ``-``, and the account its unique id's email only."""
    project, account = request.variables["project"], request.variables["account"]
    email = accounts.email_of(account, project, "name")
    return (accounts.project_of(email) or project) if project == "-" else project, email


def _display(tx: Tx, email: str) -> str:
    found = accounts.display_name(tx, email)
    if found is None:
        raise NotFound(f"Service account {email} does not exist.")
    return found


def _shown(project: str, email: str, display: str) -> dict[str, Any]:
    number = unique_id(email)
    shown = {
        "name": f"projects/{project}/serviceAccounts/{email}",
        "projectId": project,
        "uniqueId": number,
        "oauth2ClientId": number,
        "email": email,
        "etag": "MDEwMjE5MjA=",
    }
    return {**shown, "displayName": display} if display else shown


def _key(project: str, email: str, key_id: str) -> dict[str, Any]:
    return {
        "name": f"projects/{project}/serviceAccounts/{email}/keys/{key_id}",
        "keyAlgorithm": "KEY_ALG_RSA_2048",
        "keyOrigin": "GOOGLE_PROVIDED",
        "keyType": "USER_MANAGED",
    }
