"""``jubako run jobs executions list|describe|cancel|delete|rerun`` and ``... executions tasks list|describe``."""

import argparse
import uuid
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from jubako.cli.context import Context, basename
from jubako.cli.errors import OK, UsageError
from jubako.cli.execution_progress import counts
from jubako.cli.execution_waiting import add_waiting_flags, await_execution
from jubako.cli.executions import (
    condition,
    elapsed,
    ending,
    follow,
    full_name,
    in_words,
    is_carried_over,
    is_complete,
    state,
    task_state,
    told_progress,
)
from jubako.cli.formats import Columns, Text
from jubako.cli.krm import with_krm
from jubako.cli.parsing import Group
from jubako.cli.paths import Path, parse_path
from jubako.cli.resources import delete
from jubako.cli.terminal import Terminal, clean
from jubako.cli.times import clock, local_time

RERUN_OF = "jubako.dev/rerun-of"
TASKS_TOLD_MAX = 10
"""Of how many running tasks their progress is shown one by one."""
CARRIED_OVER = "jubako.dev/carried-over"
"""Annotations of an execution that runs tasks of another one again."""
EXECUTION_COLUMNS = (
    parse_path("name.basename():label=EXECUTION"),
    Path.computed("STATE", state),
    Path.computed(
        "COMPLETE",
        lambda execution: f"{execution.get('succeededCount', 0)} / {execution.get('taskCount', 0)}",
    ),
    Path.computed("STARTED", lambda execution: local_time(execution, "startTime")),
    Path.computed("TIME", lambda execution: clock(elapsed(execution))),
)
TASK_COLUMNS = (
    Path.computed("INDEX", lambda task: task.get("index", 0)),
    Path.computed("STATE", task_state),
    Path.computed("ATTEMPTS", lambda task: task.get("retried", 0) + (1 if task.get("startTime") else 0)),
    Path.computed("STARTED", lambda task: local_time(task, "startTime")),
    Path.computed("TIME", lambda task: clock(elapsed(task))),
    Path.computed("ENDED WITH", lambda task: "carried over" if is_carried_over(task) else ending(task)),
)

ATTEMPT_COLUMNS = (
    parse_path("attempt:label=ATTEMPT"),
    Path.computed("ENDED", lambda attempt: (attempt.get("reason") or "-").lower()),
    Path.computed("STARTED", lambda attempt: local_time(attempt, "startTime")),
    Path.computed("TIME", lambda attempt: clock(elapsed(attempt))),
    Path.computed("WITH", lambda attempt: ending({"lastAttemptResult": attempt.get("result") or {}})),
    parse_path("output:label=OUTPUT"),
)


def register(jobs: Group) -> None:
    """Add the commands below ``run jobs executions``."""
    group = jobs.group("executions", "Look at executions, and end them.")
    listing = group.listing("list", list_executions, "List executions, newest first.")
    listing.add_argument("--job", metavar="JOB", help="of this job only")
    for word, command, summary in (
        ("describe", describe_execution, "Show an execution."),
        ("cancel", cancel_execution, "End the processes of an execution and wait until they are gone."),
        ("delete", delete_execution, "Delete an execution that is over."),
    ):
        group.command(word, command, summary).add_argument("name", metavar="EXECUTION")
    _register_rerun(group)
    tasks = group.group("tasks", "Look at the tasks of an execution.")
    tasks_listing = tasks.listing("list", list_tasks, "List the tasks of an execution.")
    tasks_listing.add_argument("--execution", metavar="EXECUTION", required=True)
    tasks.command("describe", describe_task, "Show a task and its attempts.").add_argument(
        "task", metavar="TASK", help="such as hello-x7k2p-task3"
    )


def _register_rerun(group: Group) -> None:
    rerun = group.command(
        "rerun",
        rerun_execution,
        "Run some tasks of an execution again, in a new execution that carries over the others.",
        example="jubako run jobs executions rerun hello-x7k2p --tasks 3,7-9 --wait",
    )
    rerun.add_argument("name", metavar="EXECUTION")
    which = rerun.add_argument_group("which tasks").add_mutually_exclusive_group()
    which.add_argument(
        "--failed", action="store_true", help="all that did not succeed (this is what is done without a flag)"
    )
    which.add_argument("--tasks", metavar="INDEX,...", default="", help="these, such as 3,7-9")
    add_waiting_flags(rerun)


def list_executions(args: argparse.Namespace, context: Context) -> int:
    """``jubako run jobs executions list``."""
    job = context.resource("jobs", args.job or "-")
    executions = map(with_krm, context.client.list(f"/v2/{job}/executions", "executions"))
    context.show_list(args, executions, Columns(EXECUTION_COLUMNS))
    return OK


