"""``jubako iam``: service accounts, their keys and their policies; custom roles."""

import argparse
import json
import os
from pathlib import Path

from jubako.cli import iam_roles, policies
from jubako.cli.context import Context, segment
from jubako.cli.errors import CliError
from jubako.cli.formats import Columns, Nothing
from jubako.cli.parsing import Group
from jubako.cli.paths import parse_path


def register(top: Group, word: str, summary: str) -> None:
    """Add ``iam``."""
    iam = top.group(word, summary)
    iam_roles.register(iam)
    accounts = iam.group("service-accounts", "Accounts as which programs run.")
    create = accounts.command("create", create_account, "Make a service account.")
    create.add_argument("name", metavar="NAME", help="6 to 30 letters, digits and hyphens")
    create.add_argument("--display-name", metavar="TEXT", default="", help="for people")
    accounts.listing("list", list_accounts, "List service accounts.")
    accounts.command("delete", delete_account, "Forget a service account and its keys.").add_argument(
        "name", metavar="ACCOUNT"
    )
    policies.register(accounts, policies.ACCOUNT)
    keys = accounts.group("keys", "Key files, for programs that insist on one.")
    create = keys.command(
        "create",
        create_key,
        "Write a new key file, good at this server only.",
        example="jubako iam service-accounts keys create key.json --iam-account=batch",
    )
    create.add_argument("file", metavar="FILE", help="the file to write; it must not exist")
    create.add_argument(
        "--iam-account", metavar="ACCOUNT", required=True, help="email or bare name of the account"
    )


def create_account(args: argparse.Namespace, context: Context) -> int:
    """``jubako iam service-accounts create``."""
    body = {"accountId": args.name, "serviceAccount": {"displayName": args.display_name}}
    account = context.client.call("POST", f"/v1/projects/{context.project}/serviceAccounts", body=body)
    context.note(f"Created service account [{args.name}].")
    context.show(account, Nothing())
    return 0


def list_accounts(args: argparse.Namespace, context: Context) -> int:
    """``jubako iam service-accounts list``."""
    columns = [parse_path("displayName:label='DISPLAY NAME'"), parse_path("email:label=EMAIL")]
    found = context.client.list(f"/v1/projects/{context.project}/serviceAccounts", "accounts")
    context.show_list(args, found, Columns(columns))
    return 0


def delete_account(args: argparse.Namespace, context: Context) -> int:
    """``jubako iam service-accounts delete``."""
    account = segment(args.name, "account")
    context.client.call("DELETE", f"/v1/projects/{context.project}/serviceAccounts/{account}")
    context.note(f"Deleted service account [{account}].")
    return 0


def create_key(args: argparse.Namespace, context: Context) -> int:
    """``jubako iam service-accounts keys create``.

    Raises:
        CliError: The file exists or cannot be written.

    """
    account = segment(args.iam_account, "account")
    try:
        descriptor = os.open(args.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CliError(f"{args.file} cannot be made: {error.strerror}.") from None
    path = f"/jubako/v1/projects/{context.project}/serviceAccounts/{account}/keys"
    try:
        content = context.client.call("POST", path)
    except CliError:
        os.close(descriptor)
        Path(args.file).unlink()
        raise
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
    context.note(
        f"Created key [{content['private_key_id']}] of [{content['client_email']}] as [{args.file}]."
    )
    return 0
