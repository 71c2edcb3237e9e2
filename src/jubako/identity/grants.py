"""Who holds which permission on what: the policies of a resource and of its project, evaluated.

1. A policy is inherited: what is granted on the project holds for all that is in it, and what is granted on a job holds
   for its executions.
2. A project that has no policy yet has the one that Google gives a new one: its default service account is an editor.
3. A binding with a condition grants nothing: conditions are not evaluated here, and policies with them are refused.

Source: cloud.google.com/iam/docs/resource-hierarchy-access-control; google/iam/v1/policy.proto.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from jubako.identity import accounts, policies, role_rows
from jubako.identity.roles import EDITOR, allows
from jubako.store.port import Tx
from jubako.wire.addresses import project_number
from jubako.wire.google_types import Binding, Policy
from jubako.wire.projects import is_number

ALL_USERS = "allUsers"
ALL_AUTHENTICATED = "allAuthenticatedUsers"
PROJECT = "projects"
ACCOUNT = "serviceAccounts"

UidFinder = Callable[[Tx, str], str | None]
"""``find(tx, resource)`` returns the uid of what can have a policy: the resource, or what it is in; None: of none."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One binding of a policy, its role looked up."""

    members: Sequence[str]
    allows: tuple[str, ...]
    """Patterns of permissions: see roles.py."""


def project_key(project: str) -> str:
    """Return where a project's policy is kept."""
    return f"{PROJECT}/{project}"


def account_key(email: str) -> str:
    """Return where a service account's policy is kept."""
    return f"{ACCOUNT}/{email}"


def initial_policy(project: str) -> Policy:
    """Return the policy of a project that was given none."""
    default = f"serviceAccount:{accounts.default_account(project)}"
    return Policy(version=1, bindings=[Binding(role=EDITOR, members=[default])])


def project_policy(tx: Tx, project: str) -> Policy:
    """Return the policy of a project."""
    return policies.find(tx, project_key(project), initial_policy(project))


def grants_of(tx: Tx, *found: Policy) -> list[Grant]:
    """Return what policies grant."""
    bindings = [binding for policy in found for binding in policy.bindings if binding.condition is None]
    return [Grant(binding.members, role_rows.permissions_of(tx, binding.role)) for binding in bindings]


def effective(tx: Tx, resource: str, finders: Sequence[UidFinder]) -> list[Grant]:
    """Return what holds for a resource: by its project's policy, and by its own if it has one.

    Args:
        tx: Transaction.
        resource: ``projects/P/...``; a bare name is a project's. The project may be a number.
        finders: Know the resources that have policies.

    """
    parts = resource.split("/")
    project = parts[1] if parts[0] == PROJECT and len(parts) > 1 else parts[0]
    found: list[Policy] = []
    if ACCOUNT in parts[2:3] and len(parts) > 3:
        email = accounts.email_of("/".join(parts[:4]), project)
        project = accounts.project_of(email) if project == "-" else project
        found.append(policies.find(tx, account_key(email)))
    found.append(project_policy(tx, _id(tx, project)))
    uids = (find(tx, resource) for find in finders)
    return grants_of(tx, *found, *(policies.find(tx, uid) for uid in uids if uid is not None))


def holds(found: Iterable[Grant], permission: str, principal: str | None) -> bool:
    """Return whether a permission is granted to a principal; None: to somebody who is not known."""
    return any(_is_member(principal, grant.members) for grant in found if allows(grant.allows, permission))


def mentions(found: Iterable[Grant], permission: str) -> bool:
    """Return whether anything is said about who holds a permission."""
    return any(allows(grant.allows, permission) for grant in found)


def _is_member(principal: str | None, members: Sequence[str]) -> bool:
    if ALL_USERS in members:
        return True
    return principal is not None and (ALL_AUTHENTICATED in members or principal in members)


def _id(tx: Tx, project: str) -> str:
    """Return the id of a project given by number, if its policy was ever set."""
    if not is_number(project):
        return project
    keys = tx.all("SELECT uid FROM iam_policies WHERE uid LIKE 'projects/%'")
    ids = (str(key).removeprefix(f"{PROJECT}/") for (key,) in keys)
    return next((name for name in ids if str(project_number(name)) == project), project)
