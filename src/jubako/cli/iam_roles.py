"""``jubako iam roles``: custom roles of a project.

Source of the words: ``gcloud iam roles``.
"""

import argparse
from typing import Any

from jubako.cli.context import Context, segment
from jubako.cli.errors import OK, UsageError
from jubako.cli.flags import words
from jubako.cli.formats import Columns, Yaml
from jubako.cli.parsing import Group
from jubako.cli.paths import parse_path

STAGES = ("ALPHA", "BETA", "GA", "DEPRECATED", "DISABLED", "EAP")


def register(top: Group) -> None:
    """Add the commands below ``iam roles``."""
    roles = top.group("roles", "Roles of a project's own: sets of permissions.")
    example = "jubako iam roles create jobRunner --permissions=run.jobs.get,run.jobs.run"
    create = roles.command("create", create_role, "Make a role.", example=example)
    create.add_argument("role", metavar="ROLE", help="3 to 64 letters, digits, underscores and periods")
    _add_fields(create)
    update = roles.command("update", update_role, "Change a role.")
    update.add_argument("role", metavar="ROLE")
    _add_fields(update)
    update.add_argument("--add-permissions", type=words, metavar="PERMISSION,...", help="these too")
    update.add_argument("--remove-permissions", type=words, metavar="PERMISSION,...", help="these no more")
    listing = roles.listing("list", list_roles, "List the roles of the project.")
    listing.add_argument("--show-deleted", action="store_true", help="deleted ones too")
    for word, run, summary in (
        ("describe", describe_role, "Show a role."),
        ("delete", delete_role, "Delete a role: who was granted it has nothing by it any more."),
        ("undelete", undelete_role, "Bring a deleted role back."),
    ):
        roles.command(word, run, summary).add_argument("role", metavar="ROLE")


def _add_fields(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--permissions", type=words, metavar="PERMISSION,...", help="such as run.jobs.run")
    parser.add_argument("--title", metavar="TEXT", help="for people")
    parser.add_argument("--description", metavar="TEXT", help="for people")
    parser.add_argument("--stage", choices=STAGES, type=str.upper, help="how finished it is")


def create_role(args: argparse.Namespace, context: Context) -> int:
    """``jubako iam roles create``."""
    body = {"roleId": args.role, "role": _given(args)}
    role = context.client.call("POST", f"/v1/projects/{context.project}/roles", body=body)
    context.note(f"Created role [{args.role}].")
    context.show(role, Yaml())
    return OK


def update_role(args: argparse.Namespace, context: Context) -> int:
    """``jubako iam roles update``: a change made meanwhile by somebody else is refused.

    Raises:
        UsageError: Nothing is to be changed.

    """
    before = context.client.get(_path(args, context))
    fields = _given(args)
    if args.add_permissions or args.remove_permissions:
        kept = fields.get("includedPermissions", before.get("includedPermissions", []))
        changed = {*kept, *(args.add_permissions or [])} - {*(args.remove_permissions or [])}
        fields["includedPermissions"] = sorted(changed)
    if not fields:
        raise UsageError("Nothing to change.", "See `jubako iam roles update --help`.")
    body = {**fields, "etag": before["etag"]}
    query = {"updateMask": ",".join(fields)}
    role = context.client.call("PATCH", _path(args, context), query=query, body=body)
    context.note(f"Updated role [{args.role}].")
    context.show(role, Yaml())
    return OK


def list_roles(args: argparse.Namespace, context: Context) -> int:
    """``jubako iam roles list``."""
    columns = [
        parse_path("name.basename():label=NAME"),
        parse_path("title:label=TITLE"),
        parse_path("deleted"),
    ]
    query = {"view": "FULL", "showDeleted": "true" if args.show_deleted else "false"}
    found = context.client.list(f"/v1/projects/{context.project}/roles", "roles", query=query)
    context.show_list(args, found, Columns(columns))
    return OK


def describe_role(args: argparse.Namespace, context: Context) -> int:
    """``jubako iam roles describe``."""
    context.show(context.client.get(_path(args, context)), Yaml())
    return OK


def delete_role(args: argparse.Namespace, context: Context) -> int:
    """``jubako iam roles delete``."""
    context.client.call("DELETE", _path(args, context))
    context.note(f"Deleted role [{args.role}].")
    return OK


def undelete_role(args: argparse.Namespace, context: Context) -> int:
    """``jubako iam roles undelete``."""
    context.client.call("POST", f"{_path(args, context)}:undelete", body={})
    context.note(f"Undeleted role [{args.role}].")
    return OK


def _path(args: argparse.Namespace, context: Context) -> str:
    return f"/v1/projects/{context.project}/roles/{segment(args.role, 'role')}"


def _given(args: argparse.Namespace) -> dict[str, Any]:
    """Return the fields that the flags set."""
    flags = {
        "includedPermissions": args.permissions,
        "title": args.title,
        "description": args.description,
        "stage": args.stage,
    }
    return {name: value for name, value in flags.items() if value is not None}
