"""``jubako bundles list|delete``: what was built of sources."""

import argparse
from typing import Any

from jubako.cli.context import Context
from jubako.cli.errors import OK, CliError
from jubako.cli.formats import Columns
from jubako.cli.parsing import Group
from jubako.cli.paths import Path, parse_path

BUNDLES = "/jubako/v1/bundles"
DIGEST_SHOWN = 19


def register(top: Group, word: str, summary: str) -> None:
    """Add the commands below ``bundles``."""
    bundles = top.group(word, summary)
    bundles.listing(
        "list", list_bundles, "List bundles, their names, and how many jobs and services run them."
    )
    delete = bundles.command(
        "delete",
        delete_bundle,
        "Delete a bundle that no job names and no service runs.",
        example="jubako bundles delete hello:v1",
    )
    delete.add_argument("name", metavar="NAME|DIGEST")


def list_bundles(args: argparse.Namespace, context: Context) -> int:
    """``jubako bundles list``."""
    columns = (
        Path.computed("BUNDLE", lambda one: str(one["digest"])[:DIGEST_SHOWN]),
        parse_path("names.join(', '):label=NAMES"),
        Path.computed("USED BY", lambda one: len(one["usedBy"])),
    )
    context.show_list(args, _all(context), Columns(columns))
    return OK


def delete_bundle(args: argparse.Namespace, context: Context) -> int:
    """``jubako bundles delete``."""
    name, digest = args.name, args.name.partition("@")[2] or args.name
    tagged = name if ":" in name.rpartition("/")[2] else f"{name}:latest"
    found = [
        one["digest"]
        for one in _all(context)
        if tagged in one["names"] or (digest.startswith("sha256:") and one["digest"].startswith(digest))
    ]
    if len(found) != 1:
        raise CliError(f"{name!r} is the name of {len(found) or 'no'} bundles.", "See `jubako bundles list`.")
    context.client.call("DELETE", f"{BUNDLES}/{found[0].partition(':')[2]}")
    context.note(f"Deleted bundle [{name}].")
    return OK


def _all(context: Context) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = context.client.get(BUNDLES)["bundles"]
    return found
