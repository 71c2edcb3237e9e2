"""``jubako build -t NAME[:TAG] DIR``, and what ``--source`` does at a deploy."""

import argparse
from pathlib import Path

from jubako.cli.building.build import build
from jubako.cli.context import Context
from jubako.cli.errors import OK, CliError
from jubako.cli.flags import words
from jubako.cli.formats import Nothing
from jubako.cli.parsing import Group
from jubako.runtime.bundles import Bundles

FOLDER = "bundles"


def register(top: Group, word: str, summary: str) -> None:
    """Add ``build``."""
    parser = top.command(word, build_command, summary, example="jubako build -t hello .")
    parser.add_argument("source", metavar="DIR", type=Path, help="the source")
    parser.add_argument("-t", "--tag", metavar="NAME[:TAG]", required=True, help="what --image calls it")
    parser.add_argument(
        "--command",
        dest="entry",
        metavar="WORD,...",
        type=words,
        default=[],
        help="its command (the source says it)",
    )


def build_command(args: argparse.Namespace, context: Context) -> int:
    """``jubako build``."""
    image = bundled(context, args.source, args.tag, args.entry)
    context.show({"image": image}, Nothing())
    return OK


def bundled(context: Context, source: Path, name: str, entry: list[str] | None = None) -> str:
    """Build a source and give it a name; return the name pinned to what was built.

    Raises:
        CliError: It cannot be built, or the server has its state on another machine.

    """
    if not context.state.is_dir():
        raise CliError(
            f"There is no state directory {context.state}, where the bundle would go.",
            "Run this where `jubako up` runs, or name the state: --state DIR.",
        )
    bundles = Bundles(context.state.absolute() / FOLDER)
    if not bundles.can_be_called(name):
        raise CliError(f"{name!r} is not a name such as hello or hello:v1.")
    bundle, is_new = build(source.absolute(), bundles, entry or [])
    bundles.name(name, bundle.digest)
    context.note(f"{'Built' if is_new else 'Already built:'} [{name}] ({bundle.digest[:19]}).")
    return f"{name}@{bundle.digest}"
