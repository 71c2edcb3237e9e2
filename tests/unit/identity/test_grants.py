"""Policies evaluated: roles, members, inheritance."""

from collections.abc import AsyncIterator

import pytest

from jubako.identity import grants, policies, role_rows
from jubako.identity.accounts import default_account
from jubako.identity.role_rows import Role
from jubako.identity.roles import ROLES, allows, is_missing
from jubako.store.migrations import load
from jubako.store.port import Tx
from jubako.store.sqlite import SqliteStore
from jubako.testing.clock import FakeClock
from jubako.wire.addresses import project_number
from jubako.wire.google_types import Binding, Expr, Policy

A = "serviceAccount:a@p.iam.gserviceaccount.com"
JOB = "projects/p/locations/l/jobs/j"


@pytest.fixture
async def store() -> AsyncIterator[SqliteStore]:
    store = SqliteStore(None, FakeClock(), load("jubako.store", "jubako.identity"))
    yield store
    await store.close()


@pytest.mark.parametrize(
    ("role", "permission", "is_allowed"),
    [
        ("roles/owner", "run.jobs.setIamPolicy", True),
        ("roles/editor", "run.jobs.update", True),
        ("roles/editor", "run.jobs.setIamPolicy", False),
        ("roles/editor", "iam.serviceAccounts.getAccessToken", False),
        ("roles/viewer", "run.jobs.get", True),
        ("roles/viewer", "run.jobs.run", False),
        ("roles/run.invoker", "run.jobs.run", True),
        ("roles/run.invoker", "run.routes.invoke", True),
        ("roles/run.invoker", "run.jobs.get", False),
        ("roles/run.developer", "run.services.update", True),
        ("roles/run.developer", "run.services.setIamPolicy", False),
        ("roles/run.developer", "run.routes.invoke", False),
        ("roles/run.servicesInvoker", "run.jobs.run", False),
        ("roles/iam.serviceAccountTokenCreator", "iam.serviceAccounts.getOpenIdToken", True),
        ("roles/iam.serviceAccountUser", "iam.serviceAccounts.getAccessToken", False),
        ("roles/logging.logWriter", "logging.logEntries.list", False),
        ("roles/workflows.invoker", "workflows.executions.create", True),
        ("roles/editor", "iam.roles.undelete", False),
        ("roles/iam.roleAdmin", "iam.roles.undelete", True),
    ],
)
def test_roles_hold_what_googles_hold(role: str, permission: str, is_allowed: bool) -> None:
    assert allows(ROLES[role], permission) is is_allowed


@pytest.mark.parametrize(
    ("role", "missing"),
    [
        ("roles/run.invoker", False),
        ("roles/storage.objectViewer", False),
        ("roles/run.invokr", True),
        ("roles/ownr", True),
    ],
)
def test_a_predefined_role_is_missing_if_its_api_is_served_and_it_is_not_known(
    role: str, missing: bool
) -> None:
    assert is_missing(role) is missing


def test_no_role_but_owner_and_editor_reaches_what_is_only_ours() -> None:
    holders = {role for role in ROLES if allows(ROLES[role], "jubako.environment.get")}
    assert holders == {"roles/owner", "roles/editor", "roles/viewer"}


def set_policy(tx: Tx, key: str, *bindings: Binding) -> None:
    policies.put(tx, key, Policy(bindings=list(bindings)), 1)


async def held(store: SqliteStore, permission: str, principal: str | None, resource: str = JOB) -> bool:
    def find(_: Tx, name: str) -> str | None:
        return "uid" if name.startswith(JOB) else None

    found = await store.read(lambda tx: grants.effective(tx, resource, [find]))
    return grants.holds(found, permission, principal)


async def test_what_a_project_grants_holds_below_it_and_what_a_job_grants_for_its_executions(
    store: SqliteStore,
) -> None:
    await store.write(lambda tx: set_policy(tx, "projects/p", Binding(role="roles/run.viewer", members=[A])))
    await store.write(lambda tx: set_policy(tx, "uid", Binding(role="roles/run.invoker", members=[A])))
    assert await held(store, "run.jobs.get", A)
    assert await held(store, "run.jobs.run", A)
    assert await held(store, "run.executions.cancel", A, f"{JOB}/executions/e")
    assert not await held(store, "run.jobs.run", A, "projects/p/locations/l/jobs/other")
    assert not await held(store, "run.jobs.get", A, "projects/q/locations/l/jobs/j")
    assert not await held(store, "run.jobs.update", A)
    assert not await held(store, "run.jobs.get", "serviceAccount:b@p.iam.gserviceaccount.com")


async def test_a_projects_number_leads_to_its_policy(store: SqliteStore) -> None:
    await store.write(lambda tx: set_policy(tx, "projects/p", Binding(role="roles/viewer", members=[A])))
    assert await held(store, "run.jobs.get", A, f"projects/{project_number('p')}/locations/l/jobs/x")


async def test_all_users_are_everybody_and_all_authenticated_users_whoever_is_known(
    store: SqliteStore,
) -> None:
    await store.write(
        lambda tx: set_policy(
            tx,
            "uid",
            Binding(role="roles/run.servicesInvoker", members=["allUsers"]),
            Binding(role="roles/run.jobsExecutor", members=["allAuthenticatedUsers"]),
        )
    )
    assert await held(store, "run.routes.invoke", None)
    assert await held(store, "run.jobs.run", A)
    assert not await held(store, "run.jobs.run", None)


async def test_a_custom_role_holds_what_it_says_until_it_is_deleted(store: SqliteStore) -> None:
    name, role = "projects/p/roles/runner", Role(included_permissions=["run.jobs.run"])
    made = await store.write(lambda tx: role_rows.insert(tx, name, role))
    await store.write(lambda tx: set_policy(tx, "projects/p", Binding(role=name, members=[A])))
    assert await held(store, "run.jobs.run", A)
    assert not await held(store, "run.jobs.get", A)
    await store.write(lambda tx: role_rows.put(tx, made, role, is_deleted=True))
    assert not await held(store, "run.jobs.run", A)
    await store.write(lambda tx: role_rows.put(tx, made, role, is_deleted=False))
    assert await held(store, "run.jobs.run", A)


async def test_a_condition_grants_nothing(store: SqliteStore) -> None:
    binding = Binding(role="roles/owner", members=[A], condition=Expr(expression="true"))
    await store.write(lambda tx: set_policy(tx, "projects/p", binding))
    assert not await held(store, "run.jobs.get", A)


async def test_a_new_projects_default_account_is_an_editor_until_somebody_says_otherwise(
    store: SqliteStore,
) -> None:
    default = f"serviceAccount:{default_account('p')}"
    assert await held(store, "run.jobs.update", default)
    assert not await held(store, "run.jobs.setIamPolicy", default)
    await store.write(lambda tx: set_policy(tx, "projects/p"))
    assert not await held(store, "run.jobs.update", default)


async def test_an_accounts_own_policy_counts_whichever_way_it_is_named(store: SqliteStore) -> None:
    binding = Binding(role="roles/iam.serviceAccountTokenCreator", members=[A])
    await store.write(lambda tx: set_policy(tx, "serviceAccounts/b@p.iam.gserviceaccount.com", binding))
    for name in ("projects/-/serviceAccounts/b@p.iam.gserviceaccount.com", "projects/p/serviceAccounts/b"):
        assert await held(store, "iam.serviceAccounts.getAccessToken", A, name)
    assert not await held(store, "iam.serviceAccounts.getAccessToken", A, "projects/p/serviceAccounts/c")
