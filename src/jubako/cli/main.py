"""``jubako``: reads the command line, runs one command, and turns what went wrong into one helpful line.

Every group of commands is imported only when its word is on the command line: the help costs no more than
argparse.
"""

import importlib
import os
import sys
from collections.abc import Mapping, Sequence

from jubako import __version__
from jubako.cli.errors import INTERRUPTED, OK, PIPE_CLOSED, USAGE, CliError
from jubako.cli.parsing import Group, Parser, add_common_flags, unknown_arguments

GROUPS: Mapping[str, tuple[str, str]] = {
    "up": ("jubako.cli.up", "Run the server until Ctrl-C."),
    "run": ("jubako.cli.run", "Deploy, execute and inspect jobs and services."),
    "build": ("jubako.cli.building.command", "Make a bundle of a source, to be deployed by its name."),
    "bundles": ("jubako.cli.bundles", "List and delete what was built."),
    "workflows": ("jubako.cli.workflows", "Deploy, check and run workflows."),
    "clock": ("jubako.cli.clock", "Show and advance the time of a server with a virtual clock."),
    "logging": ("jubako.cli.log_entries", "Read log entries."),
    "env": ("jubako.cli.environment", "Print the variables with which Google's clients reach the server."),
    "exec": ("jubako.cli.environment", "Run a command whose Google clients reach the server."),
    "iam": ("jubako.cli.iam", "Service accounts, their keys, and who may use them."),
    "projects": ("jubako.cli.projects", "Say who may do what in a project."),
    "secrets": ("jubako.cli.secrets", "Keep values that only tasks get to see."),
    "demo": ("jubako.cli.demo", "Run a complete application and watch it work."),
    "completion": ("jubako.cli.completion", "Let your shell complete commands and flags."),
}
DESCRIPTION = """Cloud Run's boxes - Services, Jobs, Workflows - on your own machine.

Start the server with `jubako up`; the other commands speak Google's own words to it."""


def build_parser(words: Sequence[str]) -> Parser:
    """Return the parser for a command line: complete for the group that ``words`` name, stubs for the rest."""
    parser = Parser(prog="jubako", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"jubako {__version__}")
    top = Group(parser)
    add_common_flags(parser)
    wanted = set(words)  # a flag's value may be such a word too, so take every one of them
    for word, (module, summary) in GROUPS.items():
        if word in wanted:
            importlib.import_module(module).register(top, word, summary)
        else:
            top.stub(word, summary)
    return parser


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run one command line.

    Args:
        argv: The words after ``jubako``; default: those of the process.
        environ: Environment; default: that of the process.

    Returns:
        0 ok, 1 failed, 2 wrong usage, 130 interrupted, 141 the reader of our output went away.

    """
    words = list(sys.argv[1:] if argv is None else argv)
    _let_unprintable_text_pass()
    try:
        code = _run(words, os.environ if environ is None else environ)
        sys.stdout.flush()
    except CliError as error:
        return _report(error)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return _leave_broken_pipe()
    return code


def _run(words: Sequence[str], environ: Mapping[str, str]) -> int:
    try:
        args, unknown = build_parser(words).parse_known_args(words)
    except SystemExit:  # argparse leaves this way after --help and --version
        return OK
    if unknown:
        raise unknown_arguments(unknown, vars(args).get("leaf"))
    if args.command is None:
        args.incomplete.print_help(sys.stderr)
        return USAGE
    from jubako.cli.context import Context  # noqa: PLC0415 - not needed for the help

    context = Context.resolve(args, environ)
    try:
        code: int = args.command(args, context)
    finally:
        context.close()
    return code


def _report(error: CliError) -> int:
    hint = f"\n{error.hint}" if error.hint else ""
    print(f"ERROR: {error.message}{hint}", file=sys.stderr)
    return error.exit_code


def _leave_broken_pipe() -> int:
    # The interpreter flushes stdout once more at exit; give it somewhere to go, or it complains.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return PIPE_CLOSED


def _let_unprintable_text_pass() -> None:
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
