"""``jubako run jobs deploy|update|execute|describe|list|delete``, and the groups below it.

Source of the words: ``gcloud run jobs`` of the Cloud SDK.
"""

import argparse
import uuid
from collections.abc import Iterator
from typing import Any

from jubako.cli import policies, run_executions, run_logs, run_replace
from jubako.cli.containers import add_container_flags, build_source, edit_container, edit_labels
from jubako.cli.context import Context, basename
from jubako.cli.errors import OK, UsageError
from jubako.cli.execution_waiting import add_waiting_flags, await_execution
from jubako.cli.flags import as_entries, at_least, duration, pairs, words
from jubako.cli.formats import Columns, Nothing, Text
from jubako.cli.krm import with_krm
from jubako.cli.parsing import Group
from jubako.cli.paths import Path, parse_path
from jubako.cli.resources import create_or_update, delete
from jubako.cli.secret_flags import add_secret_flags, edit_secrets
from jubako.cli.terminal import Terminal, clean
from jubako.cli.times import local_time
from jubako.cli.volume_flags import add_volume_flags, edit_volumes

Job = dict[str, Any]
"""A ``google.cloud.run.v2.Job`` as JSON."""


def register(run: Group) -> None:
    """Add the commands below ``run jobs``."""
    jobs = run.group("jobs", "Run commands to completion, split into tasks.")
    for word, summary in (
        ("deploy", "Create a job, or change one: only what is given changes."),
        ("update", "Change a job that exists: only what is given changes."),
    ):
        example = f"jubako run jobs {word} hello --command echo --args hello --tasks 3 --execute-now --wait"
        deploy = jobs.command(word, deploy_job, summary, example=example)
        deploy.set_defaults(must_exist=word == "update")
        deploy.add_argument("name", metavar="JOB")
        add_container_flags(deploy)
        add_secret_flags(deploy)
        add_volume_flags(deploy)
        _add_task_flags(deploy)
        add_waiting_flags(deploy, "--execute-now")
    execute = jobs.command(
        "execute", execute_job, "Start an execution of a job.", example="jubako run jobs execute hello --wait"
    )
    execute.add_argument("name", metavar="JOB")
    _add_override_flags(execute)
    add_waiting_flags(execute)
    for word, command, summary in (
        ("describe", describe_job, "Show a job."),
        ("delete", delete_job, "Delete a job and its executions."),
    ):
        jobs.command(word, command, summary).add_argument("name", metavar="JOB")
    jobs.listing("list", list_jobs, "List jobs.")
    run_replace.register(jobs, run_replace.JOB)
    policies.register(jobs, policies.JOB)
    run_executions.register(jobs)
    run_logs.register(jobs)


def _add_task_flags(parser: argparse.ArgumentParser) -> None:
    family = parser.add_argument_group("tasks")
    family.add_argument("--tasks", metavar="N", type=at_least(1), help="how many tasks an execution has (1)")
    family.add_argument(
        "--parallelism", metavar="N", type=at_least(0), help="how many at once; 0: as many as can be"
    )
    family.add_argument("--max-retries", metavar="N", type=at_least(0), help="retries of a failed task (3)")
    family.add_argument(
        "--task-timeout", metavar="TIME", type=duration, help="per attempt: 3600s, 10m5s, 90 (10m)"
    )


def _add_override_flags(parser: argparse.ArgumentParser) -> None:
    family = parser.add_argument_group("for this execution only")
    family.add_argument("--args", dest="arguments", metavar="WORD,...", type=words, help="other arguments")
    family.add_argument("--update-env-vars", metavar="NAME=VALUE,...", type=pairs, help="further variables")
    family.add_argument("--tasks", metavar="N", type=at_least(1), help="another number of tasks")
    family.add_argument("--task-timeout", metavar="TIME", type=duration, help="another time-out")


def deploy_job(args: argparse.Namespace, context: Context) -> int:
    """``jubako run jobs deploy`` and ``update``."""
    if args.is_async and args.execute_now:
        raise UsageError("At most one of --async and --execute-now can be given.")
    name = context.resource("jobs", args.name)
    if args.must_exist:
        context.client.get(f"/v2/{name}")
    build_source(args, context)
    job, is_new = create_or_update(context.client, name, lambda before: edit_job(before, args))
    context.note(f"Job [{basename(name)}] has been {'deployed' if is_new else 'updated'}.")
    if args.execute_now or args.wait:
        return run_job(context, name, {}, is_waiting=args.wait, is_async=False)
    context.note(f"Execute it with: jubako run jobs execute {basename(name)}")
    context.show(with_krm(job), Nothing())
    return OK