def describe_execution(args: argparse.Namespace, context: Context) -> int:
    """``jubako run jobs executions describe``."""
    execution = context.client.get(f"/v2/{full_name(context.parent, args.name)}")
    told = told_progress(context.client, execution) if context.format is None else []
    context.show(with_krm(execution), Text(partial(_describe, told=told)))
    return OK


def _describe(
    execution: dict[str, Any], terminal: Terminal, told: Sequence[Mapping[str, Any]] = ()
) -> Iterator[str]:
    completed = condition(execution, "Completed")
    yield terminal.paint(
        f"Execution {basename(execution['name'])} of job {basename(execution.get('job', ''))}", "bold"
    )
    yield f"  State: {state(execution)}"
    if completed.get("message"):
        yield f"  Message: {clean(completed['message'])}"
    yield f"  Tasks: {counts(execution)}"
    if told:
        yield f"  Progress: {in_words(told)}"
    for task in told[:TASKS_TOLD_MAX]:
        yield f"    task {task['taskIndex']}: {in_words([task])}"
    yield f"  Parallelism: {execution.get('parallelism', 0) or 'as many as can be'}"
    for label, field in (
        ("Created", "createTime"),
        ("Started", "startTime"),
        ("Completed", "completionTime"),
    ):
        if execution.get(field):
            yield f"  {label}: {local_time(execution, field)}"
    yield f"  Time: {clock(elapsed(execution))}"
    annotations = execution.get("annotations", {})
    if annotations.get(RERUN_OF):
        carried = clean(annotations.get(CARRIED_OVER, "0"))
        yield f"  Rerun of: {clean(basename(annotations[RERUN_OF]))} ({carried} tasks carried over)"
    for key, value in execution.get("labels", {}).items():
        yield f"  Label {clean(key)}: {clean(value)}"


def cancel_execution(args: argparse.Namespace, context: Context) -> int:
    """``jubako run jobs executions cancel``."""
    name = full_name(context.parent, args.name)
    context.client.call("POST", f"/v2/{name}:cancel", body={})
    execution = follow(context.client, name, is_complete, lambda _: None)
    context.note(f"Execution [{basename(name)}]: {state(execution).lower()}, {counts(execution)}.")
    return OK


def delete_execution(args: argparse.Namespace, context: Context) -> int:
    """``jubako run jobs executions delete``."""
    name = full_name(context.parent, args.name)
    delete(context.client, name, "v2")
    context.note(f"Deleted execution [{basename(name)}].")
    return OK


def rerun_execution(args: argparse.Namespace, context: Context) -> int:
    """``jubako run jobs executions rerun``."""
    name = full_name(context.parent, args.name)
    body = {"tasks": args.tasks} if args.tasks else {}
    operation = context.client.call(
        "POST", f"/jubako/v1/{name}:rerun", body=body, idempotency_key=str(uuid.uuid4())
    )
    execution: dict[str, Any] = operation["metadata"]
    carried = execution.get("annotations", {}).get(CARRIED_OVER, "0")
    context.note(
        f"Execution [{basename(execution['name'])}] runs tasks of [{basename(name)}] again; "
        f"{clean(carried)} of {execution.get('taskCount', 0)} tasks are carried over."
    )
    return await_execution(context, execution, is_waiting=args.wait, is_async=args.is_async)


def list_tasks(args: argparse.Namespace, context: Context) -> int:
    """``jubako run jobs executions tasks list``."""
    execution = full_name(context.parent, args.execution)
    tasks = sorted(
        context.client.list(f"/v2/{execution}/tasks", "tasks"), key=lambda task: task.get("index", 0)
    )
    context.show_list(args, map(with_krm, tasks), Columns(TASK_COLUMNS, "No tasks."))
    return OK


def describe_task(args: argparse.Namespace, context: Context) -> int:
    """``jubako run jobs executions tasks describe``."""
    name = _task_name(context.parent, args.task)
    task = context.client.get(f"/v2/{name}")
    attempts = context.client.get(f"/jubako/v1/{name}/attempts").get("attempts", [])
    if context.format is not None:
        context.show(with_krm(task), Text(_describe))
        return OK
    context.out.print(context.out.paint(f"Task {basename(task['name'])}", "bold"))
    context.out.print(f"  State: {task_state(task)}")
    message = condition(task, "Completed").get("message")
    if message:
        context.out.print(f"  Message: {clean(message)}")
    context.out.print()
    context.show(attempts, Columns(ATTEMPT_COLUMNS, "Not started yet."))
    return OK


def _task_name(parent: str, task: str) -> str:
    """Return the resource name of ``EXECUTION-taskINDEX``; a full name comes back as it is."""
    if task.startswith("projects/"):
        return task
    execution, mark, index = task.rpartition("-task")
    if not mark or not index.isdecimal():
        raise UsageError(f"{task!r} is not the name of a task.", "It looks like hello-x7k2p-task3.")
    return f"{full_name(parent, execution)}/tasks/{task}"
