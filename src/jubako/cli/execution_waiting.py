"""After an execution was started: waiting for as much of it as was asked, and telling how it went."""

import argparse
from collections.abc import Mapping
from typing import Any

from jubako.cli.context import Context, basename
from jubako.cli.errors import FAILED, INTERRUPTED, OK
from jubako.cli.execution_progress import ExecutionProgress, counts
from jubako.cli.executions import (
    ending,
    follow,
    in_words,
    is_complete,
    is_started,
    state,
    task_state,
    told_progress,
)
from jubako.cli.formats import Nothing
from jubako.cli.krm import with_krm
from jubako.cli.terminal import clean

FAILURES_SHOWN = 3


def add_waiting_flags(parser: argparse.ArgumentParser, *more: str) -> None:
    """Add ``--wait``, ``--async`` and ``more`` flags that say what to wait for."""
    family = parser.add_argument_group("waiting")
    for flag in more:
        family.add_argument(flag, action="store_true", help="execute the job when it is deployed")
    either = family.add_mutually_exclusive_group()
    either.add_argument(
        "--wait", action="store_true", help="until the execution is over; exit 1 if it failed"
    )
    either.add_argument(
        "--async", dest="is_async", action="store_true", help="do not even wait for the start"
    )


def await_execution(context: Context, execution: dict[str, Any], *, is_waiting: bool, is_async: bool) -> int:
    """Wait for the end of ``execution``, for its start, or not at all; return the exit code."""
    name = execution["name"]
    if is_async:
        context.note(f"Execution [{basename(name)}] is being started.")
        context.show(with_krm(execution), Nothing())
        return OK
    try:
        return _wait_for(context, name) if is_waiting else _wait_for_start(context, name)
    except KeyboardInterrupt:
        _say_that_it_goes_on(context, basename(name))
        return INTERRUPTED


def _wait_for_start(context: Context, name: str) -> int:
    execution = follow(context.client, name, is_started, lambda _: None)
    short = basename(name)
    context.note(f"Execution [{short}] has started.")
    context.note(f"See how it goes: jubako run jobs executions describe {short}")
    context.show(with_krm(dict(execution)), Nothing())
    return OK


def _wait_for(context: Context, name: str) -> int:
    progress = ExecutionProgress(context.err)

    def seen(execution: Mapping[str, Any]) -> None:
        if not context.is_quiet:
            progress.show(execution, in_words(told_progress(context.client, execution)))

    try:
        execution = follow(context.client, name, is_complete, seen)
    finally:
        progress.live.clear()
    context.show(with_krm(dict(execution)), Nothing())
    ended = state(execution)
    if ended == "Succeeded":
        context.note(f"Execution [{basename(name)}] has succeeded: {counts(execution)}.")
        return OK
    _explain_failure(context, name, f"Execution [{basename(name)}] has {ended.lower()}: {counts(execution)}.")
    return FAILED


def _explain_failure(context: Context, name: str, sentence: str) -> None:
    context.err.print(f"ERROR: {sentence}")
    ended = (
        task for task in context.client.list(f"/v2/{name}/tasks", "tasks") if task_state(task) == "Failed"
    )
    for number, task in enumerate(ended):
        if number == FAILURES_SHOWN:
            break
        context.err.print(f"  task {task.get('index', 0)}: {clean(ending(task)) or 'failed'}")
    context.err.print(f"See what it said: jubako run jobs logs read --execution {basename(name)}")


def _say_that_it_goes_on(context: Context, short: str) -> None:
    context.err.print(f"\nInterrupted; execution [{short}] goes on.")
    context.err.print(f"Stop it with: jubako run jobs executions cancel {short}")