def edit_job(job: Job, args: argparse.Namespace) -> Job:
    """Return ``job`` (empty for a new one) with what the flags of ``deploy`` say.

    Raises:
        UsageError: Nothing would be left to run.

    """
    execution = dict(job.get("template", {}))
    task = dict(execution.get("template", {}))
    containers = task.get("containers") or [{}]
    first = edit_secrets(edit_container(containers[0], args), args)
    edit_volumes(task, first, args)
    if not first.get("image") and not first.get("command"):
        raise UsageError(
            "The job has nothing to run.",
            "Give --command PROGRAM (a local program), --source DIR, or --image NAME (what was built).",
        )
    task["containers"] = [first, *containers[1:]]
    for place, field, value in (
        (execution, "taskCount", args.tasks),
        (execution, "parallelism", args.parallelism),
        (task, "maxRetries", args.max_retries),
        (task, "timeout", args.task_timeout),
        (task, "serviceAccount", args.service_account),
    ):
        if value is not None:
            place[field] = value
    execution["template"] = task
    edited = {**job, "template": execution}
    for place in (edited, execution):
        place["labels"] = edit_labels(place.get("labels", {}), args)
    return edited


def execute_job(args: argparse.Namespace, context: Context) -> int:
    """``jubako run jobs execute``."""
    name = context.resource("jobs", args.name)
    return run_job(context, name, overrides(args), is_waiting=args.wait, is_async=args.is_async)


def overrides(args: argparse.Namespace) -> dict[str, Any]:
    """Return the ``overrides`` that the flags of ``execute`` ask for; empty if there are none."""
    container: dict[str, Any] = {}
    if args.arguments is not None:
        container |= {"args": args.arguments} if args.arguments else {"clearArgs": True}
    if args.update_env_vars:
        container["env"] = list(as_entries(args.update_env_vars).values())
    wanted: dict[str, Any] = {"containerOverrides": [container]} if container else {}
    if args.tasks is not None:
        wanted["taskCount"] = args.tasks
    if args.task_timeout is not None:
        wanted["timeout"] = args.task_timeout
    return wanted


def run_job(context: Context, job: str, wanted: dict[str, Any], *, is_waiting: bool, is_async: bool) -> int:
    """Start an execution of ``job`` and wait for as much of it as was asked."""
    body = {"overrides": wanted} if wanted else {}
    # The key makes it safe to repeat the call when the reply was lost: it still starts one execution.
    operation = context.client.call("POST", f"/v2/{job}:run", body=body, idempotency_key=str(uuid.uuid4()))
    return await_execution(context, operation["metadata"], is_waiting=is_waiting, is_async=is_async)


def describe_job(args: argparse.Namespace, context: Context) -> int:
    """``jubako run jobs describe``."""
    job = context.client.get(f"/v2/{context.resource('jobs', args.name)}")
    context.show(with_krm(job), Text(_describe))
    return OK


def _describe(job: Job, terminal: Terminal) -> Iterator[str]:
    template = job.get("template", {})
    task = template.get("template", {})
    container = (task.get("containers") or [{}])[0]
    latest = job.get("latestCreatedExecution", {})
    yield terminal.paint(f"Job {basename(job['name'])}", "bold")
    yield f"  Executed {job.get('executionCount', 0)} times"
    if latest:
        status = latest.get("completionStatus", "").removeprefix("EXECUTION_").lower()
        yield f"  Last execution: {basename(latest['name'])} ({status or 'pending'})"
    yield f"  Last updated: {local_time(job, 'updateTime')} by {job.get('lastModifier', '')}".rstrip()
    for label, value in (
        ("Image", container.get("image", "")),
        ("Command", " ".join(container.get("command", []) + container.get("args", []))),
        ("Tasks", template.get("taskCount", 1)),
        ("Parallelism", template.get("parallelism", 0) or "as many as can be"),
        ("Max retries", task.get("maxRetries", 3)),
        ("Task timeout", task.get("timeout", "600s")),
        ("Service account", task.get("serviceAccount", "")),
        ("Working directory", container.get("workingDir", "")),
    ):
        if value != "":
            yield f"  {label}: {clean(str(value))}"
    yield from _describe_variables(container)


def _describe_variables(container: dict[str, Any]) -> Iterator[str]:
    variables = container.get("env", [])
    if variables:
        yield "  Environment:"
    for entry in variables:
        yield f"    {clean(entry['name'])}={clean(entry.get('value', '(from elsewhere)'))}"


def list_jobs(args: argparse.Namespace, context: Context) -> int:
    """``jubako run jobs list``."""
    jobs = map(with_krm, context.client.list(f"/v2/{context.parent}/jobs", "jobs"))
    columns = [
        parse_path("name.basename():label=JOB"),
        parse_path("template.taskCount:label=TASKS"),
        parse_path("executionCount:label=EXECUTIONS"),
        parse_path("latestCreatedExecution.name.basename():label='LAST EXECUTION'"),
        Path.computed("UPDATED", lambda job: local_time(job, "updateTime")),
    ]
    context.show_list(args, jobs, Columns(columns))
    return OK


def delete_job(args: argparse.Namespace, context: Context) -> int:
    """``jubako run jobs delete``."""
    name = context.resource("jobs", args.name)
    delete(context.client, name, "v2")
    context.note(f"Deleted job [{basename(name)}].")
    return OK
