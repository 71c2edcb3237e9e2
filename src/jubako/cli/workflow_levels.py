"""How much of an execution is logged and kept: flags of ``deploy``, ``run`` and ``execute``.

Source: ``gcloud workflows deploy`` and ``gcloud workflows run`` of the Cloud SDK.
"""

import argparse

LOG_LEVELS = {
    "none": "LOG_NONE",
    "log-none": "LOG_NONE",
    "log-all-calls": "LOG_ALL_CALLS",
    "log-errors-only": "LOG_ERRORS_ONLY",
}
HISTORY_LEVELS = {
    "execution-history-basic": "EXECUTION_HISTORY_BASIC",
    "execution-history-detailed": "EXECUTION_HISTORY_DETAILED",
}


def add_level_flags(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    parser.add_argument("--call-log-level", choices=tuple(LOG_LEVELS), help="which calls are logged")
    parser.add_argument(
        "--execution-history-level",
        choices=tuple(HISTORY_LEVELS),
        help="whether step entries have variables too",
    )


def levels(args: argparse.Namespace) -> dict[str, str]:
    """Return the fields that the flags set."""
    told: dict[str, str] = {}
    if args.call_log_level is not None:
        told["callLogLevel"] = LOG_LEVELS[args.call_log_level]
    if args.execution_history_level is not None:
        told["executionHistoryLevel"] = HISTORY_LEVELS[args.execution_history_level]
    return told
