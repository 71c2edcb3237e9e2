"""Custom roles: sets of permissions that a project names itself.

A role that was deleted allows nothing, and can be brought back; its name stays taken.
Source: cloud.google.com/iam/docs/creating-custom-roles.
"""

from dataclasses import dataclass

import msgspec

from jubako.core.errors import AlreadyExists, NotFound
from jubako.core.timestamps import to_micros
from jubako.identity.roles import ROLES
from jubako.store.port import Tx


class Role(msgspec.Struct, rename="camel", omit_defaults=True):
    """What a project says of its role."""

    title: str = ""
    description: str = ""
    included_permissions: list[str] = []
    stage: str = "ALPHA"


@dataclass(frozen=True, slots=True)
class RoleRow:
    """One stored role."""

    name: str
    """``projects/P/roles/R``."""
    role: Role
    version: int
    is_deleted: bool


def get(tx: Tx, name: str) -> RoleRow:
    """Return a role, deleted or not.

    Raises:
        NotFound: There is none.

    """
    row = tx.one("SELECT document, version, deleted FROM iam_roles WHERE name = ?", name)
    if row is None:
        raise NotFound(f"The role named {name} was not found.")
    return RoleRow(name, msgspec.json.decode(row[0], type=Role), row[1], row[2] is not None)


def of_project(tx: Tx, project: str) -> list[RoleRow]:
    """Return a project's roles by name, deleted ones too."""
    rows = tx.all("SELECT name, document, version, deleted FROM iam_roles ORDER BY name")
    return [
        RoleRow(name, msgspec.json.decode(document, type=Role), version, deleted is not None)
        for name, document, version, deleted in rows
        if str(name).split("/")[1] == project
    ]


def insert(tx: Tx, name: str, role: Role) -> RoleRow:
    """Store a new role.

    Raises:
        AlreadyExists: The name is taken, perhaps by a deleted one.

    """
    sql = "INSERT INTO iam_roles (name, document, version) VALUES (?, ?, 1) ON CONFLICT (name) DO NOTHING"
    if not tx.run(sql, name, msgspec.json.encode(role).decode()):
        state = "was deleted and can be undeleted" if get(tx, name).is_deleted else "already exists"
        raise AlreadyExists(f"A role named {name} {state}.")
    return get(tx, name)


def put(tx: Tx, row: RoleRow, role: Role, *, is_deleted: bool) -> RoleRow:
    """Replace a role, or delete it or bring it back."""
    tx.run(
        "UPDATE iam_roles SET document = ?, version = version + 1, deleted = ? WHERE name = ?",
        msgspec.json.encode(role).decode(), to_micros(tx.now) if is_deleted else None, row.name,
    )  # fmt: skip
    return get(tx, row.name)


def exists(tx: Tx, name: str) -> bool:
    """Return whether there is such a role that can be granted."""
    return tx.one("SELECT 1 FROM iam_roles WHERE name = ? AND deleted IS NULL", name) is not None


def permissions_of(tx: Tx, role: str) -> tuple[str, ...]:
    """Return what a role allows, as patterns; () if it is not known, deleted, or of an API that is not served."""
    if role.startswith("roles/"):
        return ROLES.get(role, ())
    return tuple(get(tx, role).role.included_permissions) if exists(tx, role) else ()
