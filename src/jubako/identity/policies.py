"""IAM policies of resources: stored, read, and replaced under an etag.

1. A policy belongs to a resource's uid: a resource that is deleted and made again begins without one.
2. Etags are counted and written as canonical base64: clients decode and encode them.
3. What a policy allows is enforced where it says so: see ``access``. ``testIamPermissions`` asks there.

Source: google/iam/v1/policy.proto and iam_policy.proto.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import msgspec

from jubako.core.errors import Aborted, PermissionDenied
from jubako.core.timestamps import to_micros
from jubako.identity import role_rows, roles
from jubako.store.port import Store, Tx
from jubako.wire import codec
from jubako.wire.codec import invalid
from jubako.wire.dispatch import Access
from jubako.wire.google_types import (
    GetIamPolicyRequest,
    Policy,
    SetIamPolicyRequest,
    TestIamPermissionsRequest,
    TestIamPermissionsResponse,
)
from jubako.wire.json_in import shown
from jubako.wire.method import Caller, Handler, HttpRule, Method

BINDINGS_MAX = 1_500
MEMBERS_MAX = 1_500
"""Source: IAM, "Quotas and limits", principals in a policy."""
MEMBER_KINDS = (
    "user", "serviceAccount", "group", "domain", "principal", "principalSet", "projectOwner", "projectEditor",
    "projectViewer", "deleted",
)  # fmt: skip
_ETAG_BYTES = 8

ASK = "jubako.permissions.test"
"""Permission of testIamPermissions: whoever is known has it."""
UidOf = Callable[[Tx, str], str]
"""``uid_of(tx, name)`` returns the uid of a resource, or raises NotFound."""
Initial = Callable[[str], Policy | None]
"""``initial(name)`` returns the policy of a resource that was given none; None: an empty one."""


class Policies:
    """The IAM methods of one kind of resource."""

    def __init__(
        self, store: Store, access: Access, uid_of: UidOf, initial: Initial = lambda _: None
    ) -> None:
        self._store = store
        self._initial = initial
        self._access = access
        self._uid_of = uid_of

    def handlers(self, service: str) -> Mapping[str, Handler]:
        """Return the handlers of ``service`` (such as ``google.cloud.run.v2.Jobs``) by full method name."""
        return {
            f"{service}.GetIamPolicy": self.get,
            f"{service}.SetIamPolicy": self.set,
            f"{service}.TestIamPermissions": self.test,
        }

    async def get(self, request: GetIamPolicyRequest, caller: Caller) -> Policy:
        """Return the policy; one without bindings if none was set."""
        del caller
        return await self._store.read(lambda tx: self._find(tx, request.resource)[1])

    async def set(self, request: SetIamPolicyRequest, caller: Caller) -> Policy:
        """Replace the policy.

        Raises:
            InvalidArgument: It is malformed, or grants what would silently be nothing: a role that does not exist, or
                one under a condition.
            Aborted: It was made from another one than the newest.

        """
        del caller
        policy = checked(request.policy)

        def fn(tx: Tx) -> Policy:
            uid, before = self._find(tx, request.resource)
            _check_roles(tx, policy)
            if policy.etag and policy.etag != before.etag:
                raise Aborted("policy.etag: the policy was changed meanwhile; read it again.")
            return put(tx, uid, policy, int.from_bytes(before.etag) + 1)

        return await self._store.write(fn)

    async def test(self, request: TestIamPermissionsRequest, caller: Caller) -> TestIamPermissionsResponse:
        """Return those of the permissions that the caller has; on what does not exist, what the project gives."""
        held = []
        for permission in request.permissions:
            if "*" in permission:
                raise invalid("permissions", "must not have wildcards.")
            try:
                await self._access.check(permission, caller, request.resource)
            except PermissionDenied:
                continue
            held.append(permission)
        return TestIamPermissionsResponse(permissions=held)

    def _find(self, tx: Tx, resource: str) -> tuple[str, Policy]:
        uid = self._uid_of(tx, resource)
        return uid, find(tx, uid, self._initial(resource))


def find(tx: Tx, uid: str, initial: Policy | None = None) -> Policy:
    """Return the policy of the resource with this uid; ``initial`` (empty) if none was set."""
    row = tx.one("SELECT document, version FROM iam_policies WHERE uid = ?", uid)
    if row is None:
        return msgspec.structs.replace(initial or Policy(version=1), etag=_etag(0))
    policy = codec.decode(Policy, row[0])
    policy.etag = _etag(row[1])
    return policy


def checked(policy: Policy | None) -> Policy:
    """Return a policy that may be stored.

    Raises:
        InvalidArgument: It is missing, too large, or names roles and members that cannot be.

    """
    if policy is None:
        raise invalid("policy", "is missing.")
    if len(policy.bindings) > BINDINGS_MAX or sum(len(b.members) for b in policy.bindings) > MEMBERS_MAX:
        raise invalid("policy.bindings", f"has more than {MEMBERS_MAX} entries.")
    for at, binding in enumerate(policy.bindings):
        if not binding.role:
            raise invalid(f"policy.bindings[{at}].role", "is missing.")
        if binding.condition is not None:
            raise invalid(
                f"policy.bindings[{at}].condition",
                "conditions are not supported: the binding would grant nothing. Leave it out, or narrow the "
                "binding to the resource's own policy.",
            )
        for member in binding.members:
            _check_member(f"policy.bindings[{at}].members", member)
    return policy


def policy_methods(service: str, path: str, permission: str, get_body: str = "*") -> tuple[Method, ...]:
    """Return the IAM methods of a resource.

    Args:
        service: Full gRPC name of the service.
        path: HTTP path of the resource, such as ``/v3/{resource=projects/*}``.
        permission: Collection in permissions, such as ``resourcemanager.projects``.
        get_body: Body of the rule of GetIamPolicy: empty where its fields are in the query.

    """
    rows = (
        ("GetIamPolicy", get_body, GetIamPolicyRequest, Policy, "getIamPolicy"),
        ("SetIamPolicy", "*", SetIamPolicyRequest, Policy, "setIamPolicy"),
        ("TestIamPermissions", "*", TestIamPermissionsRequest, TestIamPermissionsResponse, ""),
    )
    return tuple(
        Method(
            name=f"{service}.{name}",
            http=(HttpRule("POST", f"{path}:{name[0].lower()}{name[1:]}", body),),
            request=request,
            response=response,
            permission=f"{permission}.{verb}" if verb else ASK,
        )
        for name, body, request, response, verb in rows
    )


def v1_methods(methods: Sequence[Method]) -> list[Method]:
    """Return the IAM methods among ``methods`` (of a v2 API) as rows below ``/v1/``, where gcloud calls them."""
    return [
        replace(
            method,
            name=method.name.replace(".v2.", ".v1."),
            http=[replace(rule, path=rule.path.replace("/v2/", "/v1/", 1)) for rule in method.http],
        )
        for method in methods
        if method.request in {GetIamPolicyRequest, SetIamPolicyRequest, TestIamPermissionsRequest}
    ]


def _check_roles(tx: Tx, policy: Policy) -> None:
    for at, binding in enumerate(policy.bindings):
        role, field = binding.role, f"policy.bindings[{at}].role"
        if role.startswith("roles/"):
            if roles.is_missing(role):
                raise invalid(field, f"Role {shown(role)} is not supported: it would allow nothing here.")
        elif not role_rows.exists(tx, role):
            raise invalid(field, f"Role ({shown(role)}) does not exist in the resource's hierarchy.")


def _check_member(field: str, member: str) -> None:
    if member in {"allUsers", "allAuthenticatedUsers"}:
        return
    kind, colon, rest = member.partition(":")
    if not colon or not rest or kind not in MEMBER_KINDS:
        raise invalid(field, f"{member[:100]!r} is not of the form KIND:NAME, such as user:me@example.com.")


def put(tx: Tx, uid: str, policy: Policy, version: int) -> Policy:
    """Store the policy of the resource with this uid, and return it under its new etag."""
    kept = msgspec.structs.replace(policy, etag=b"", version=policy.version or 1)
    tx.run(
        "INSERT INTO iam_policies (uid, document, version, updated) VALUES (?, ?, ?, ?) ON CONFLICT (uid) DO UPDATE "
        "SET document = excluded.document, version = excluded.version, updated = excluded.updated",
        uid, codec.encode(kept).decode(), version, to_micros(tx.now),
    )  # fmt: skip
    return msgspec.structs.replace(kept, etag=_etag(version))


def _etag(version: int) -> bytes:
    return version.to_bytes(_ETAG_BYTES)
