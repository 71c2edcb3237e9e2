"""How an execution of a workflow is named on the command line."""

import argparse

from jubako.cli.context import Context
from jubako.cli.errors import UsageError


def execution_name(args: argparse.Namespace, context: Context) -> str:
    """Return the full name of ``EXECUTION``."""
    if args.execution.startswith("projects/"):
        return str(args.execution)
    if not args.workflow:
        raise UsageError(
            "Which workflow's execution?", "Give --workflow WORKFLOW, or the execution's full name."
        )
    return f"{context.resource('workflows', args.workflow)}/executions/{args.execution}"
