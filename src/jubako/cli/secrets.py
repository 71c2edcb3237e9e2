"""``jubako secrets create|delete|list|describe`` and ``... versions add|list``: values that only tasks get to see.

Source of the words: ``gcloud secrets`` of the Cloud SDK.
"""

import argparse
import base64
import sys
from pathlib import Path

from jubako.cli.context import Context, basename
from jubako.cli.errors import OK, UsageError
from jubako.cli.formats import Columns, Nothing
from jubako.cli.parsing import Group
from jubako.cli.paths import Path as Column
from jubako.cli.paths import parse_path
from jubako.cli.times import local_time

CREATED = Column.computed("CREATED", lambda entry: local_time(entry, "createTime"))


def register(top: Group, word: str, summary: str) -> None:
    """Add the commands below ``secrets``."""
    secrets = top.group(word, summary)
    create = secrets.command(
        "create",
        create_secret,
        "Create a secret, with a first version if there is --data-file.",
        example='printf %s "$TOKEN" | jubako secrets create token --data-file=-',
    )
    create.add_argument("name", metavar="SECRET")
    create.add_argument("--data-file", metavar="FILE", help="holds the value; -: standard input")
    for verb, command, text in (
        ("describe", describe_secret, "Show that a secret exists, never its value."),
        ("delete", delete_secret, "Delete a secret and all its versions."),
    ):
        secrets.command(verb, command, text).add_argument("name", metavar="SECRET")
    secrets.listing("list", list_secrets, "List secrets.")
    versions = secrets.group("versions", "Give a secret a new value.")
    add = versions.command("add", add_version, "Add a version: tasks that ask for `latest` get it.")
    add.add_argument("name", metavar="SECRET")
    add.add_argument("--data-file", metavar="FILE", required=True, help="holds the value; -: standard input")
    versions.listing("list", list_versions, "List the versions of a secret.").add_argument(
        "name", metavar="SECRET"
    )


def create_secret(args: argparse.Namespace, context: Context) -> int:
    """``jubako secrets create``."""
    value = None if args.data_file is None else _value(args.data_file)
    parent = f"/jubako/v1/projects/{context.project}/secrets"
    created = context.client.call("POST", parent, query={"secretId": args.name}, body={})
    context.note(f"Created secret [{args.name}].")
    if value is not None:
        _add(context, args.name, value)
    context.show(created, Nothing())
    return OK


def add_version(args: argparse.Namespace, context: Context) -> int:
    """``jubako secrets versions add``."""
    value = _value(args.data_file)
    context.show(_add(context, args.name, value), Nothing())
    return OK


def _add(context: Context, secret: str, value: bytes) -> dict[str, object]:
    body = {"payload": {"data": base64.b64encode(value).decode()}}
    version = context.client.call("POST", f"{_path(context, secret)}:addVersion", body=body)
    context.note(f"Created version [{basename(version['name'])}] of the secret [{basename(secret)}].")
    return version


def describe_secret(args: argparse.Namespace, context: Context) -> int:
    """``jubako secrets describe``."""
    secret = context.client.get(_path(context, args.name))
    context.show([secret], Columns((parse_path("name.basename():label=SECRET"), CREATED)))
    return OK


def delete_secret(args: argparse.Namespace, context: Context) -> int:
    """``jubako secrets delete``."""
    context.client.call("DELETE", _path(context, args.name))
    context.note(f"Deleted secret [{basename(args.name)}].")
    return OK


def list_secrets(args: argparse.Namespace, context: Context) -> int:
    """``jubako secrets list``."""
    found = context.client.list(f"/jubako/v1/projects/{context.project}/secrets", "secrets")
    context.show_list(args, found, Columns((parse_path("name.basename():label=SECRET"), CREATED)))
    return OK


def list_versions(args: argparse.Namespace, context: Context) -> int:
    """``jubako secrets versions list``."""
    found = context.client.list(f"{_path(context, args.name)}/versions", "versions")
    columns = (parse_path("name.basename():label=VERSION"), parse_path("state:label=STATE"), CREATED)
    context.show_list(args, found, Columns(columns))
    return OK


def _path(context: Context, secret: str) -> str:
    name = secret if secret.startswith("projects/") else f"projects/{context.project}/secrets/{secret}"
    return f"/jubako/v1/{name}"


def _value(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"--data-file: {file} cannot be read: {error.strerror}.") from None
