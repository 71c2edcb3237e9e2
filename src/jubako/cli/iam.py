"""``jubako iam``: key files of service accounts."""

import argparse
import json
import os
from pathlib import Path

from jubako.cli.context import Context, segment
from jubako.cli.errors import CliError
from jubako.cli.parsing import Group


def register(top: Group, word: str, summary: str) -> None:
    """Add ``iam``."""
    accounts = top.group(word, summary).group("service-accounts", "Accounts as which programs run.")
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
