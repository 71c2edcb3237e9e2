"""The command tree on argparse: nested groups whose commands all know the flags that every command has.

A command is a function ``(args, context) -> exit code``. Groups are imported only when they are asked for,
so that ``jubako --help`` stays quick.
"""

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from jubako.cli.errors import UsageError

if TYPE_CHECKING:
    from jubako.cli.context import Context

Command = Callable[[argparse.Namespace, "Context"], int]


class Parser(argparse.ArgumentParser):
    """An argument parser that raises instead of leaving the process."""

    def __init__(
        self, *, prog: str | None = None, description: str | None = None, epilog: str | None = None
    ) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> NoReturn:
        """Raise UsageError with a sentence of ours in place of argparse's list of everything."""
        flag = re.match(r"argument (--[\w-]+).*: expected one argument", message)
        dash = f" A value that begins with a dash is written {flag[1]}=VALUE." if flag else ""
        raise UsageError(message, f"See `{self.prog} --help`.{dash}")

    def _print_message(self, message: str, file: Any = None) -> None:  # noqa: ANN401 - argparse's word
        # argparse swallows a closed pipe here; we want to leave as every command does then.
        stream = file or sys.stderr
        stream.write(message)
        stream.flush()

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:  # noqa: SLF001
            raise UsageError(*_unknown_command(self.prog, str(value), list(action.choices)))
        super()._check_value(action, value)


def unknown_arguments(words: Sequence[str], command: argparse.ArgumentParser | None) -> UsageError:
    """Return the refusal of words that a command does not take."""
    import difflib  # noqa: PLC0415 - slow to import, and needed only for a slip of the finger

    prog = command.prog if command else "jubako"
    flags = [flag for action in command._actions for flag in action.option_strings] if command else []  # noqa: SLF001
    close = difflib.get_close_matches(words[0].partition("=")[0], flags, 1)
    meant = f"Did you mean {close[0]}? " if close else ""
    return UsageError(f"`{prog}` does not take {' '.join(words)}.", f"{meant}See `{prog} --help`.")


def _unknown_command(prog: str, word: str, known: Sequence[str]) -> tuple[str, str]:
    import difflib  # noqa: PLC0415 - slow to import, and needed only for a slip of the finger

    close = difflib.get_close_matches(word, known, 1)
    hint = f"Did you mean `{prog} {close[0]}`?" if close else f"One of: {', '.join(known)}."
    return f"`{prog}` has no command {word!r}.", hint


class Group:
    """A word that further words follow, such as ``run`` or ``jobs``."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self.parser = parser
        self._words = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
        parser.set_defaults(command=None, incomplete=parser)

    def group(self, word: str, summary: str) -> "Group":
        """Add a group below this one."""
        parser = self._words.add_parser(word, help=summary, description=summary)
        add_common_flags(parser, is_hidden=True)
        return Group(parser)

    def command(
        self, word: str, run: Command, summary: str, *, example: str = "", connects: bool = True
    ) -> argparse.ArgumentParser:
        """Add a command; the caller adds its arguments to the parser that comes back."""
        epilog = f"example:\n  {example}" if example else None
        parser = self._words.add_parser(word, help=summary, description=summary, epilog=epilog)
        parser.set_defaults(command=run, incomplete=None, leaf=parser)
        if connects:
            add_common_flags(parser)
        return parser

    def listing(self, word: str, run: Command, summary: str) -> argparse.ArgumentParser:
        """Add a command that lists things: it can filter and stop early."""
        from jubako.cli.flags import at_least  # noqa: PLC0415 - the bare help lists nothing

        parser = self.command(word, run, summary)
        parser.add_argument(
            "--filter", metavar="FILTER", help="only those, such as 'state=Failed AND job:ocr'"
        )
        parser.add_argument("--limit", metavar="N", type=at_least(1), help="at most so many")
        parser.add_argument("--sort-by", metavar="PATH,...", help="in this order; ~PATH the other way round")
        parser.add_argument("--page-size", metavar="N", type=at_least(1), help="so many with each request")
        parser.add_argument(
            "--uri", action="store_true", help="the addresses of what is found, and nothing else"
        )
        return parser

    def stub(self, word: str, summary: str) -> None:
        """Name a group in the help without importing it."""
        self._words.add_parser(word, help=summary)


def words_below(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of the commands and groups directly below ``parser``, by word."""
    below: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:  # noqa: SLF001 - argparse offers no other way to walk its tree
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            below |= action.choices
    return below


def add_common_flags(parser: argparse.ArgumentParser, *, is_hidden: bool = False) -> None:
    """Add the flags of every client command; absent ones leave no attribute, so that outer ones hold."""
    common = parser.add_argument_group("common flags")

    def add(*flags: str, help: str, **options: Any) -> None:  # noqa: A002, ANN401 - argparse's words
        shown = argparse.SUPPRESS if is_hidden else help
        common.add_argument(*flags, default=argparse.SUPPRESS, help=shown, **options)

    add("--server", metavar="URL", help="the server to talk to (JUBAKO_SERVER)")
    add("--state", metavar="DIR", help="find the server by its state directory (JUBAKO_STATE, ./.jubako)")
    add(
        "--project",
        metavar="ID",
        help="project (CLOUDSDK_CORE_PROJECT, GOOGLE_CLOUD_PROJECT; default: local)",
    )
    add(
        "--region",
        "--location",
        dest="location",
        metavar="NAME",
        help="location (CLOUDSDK_RUN_REGION, GOOGLE_CLOUD_LOCATION; default: asia-northeast1)",
    )
    add(
        "--format",
        metavar="FORMAT",
        help="json, yaml, flattened, list, value(PATH,...), table(PATH,...), csv(PATH,...), get(PATH) or none",
    )
    add("--flatten", metavar="PATH,...", help="a document for each item of these lists")
    common.add_argument("--platform", choices=["managed"], default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    add("-q", "--quiet", action="store_true", help="no progress, no questions")
