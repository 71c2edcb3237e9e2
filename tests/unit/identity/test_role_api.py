"""Custom roles over IAM v1: made, changed under an etag, deleted, brought back; what is malformed is refused."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest

from jubako.core.errors import Aborted, AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from jubako.identity.role_api import RoleApi
from jubako.store.migrations import load
from jubako.store.sqlite import SqliteStore
from jubako.testing.clock import FakeClock
from jubako.wire.method import Caller, DocumentRequest

ME = Caller(principal="user:local")
RUNNER = {"title": "Runner", "includedPermissions": ["run.jobs.run"], "stage": "GA"}


@pytest.fixture
async def api() -> AsyncIterator[RoleApi]:
    store = SqliteStore(None, FakeClock(), load("jubako.store", "jubako.identity"))
    yield RoleApi(store)
    await store.close()


def asked(body: Any = None, *, role: str = "runner", **query: str) -> DocumentRequest:
    return DocumentRequest(
        variables={"project": "p", "role": role}, query=query, body=body or {}, location=None
    )


async def made(api: RoleApi) -> dict[str, Any]:
    return await api.create(asked({"roleId": "runner", "role": RUNNER}), ME)


async def test_a_role_is_what_was_said_and_its_etag_survives_decoding(api: RoleApi) -> None:
    role = await made(api)
    assert role == await api.get(asked(), ME)
    assert role == {**RUNNER, "name": "projects/p/roles/runner", "etag": role["etag"]}
    assert base64.b64encode(base64.b64decode(role["etag"])).decode() == role["etag"]


async def test_a_mask_says_what_changes_and_an_old_etag_is_refused(api: RoleApi) -> None:
    first = await made(api)
    change = {"title": "Other", "description": "ignored", "etag": first["etag"]}
    changed = await api.update(asked(change, updateMask="title"), ME)
    assert (changed["title"], changed.get("description"), changed["stage"]) == ("Other", None, "GA")
    assert changed["includedPermissions"] == ["run.jobs.run"]
    with pytest.raises(Aborted):
        await api.update(asked(change, updateMask="title"), ME)
    emptied = await api.update(asked({}, updateMask="included_permissions"), ME)
    assert "includedPermissions" not in emptied


async def test_a_deleted_role_is_hidden_keeps_its_name_and_comes_back(api: RoleApi) -> None:
    await made(api)
    assert (await api.delete(asked(), ME))["deleted"] is True
    assert await api.list(asked(), ME) == {"roles": []}
    assert len((await api.list(asked(showDeleted="True"), ME))["roles"]) == 1
    with pytest.raises(AlreadyExists, match="undeleted"):
        await made(api)
    with pytest.raises(FailedPrecondition, match="undelete"):
        await api.update(asked({"title": "x"}), ME)
    assert "deleted" not in await api.undelete(asked(), ME)
    assert (await api.list(asked(view="FULL"), ME))["roles"] == [await api.get(asked(), ME)]


async def test_what_does_not_exist_is_not_found(api: RoleApi) -> None:
    for call in (api.get, api.delete, api.undelete, api.update):
        with pytest.raises(NotFound, match="projects/p/roles/nobody"):
            await call(asked(role="nobody"), ME)


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({}, "roleId"),
        ({"roleId": "a"}, "roleId"),
        ({"roleId": "a/b/c"}, "roleId"),
        ({"roleId": "runner", "role": []}, "role"),
        ({"roleId": "runner", "role": {"titel": "x"}}, "titel"),
        ({"roleId": "runner", "role": {"title": 1}}, "title"),
        ({"roleId": "runner", "role": {"stage": "READY"}}, "READY"),
        ({"roleId": "runner", "role": {"includedPermissions": ["*"]}}, "not valid"),
        ({"roleId": "runner", "role": {"includedPermissions": ["run.jobs.*"]}}, "not valid"),
        ({"roleId": "runner", "role": {"includedPermissions": ["-run.jobs.run"]}}, "not valid"),
        ({"roleId": "runner", "role": {"includedPermissions": ["run.jobs.run"] * 3_001}}, "3000"),
    ],
)
async def test_a_malformed_role_is_refused_by_its_field(api: RoleApi, body: Any, names: str) -> None:
    with pytest.raises(InvalidArgument, match=names):
        await api.create(asked(body), ME)
