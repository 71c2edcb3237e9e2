"""Secrets over HTTP, in Secret Manager's shapes under ``/jubako/v1/``; values go in and never come out.

``POST projects/P/secrets?secretId=NAME`` (body ``{}``) · ``GET projects/P/secrets`` · ``GET`` and ``DELETE``
``projects/P/secrets/NAME`` · ``POST projects/P/secrets/NAME:addVersion`` (body ``{"payload": {"data": BASE64}}``) ·
``GET projects/P/secrets/NAME/versions``. There is no ``:access``: only tasks that name a secret get its value.
"""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from jubako.core.timestamps import format_timestamp, from_micros
from jubako.identity.secrets import Entry, SecretStore
from jubako.wire import codec
from jubako.wire.binding import parse_query
from jubako.wire.codec import invalid
from jubako.wire.extras import Extra
from jubako.wire.http import HttpRequest, HttpResponse
from jubako.wire.method import Caller
from jubako.wire.schema import Field, Message

_PARENT = "/jubako/v1/{parent=projects/*}/secrets"
_SECRET = "/jubako/v1/{name=projects/*/secrets/*}"  # noqa: S105 - a path


class Payload(Message):
    """What a version holds."""

    __proto__ = "google.cloud.secretmanager.v1.SecretPayload"

    data: Annotated[bytes, Field(1)] = b""


class AddVersionRequest(Message):
    """The body of ``:addVersion``."""

    __proto__ = "google.cloud.secretmanager.v1.AddSecretVersionRequest"

    payload: Annotated[Payload | None, Field(2)] = None


class CreateRequest(Message):
    """The body of a create: nothing can be said about a secret of one machine."""

    __proto__ = "jubako.v1.CreateSecretRequest"


class SecretRoutes:
    """Serves the routes above."""

    def __init__(self, store: SecretStore) -> None:
        self._store = store

    def routes(self) -> list[Extra]:
        """Return the routes."""
        rows = (
            ("POST", _PARENT, "secrets.create", self.create),
            ("GET", _PARENT, "secrets.list", self.list),
            ("GET", _SECRET, "secrets.get", self.get),
            ("DELETE", _SECRET, "secrets.delete", self.delete),
            ("POST", f"{_SECRET}:addVersion", "versions.add", self.add_version),
            ("GET", f"{_SECRET}/versions", "versions.list", self.versions),
        )
        return [
            Extra(verb=verb, template=template, permission=f"secretmanager.{permission}", handler=handler)
            for verb, template, permission, handler in rows
        ]

    async def create(
        self, request: HttpRequest, variables: Mapping[str, str], caller: Caller
    ) -> HttpResponse:
        """Answer a create."""
        del caller
        codec.decode(CreateRequest, request.body or b"{}")
        secret = dict(parse_query(request.query)).get("secretId", "")
        if not secret:
            raise invalid("secretId", "is missing.")
        project = _project(variables["parent"])
        entry = await asyncio.to_thread(self._store.create, project, secret)
        return _json(_secret(project, entry))

    async def list(self, request: HttpRequest, variables: Mapping[str, str], caller: Caller) -> HttpResponse:
        """Answer a list of secrets."""
        del request, caller
        project = _project(variables["parent"])
        found = await asyncio.to_thread(self._store.list, project)
        return _json({"secrets": [_secret(project, entry) for entry in found], "totalSize": len(found)})

    async def get(self, request: HttpRequest, variables: Mapping[str, str], caller: Caller) -> HttpResponse:
        """Answer a get: name and time."""
        del request, caller
        project, secret = _parts(variables)
        return _json(_secret(project, await asyncio.to_thread(self._store.get, project, secret)))

    async def delete(
        self, request: HttpRequest, variables: Mapping[str, str], caller: Caller
    ) -> HttpResponse:
        """Answer a delete."""
        del request, caller
        await asyncio.to_thread(self._store.delete, *_parts(variables))
        return _json({})

    async def add_version(
        self, request: HttpRequest, variables: Mapping[str, str], caller: Caller
    ) -> HttpResponse:
        """Answer a new version."""
        del caller
        payload = codec.decode(AddVersionRequest, request.body or b"{}").payload
        if payload is None:
            raise invalid("payload", "is missing.")
        project, secret = _parts(variables)
        entry = await asyncio.to_thread(self._store.add_version, project, secret, payload.data)
        return _json(_version(project, secret, entry))

    async def versions(
        self, request: HttpRequest, variables: Mapping[str, str], caller: Caller
    ) -> HttpResponse:
        """Answer a list of versions, newest first."""
        del request, caller
        project, secret = _parts(variables)
        found = await asyncio.to_thread(self._store.versions, project, secret)
        shown = [_version(project, secret, entry) for entry in found]
        return _json({"versions": shown, "totalSize": len(found)})


def _project(parent: str) -> str:
    return parent.split("/")[1]


def _parts(variables: Mapping[str, str]) -> tuple[str, str]:
    _, project, _, secret = variables["name"].split("/")
    return project, secret


def _secret(project: str, entry: Entry) -> dict[str, Any]:
    return {"name": f"projects/{project}/secrets/{entry.name}", "createTime": _time(entry)}


def _version(project: str, secret: str, entry: Entry) -> dict[str, Any]:
    name = f"projects/{project}/secrets/{secret}/versions/{entry.name}"
    return {"name": name, "createTime": _time(entry), "state": "ENABLED"}


def _time(entry: Entry) -> str:
    return format_timestamp(from_micros(entry.created_us))


def _json(value: Mapping[str, Any]) -> HttpResponse:
    headers = {"content-type": "application/json; charset=UTF-8"}
    return HttpResponse(status=200, headers=headers, body=msgspec.json.encode(value))
