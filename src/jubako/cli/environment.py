"""``jubako env`` and ``jubako exec``: the environment in which Google's clients reach this server."""

import argparse
import os
from collections.abc import Mapping

from jubako.cli.context import Context
from jubako.cli.errors import CliError
from jubako.cli.formats import SHELLS, Shell
from jubako.cli.parsing import Group

_NODE_OPTIONS = "NODE_OPTIONS"
NOT_FOUND = 127
NOT_EXECUTABLE = 126
"""As shells report it."""


def register(top: Group, word: str, summary: str) -> None:
    """Add ``env`` or ``exec``."""
    if word == "env":
        parser = top.command(word, print_variables, summary, example='eval "$(jubako env)"')
        parser.add_argument(
            "--shell",
            choices=tuple(SHELLS),
            default="sh",
            help="whose commands: fish reads others than sh (sh)",
        )
    else:
        parser = top.command(word, execute, summary, example="jubako exec -- python my_cloud_run_code.py")
        parser.add_argument(
            "argv", metavar="COMMAND", nargs="+", help="the command and its arguments, after --"
        )
    parser.add_argument(
        "--service-account", metavar="EMAIL", default="", help="as whom (the project's default account)"
    )


def print_variables(args: argparse.Namespace, context: Context) -> int:
    """``jubako env``."""
    found = _environment(args, context)
    context.show(
        {**dict.fromkeys(found["unset"]), **joined(found["set"], context.environ)}, Shell(args.shell)
    )
    return 0


def execute(args: argparse.Namespace, context: Context) -> int:
    """``jubako exec``: becomes the command, so that signals and the exit code are the command's own.

    Raises:
        CliError: There is no such command.

    """
    environ = applied(_environment(args, context), context.environ)
    context.close()
    try:
        os.execvpe(args.argv[0], args.argv, environ)  # noqa: S606 - what this command is for
    except FileNotFoundError:
        raise CliError(f"{args.argv[0]}: no such command.", exit_code=NOT_FOUND) from None
    except OSError as error:
        raise CliError(f"{args.argv[0]}: {error.strerror}.", exit_code=NOT_EXECUTABLE) from None


def applied(found: Mapping[str, Mapping[str, str]], environ: Mapping[str, str]) -> dict[str, str]:
    """Return ``environ`` with the server's answer applied to it."""
    kept = {name: value for name, value in environ.items() if name not in found["unset"]}
    return {**kept, **joined(found["set"], environ)}


def joined(found: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """Return the server's variables; options of Node that a person has set stay beside ours."""
    ours, theirs = found.get(_NODE_OPTIONS, ""), environ.get(_NODE_OPTIONS, "")
    return (
        dict(found)
        if not theirs
        else {**found, _NODE_OPTIONS: theirs if ours in theirs else f"{ours} {theirs}"}
    )


def _environment(args: argparse.Namespace, context: Context) -> Mapping[str, Mapping[str, str]]:
    query = {
        "project": context.project,
        "location": context.location,
        "serviceAccount": args.service_account or None,
    }
    return context.client.get("/jubako/v1/environment", query)
