"""IAM policies: kept, replaced under an etag, bound to the life of the resource."""

import base64
from collections.abc import AsyncIterator

import pytest

from jubako.core.errors import Aborted, InvalidArgument, NotFound, PermissionDenied
from jubako.identity.policies import Policies
from jubako.store.migrations import load
from jubako.store.port import Tx
from jubako.store.sqlite import SqliteStore
from jubako.testing.clock import FakeClock
from jubako.wire.codec import to_json
from jubako.wire.google_types import (
    Binding,
    Expr,
    GetIamPolicyRequest,
    Policy,
    SetIamPolicyRequest,
)
from jubako.wire.google_types import (
    TestIamPermissionsRequest as PermissionsRequest,
)
from jubako.wire.method import Caller

ME = Caller(principal="user:local")
NAME = "projects/p/locations/l/services/s"
OPEN = Binding(role="roles/run.invoker", members=["allUsers"])


class OnlyGet:
    async def check(self, permission: str, caller: Caller, resource: str = "") -> None:
        if permission != "run.services.get":
            raise PermissionDenied(permission)


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    store = SqliteStore(None, FakeClock(), load("jubako.store", "jubako.wire", "jubako.identity"))
    yield store
    await store.close()


def policies(store: SqliteStore, uid: str = "u1") -> Policies:
    def uid_of(tx: Tx, name: str) -> str:
        if name != NAME:
            raise NotFound(name)
        return uid

    return Policies(store, OnlyGet(), uid_of)


async def test_a_policy_is_kept_and_gone_with_its_resource(store: SqliteStore) -> None:
    iam = policies(store)
    assert (await iam.get(GetIamPolicyRequest(resource=NAME), ME)).bindings == []
    await iam.set(SetIamPolicyRequest(resource=NAME, policy=Policy(bindings=[OPEN])), ME)
    assert (await iam.get(GetIamPolicyRequest(resource=NAME), ME)).bindings == [OPEN]
    made_again = policies(store, "u2")
    assert (await made_again.get(GetIamPolicyRequest(resource=NAME), ME)).bindings == []


async def test_who_changed_an_old_policy_is_told(store: SqliteStore) -> None:
    iam = policies(store)
    first = await iam.get(GetIamPolicyRequest(resource=NAME), ME)
    second = await iam.set(
        SetIamPolicyRequest(resource=NAME, policy=Policy(etag=first.etag, bindings=[OPEN])), ME
    )
    with pytest.raises(Aborted, match="etag"):
        await iam.set(SetIamPolicyRequest(resource=NAME, policy=Policy(etag=first.etag)), ME)
    await iam.set(SetIamPolicyRequest(resource=NAME, policy=Policy(etag=second.etag)), ME)
    assert (await iam.get(GetIamPolicyRequest(resource=NAME), ME)).bindings == []


async def test_etags_survive_decoding_and_encoding(store: SqliteStore) -> None:
    policy = await policies(store).get(GetIamPolicyRequest(resource=NAME), ME)
    text = to_json(policy)["etag"]
    assert base64.b64encode(base64.b64decode(text)).decode() == text


@pytest.mark.parametrize(
    "binding",
    [
        Binding(role="", members=["allUsers"]),
        Binding(role="roles/viewer", members=["everybody"]),
        Binding(role="roles/viewer", members=["user:"]),
        Binding(role="viewer", members=["allUsers"]),
        Binding(role="roles/run.invokr", members=["allUsers"]),
        Binding(role="projects/p/roles/nobodyMadeIt", members=["allUsers"]),
        Binding(role="organizations/1/roles/runner", members=["allUsers"]),
        Binding(role="roles/viewer", members=["allUsers"], condition=Expr(expression="true")),
    ],
)
async def test_bindings_that_cannot_be_are_refused(store: SqliteStore, binding: Binding) -> None:
    with pytest.raises(InvalidArgument, match=r"policy\.bindings"):
        await policies(store).set(SetIamPolicyRequest(resource=NAME, policy=Policy(bindings=[binding])), ME)


async def test_a_role_of_an_api_that_is_not_served_can_be_granted(store: SqliteStore) -> None:
    binding = Binding(role="roles/storage.objectViewer", members=["allUsers"])
    request = SetIamPolicyRequest(resource=NAME, policy=Policy(bindings=[binding]))
    assert (await policies(store).set(request, ME)).bindings == [binding]


async def test_permissions_are_tested_by_who_may(store: SqliteStore) -> None:
    wanted = ["run.services.get", "run.services.delete"]
    reply = await policies(store).test(PermissionsRequest(resource=NAME, permissions=wanted), ME)
    assert reply.permissions == ["run.services.get"]
    # As at Google: what does not exist is no error here, and tells nothing.
    other = await policies(store).test(PermissionsRequest(resource="other", permissions=wanted), ME)
    assert other.permissions == ["run.services.get"]
