"""Flags that give a job or a service secrets: ``--set-secrets NAME=SECRET:VERSION`` and its family.

Source: ``gcloud run jobs deploy``. What begins with a slash is a file and no variable, see ``volume_flags``.
"""

import argparse
from typing import Any

from jubako.cli.errors import UsageError
from jubako.cli.flags import Merge, pairs, words
from jubako.cli.volume_flags import split_version

Container = dict[str, Any]


def add_secret_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    family = parser.add_argument_group("secrets as variables (NAME) and as files (/DIR/FILE)")
    for flag, text in (("--set-secrets", "exactly these"), ("--update-secrets", "these too")):
        family.add_argument(flag, metavar="NAME=SECRET:VERSION,...", type=pairs, action=Merge, help=text)
    family.add_argument("--remove-secrets", metavar="NAME,...", type=words, action=Merge, help="not these")
    family.add_argument("--clear-secrets", action="store_true", help="none")


def edit_secrets(container: Container, args: argparse.Namespace) -> Container:
    """Return ``container`` with the variables that the flags say.

    Raises:
        UsageError: A value that is not SECRET:VERSION.

    """
    if args.set_secrets is not None and (args.update_secrets or args.remove_secrets or args.clear_secrets):
        raise UsageError("--set-secrets already says all: leave out the other flags of its family.")
    given = {**(args.set_secrets or {}), **(args.update_secrets or {})}
    is_whole = args.clear_secrets or args.set_secrets is not None
    if not given and not is_whole and not args.remove_secrets:
        return container
    env = {entry["name"]: entry for entry in container.get("env", [])}
    gone = {name for name, entry in env.items() if "valueSource" in entry} if is_whole else set()
    gone |= set(args.remove_secrets or [])
    kept = {name: entry for name, entry in env.items() if name not in gone}
    kept |= {name: _entry(name, value) for name, value in given.items() if not name.startswith("/")}
    edited = {key: value for key, value in container.items() if key != "env"}
    return {**edited, "env": list(kept.values())} if kept else edited


def _entry(name: str, value: str) -> dict[str, Any]:
    secret, version = split_version(name, value)
    return {"name": name, "valueSource": {"secretKeyRef": {"secret": secret, "version": version}}}
