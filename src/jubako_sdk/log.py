"""One structured line on standard output per event, in the shape that Cloud Logging understands.

Source: Cloud Logging, "Structured logging", special JSON fields.
"""

import json
import sys
from typing import Final

from jubako_sdk.task import current_task

SEVERITIES: Final = frozenset(
    {"DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY"}
)
LABELS: Final = "logging.googleapis.com/labels"


def log(severity: str, message: str, **fields: object) -> None:
    """Write one line; it never raises because of what is logged.

    Args:
        severity: One of Cloud Logging's severities; an unknown one becomes ``DEFAULT``.
        message: What happened, for people.
        **fields: More keys of the ``jsonPayload``; values that JSON cannot carry are written as their text.

    """
    entry: dict[str, object] = {
        "severity": severity if severity in SEVERITIES else "DEFAULT",
        "message": message,
    }
    labels = _labels()
    if labels:
        entry[LABELS] = labels
    # ASCII only: a task may run with LANG=C, and a lone surrogate must not kill it. The line is written by one
    # call, newline included, so that lines of several threads do not mix.
    sys.stdout.write(_encode(entry, fields) + "\n")
    sys.stdout.flush()


def progress(done: int, total: int, stage: str, **fields: object) -> None:
    """Report that ``done`` of ``total`` parts of ``stage`` are finished."""
    log(
        "INFO",
        f"{stage}: {done} of {total}",
        progress={"stage": stage, "done": done, "total": total},
        **fields,
    )


def _labels() -> dict[str, str]:
    try:
        task = current_task()
    except ValueError:  # a broken environment is reported by whoever needs it, not by the logger
        return {}
    if not task.execution:
        return {}
    return {
        "job": task.job,
        "execution": task.execution,
        "task_index": str(task.index),
        "task_attempt": str(task.attempt),
    }


def _encode(entry: dict[str, object], fields: dict[str, object]) -> str:
    try:
        return json.dumps(
            entry | {key: value for key, value in fields.items() if key not in entry},
            default=str,
            allow_nan=False,
        )
    except (TypeError, ValueError, RecursionError):
        return json.dumps(entry | {"fields": {key: ascii(value)[:1000] for key, value in fields.items()}})
