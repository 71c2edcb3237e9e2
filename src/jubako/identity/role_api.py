"""IAM v1: custom roles of projects, as ``gcloud iam roles`` calls them; REST only.

Source: cloud.google.com/iam/docs/reference/rest/v1/projects.roles.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from jubako.core.errors import Aborted, FailedPrecondition
from jubako.identity import role_rows
from jubako.identity.role_rows import Role, RoleRow
from jubako.store.port import Store, Tx
from jubako.wire.codec import invalid
from jubako.wire.json_in import shown
from jubako.wire.method import (
    Caller,
    Document,
    DocumentHandler,
    DocumentRequest,
    DocumentRoute,
    document_routes,
)
from jubako.wire.shape import camel

PERMISSIONS_MAX = 3_000
"""Source: IAM, "Quotas and limits", permissions in a custom role."""
STAGES = ("ALPHA", "BETA", "GA", "DEPRECATED", "DISABLED", "EAP")
_ROLE_ID = re.compile(r"[a-zA-Z0-9_.]{3,64}\Z")
_PERMISSION = re.compile(r"[a-z][a-zA-Z0-9-]*(\.[a-zA-Z][a-zA-Z0-9]*){2,3}\Z")
_ROLES = "/v1/projects/{project}/roles"
_FIELDS = ("title", "description", "includedPermissions", "stage")
_READ_ONLY = frozenset({"name", "etag", "deleted"})


class RoleApi:
    """Answers for custom roles."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> list[DocumentRoute]:
        """Return the routes."""
        rows: list[tuple[str, str, str, DocumentHandler]] = [
            ("POST", _ROLES, "iam.roles.create", self.create),
            ("GET", _ROLES, "iam.roles.list", self.list),
            ("GET", f"{_ROLES}/{{role}}", "iam.roles.get", self.get),
            ("PATCH", f"{_ROLES}/{{role}}", "iam.roles.update", self.update),
            ("DELETE", f"{_ROLES}/{{role}}", "iam.roles.delete", self.delete),
            ("POST", f"{_ROLES}/{{role}}:undelete", "iam.roles.undelete", self.undelete),
        ]
        return document_routes(rows)

    async def create(self, request: DocumentRequest, caller: Caller) -> Document:
        """Make a role.

        Raises:
            InvalidArgument: Its id, or what it says, is malformed.
            AlreadyExists: The id is taken, perhaps by a deleted role.

        """
        del caller
        role_id = request.body.get("roleId")
        if not isinstance(role_id, str) or not _ROLE_ID.match(role_id):
            raise invalid("roleId", "must have 3 to 64 letters, digits, underscores and periods.")
        name = f"projects/{request.variables['project']}/roles/{role_id}"
        role = _changed(Role(), request.body.get("role", {}), _FIELDS)
        return _shown(await self._store.write(lambda tx: role_rows.insert(tx, name, role)))

    async def list(self, request: DocumentRequest, caller: Caller) -> Document:
        """Return the roles of a project in one page; what they allow only with ``view=FULL``."""
        del caller
        project, is_full = request.variables["project"], request.query.get("view") == "FULL"
        with_deleted = request.query.get("showDeleted", "").lower() == "true"
        found = await self._store.read(lambda tx: role_rows.of_project(tx, project))
        roles = [_shown(row) for row in found if with_deleted or not row.is_deleted]
        return {"roles": roles if is_full else [_brief(role) for role in roles]}

    async def get(self, request: DocumentRequest, caller: Caller) -> Document:
        """Return a role, also one that is deleted."""
        del caller
        return _shown(await self._store.peek(lambda tx: role_rows.get(tx, _name(request))))

    async def update(self, request: DocumentRequest, caller: Caller) -> Document:
        """Change the fields of ``updateMask``; without one, those that are given.

        Raises:
            FailedPrecondition: The role is deleted.

        """
        del caller
        mask = [camel(path) for path in request.query.get("updateMask", "").split(",") if path]
        fields = mask or [field for field in _FIELDS if field in request.body]
        if unknown := [field for field in fields if field not in _FIELDS]:
            raise invalid("updateMask", f"{shown(unknown[0])} cannot be changed.")

        def change(row: RoleRow) -> tuple[Role, bool]:
            if row.is_deleted:
                raise FailedPrecondition(f"The role {row.name} is deleted: undelete it first.")
            return _changed(row.role, request.body, fields), False

        return await self._change(request, change)

    async def delete(self, request: DocumentRequest, caller: Caller) -> Document:
        """Delete a role: who was granted it has nothing by it any more."""
        del caller
        return await self._change(request, lambda row: (row.role, True))

    async def undelete(self, request: DocumentRequest, caller: Caller) -> Document:
        """Bring a deleted role back, with the bindings that name it."""
        del caller
        return await self._change(request, lambda row: (row.role, False))

    async def _change(
        self, request: DocumentRequest, change: Callable[[RoleRow], tuple[Role, bool]]
    ) -> Document:
        given = request.body.get("etag") or request.query.get("etag")

        def fn(tx: Tx) -> RoleRow:
            row = role_rows.get(tx, _name(request))
            if given and given != _etag(row):
                raise Aborted(f"The role {row.name} was changed meanwhile: read it again.")
            role, is_deleted = change(row)
            return role_rows.put(tx, row, role, is_deleted=is_deleted)

        return _shown(await self._store.write(fn))


def _name(request: DocumentRequest) -> str:
    return f"projects/{request.variables['project']}/roles/{request.variables['role']}"


def _changed(role: Role, given: Any, fields: Any) -> Role:  # noqa: ANN401
    """Return the role with these fields as they are given; a field that is not given is emptied."""
    if not isinstance(given, Mapping):
        raise invalid("role", "must be a JSON object.")
    if unknown := given.keys() - {*_FIELDS, *_READ_ONLY}:
        raise invalid(f"role.{shown(min(unknown))}", "no such field.")
    values = {**msgspec.to_builtins(role), **{field: given.get(field, _EMPTY[field]) for field in fields}}
    try:
        changed = msgspec.convert(values, Role)
    except msgspec.ValidationError as error:
        raise invalid("role", f"{error}.") from None
    if changed.stage not in STAGES:
        raise invalid("role.stage", f"{shown(changed.stage)} is not one of {', '.join(STAGES)}.")
    if len(changed.included_permissions) > PERMISSIONS_MAX:
        raise invalid("role.includedPermissions", f"has more than {PERMISSIONS_MAX} entries.")
    for permission in changed.included_permissions:
        if not _PERMISSION.match(permission):
            raise invalid(
                "role.includedPermissions",
                f"Permission {shown(permission)} is not valid: SERVICE.RESOURCE.VERB.",
            )
    return changed


_EMPTY: Mapping[str, Any] = {"title": "", "description": "", "includedPermissions": [], "stage": "ALPHA"}


def _etag(row: RoleRow) -> str:
    return f"{row.version:012d}"  # digits in fours are canonical base64: clients decode and encode it


def _shown(row: RoleRow) -> dict[str, Any]:
    said = msgspec.to_builtins(row.role)
    deleted = {"deleted": True} if row.is_deleted else {}
    return {"name": row.name, **said, "stage": row.role.stage, "etag": _etag(row), **deleted}


def _brief(role: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in role.items() if key not in {"includedPermissions", "stage"}}
