"""``jubako workflows run|execute`` and ``jubako workflows executions list|describe|wait|cancel``."""

import argparse
import json
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

from jubako.cli.context import Context, basename
from jubako.cli.errors import FAILED, INTERRUPTED, OK, UsageError
from jubako.cli.executions import FIRST_POLL_S, FOLLOW_PATIENCE_S, SLOWEST_POLL_S
from jubako.cli.flags import Merge, pairs
from jubako.cli.formats import Columns, Nothing, Text
from jubako.cli.parsing import Group
from jubako.cli.paths import Path, parse_path
from jubako.cli.terminal import Live, Terminal, clean, clip
from jubako.cli.times import clock, instant, local_time, span
from jubako.cli.workflow_levels import add_level_flags, levels
from jubako.cli.workflow_limits import near_limits
from jubako.cli.workflow_live import PlainProgress, tree
from jubako.cli.workflow_logs import add_logs, read_logs
from jubako.cli.workflow_names import execution_name

Execution = dict[str, Any]
"""A ``google.cloud.workflows.executions.v1.Execution`` as JSON."""
UNFINISHED = frozenset({"ACTIVE", "QUEUED", "STATE_UNSPECIFIED"})


def register(workflows: Group) -> None:
    """Add ``run``, ``execute`` and the commands below ``executions``."""
    for word, command, summary in (
        ("run", run_workflow, "Execute a workflow, wait, and print its result; exit 1 if it failed."),
        ("execute", execute_workflow, "Start an execution of a workflow and print its name."),
    ):
        parser = workflows.command(
            word, command, summary, example=f"jubako workflows {word} hello --data '{{}}'"
        )
        parser.add_argument("name", metavar="WORKFLOW")
        either = parser.add_mutually_exclusive_group()
        either.add_argument("--data", metavar="JSON", help="the workflow's argument")
        either.add_argument(
            "--data-file", metavar="FILE", type=FilePath, help="a file that holds it; -: standard input"
        )
        parser.add_argument("--labels", metavar="NAME=VALUE,...", type=pairs, action=Merge)
        add_level_flags(parser)
    executions = workflows.group("executions", "Look at executions of workflows, and end them.")
    listing = executions.listing("list", list_executions, "List the executions of a workflow, newest first.")
    listing.add_argument("workflow", metavar="WORKFLOW")
    for word, command, summary in (
        ("describe", describe_execution, "Show an execution."),
        ("wait", wait_for_execution, "Wait for an execution and print its result; exit 1 if it failed."),
        ("cancel", cancel_execution, "Cancel an execution."),
        ("logs", read_logs, "Print what an execution logged."),
    ):
        parser = executions.command(word, command, summary)
        parser.add_argument("execution", metavar="EXECUTION")
        parser.add_argument("--workflow", metavar="WORKFLOW", help="unless EXECUTION is a full name")
        if word == "logs":
            add_logs(parser)


def run_workflow(args: argparse.Namespace, context: Context) -> int:
    """``jubako workflows run``."""
    return _finish(context, _start(args, context)["name"])


def execute_workflow(args: argparse.Namespace, context: Context) -> int:
    """``jubako workflows execute``."""
    execution = _start(args, context)
    workflow = execution["name"].split("/")[-3]
    short = basename(execution["name"])
    context.note(f"Follow it with: jubako workflows executions wait {short} --workflow {workflow}")
    context.show(execution, Text(lambda document, _: iter([document["name"]])))
    return OK


def _start(args: argparse.Namespace, context: Context) -> Execution:
    body: Execution = {}
    argument = read_argument(args)
    if argument is not None:
        body["argument"] = argument
    if args.labels:
        body["labels"] = args.labels
    body |= levels(args)
    path = f"/v1/{context.resource('workflows', args.name)}/executions"
    # The key makes it safe to repeat the call when the reply was lost: it still starts one execution.
    return context.client.call("POST", path, body=body, idempotency_key=str(uuid.uuid4()))


def read_argument(args: argparse.Namespace) -> str | None:
    """Return the JSON text of ``--data`` or ``--data-file``, or None.

    Raises:
        UsageError: It cannot be read or is not JSON.

    """
    if args.data_file is None:
        text, source = args.data, "--data"
    else:
        text, source = _read(args.data_file), f"--data-file: {args.data_file}"
    if text is None:
        return None
    try:
        json.loads(text)
    except ValueError as error:
        raise UsageError(f"{source} is not JSON: {error}.", 'It looks like \'{"name": "value"}\'.') from None
    return str(text)


def _read(path: FilePath) -> str:
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--data-file: {path} cannot be read: {error}.") from None


def _finish(context: Context, name: str) -> int:
    try:
        execution = _follow(context, name)
    except KeyboardInterrupt:
        workflow, short = name.split("/")[-3], basename(name)
        context.err.print(f"\nInterrupted; execution [{short}] goes on.")
        context.err.print(f"Stop it with: jubako workflows executions cancel {short} --workflow {workflow}")
        return INTERRUPTED
    for sentence in near_limits(context.client, name):
        context.note(f"WARNING: {sentence}")
    if execution.get("state") == "SUCCEEDED":
        context.show(execution, Text(_result))
        return OK
    context.show(execution, Nothing())
    for line in failure(execution):
        context.err.print(line)
    return FAILED


def _follow(context: Context, name: str) -> Execution:
    client, live, plain = context.client, Live(context.err), PlainProgress(context.err)
    before, client.patience_s = client.patience_s, FOLLOW_PATIENCE_S
    delay = FIRST_POLL_S
    try:
        while True:
            execution = client.get(f"/v1/{name}")
            has_ended = execution.get("state") not in UNFINISHED
            if not context.is_quiet and not context.err.is_live:
                plain.show(execution)
            elif not context.is_quiet:
                live.draw(_progress(execution, context))
                if has_ended and execution["state"] != "SUCCEEDED":
                    live.leave()  # which step it was that failed, and what ran beside it
            if has_ended:
                return execution
            client.sleep(delay)
            delay = min(delay * 1.3, SLOWEST_POLL_S)
    finally:
        live.clear()
        client.patience_s = before


def _progress(execution: Execution, context: Context) -> list[str]:
    """Return where the execution stands: one line, and below it the tree of its steps as far as the screen goes."""
    room = max(context.err.rows - 3, 1)
    told = context.client.get(f"/jubako/v1/{execution['name']}:steps", query={"rows": str(room)})
    return [clip(_line(execution), context.err.columns - 1), *tree(told["steps"], context.err, room)]


def _line(execution: Mapping[str, Any]) -> str:
    one = dict(execution)
    taken = clock(span(instant(one, "startTime"), instant(one, "endTime")))
    # What matters comes first: a narrow terminal cuts the name, not the time.
    return clean(f"{execution.get('state', '').lower()}  {taken}  {basename(execution['name'])}")


def _result(execution: Execution, terminal: Terminal) -> Iterator[str]:
    del terminal
    text = execution.get("result", "null")
    try:
        value = json.loads(text)
    except ValueError:
        yield clean(text)
        return
    yield value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def failure(execution: Execution) -> Iterator[str]:
    """Yield what can be told about an execution that did not succeed."""
    yield f"ERROR: Execution [{basename(execution['name'])}] has {execution.get('state', '').lower()}."
    error = execution.get("error", {})
    payload, told = str(error.get("payload", "")), str(error.get("context", ""))
    for text in (told,) if payload in told else (payload, told):
        yield from (f"  {clean(line)}" for line in text.splitlines())


def list_executions(args: argparse.Namespace, context: Context) -> int:
    """``jubako workflows executions list``."""
    workflow = context.resource("workflows", args.workflow)
    executions = context.client.list(f"/v1/{workflow}/executions", "executions")
    columns = [
        parse_path("name.basename():label=EXECUTION"),
        parse_path("state:label=STATE"),
        Path.computed("STARTED", lambda one: local_time(one, "startTime")),
        Path.computed("TIME", lambda one: clock(span(instant(one, "startTime"), instant(one, "endTime")))),
        parse_path("workflowRevisionId:label=REVISION"),
    ]
    context.show_list(args, executions, Columns(columns))
    return OK


def describe_execution(args: argparse.Namespace, context: Context) -> int:
    """``jubako workflows executions describe``."""
    name = execution_name(args, context)
    execution = context.client.get(f"/v1/{name}")
    near = list(near_limits(context.client, name)) if context.format is None else []
    context.show(execution, Text(lambda document, out: _describe(document, out, near)))
    return OK


def _describe(execution: Execution, terminal: Terminal, near: Sequence[str]) -> Iterator[str]:
    yield terminal.paint(f"Execution {basename(execution['name'])}", "bold")
    taken = span(instant(execution, "startTime"), instant(execution, "endTime"))
    steps = execution.get("status", {}).get("currentSteps", [])
    for label, value in (
        ("State", execution.get("state", "")),
        ("Started", local_time(execution, "startTime")),
        ("Time", clock(taken)),
        ("Revision", execution.get("workflowRevisionId", "")),
        ("At", ", ".join(f"{step.get('routine', '')}/{step.get('step', '')}" for step in steps)),
        ("Argument", execution.get("argument", "")),
        ("Result", execution.get("result", "")),
        *(("Near a limit", sentence) for sentence in near),
    ):
        if value:
            yield f"  {label}: {clean(value)}"
    for label, value in execution.get("error", {}).items():
        if isinstance(value, str) and value:
            yield f"  Error {label}: {clean(value)}"


def wait_for_execution(args: argparse.Namespace, context: Context) -> int:
    """``jubako workflows executions wait``."""
    return _finish(context, execution_name(args, context))


def cancel_execution(args: argparse.Namespace, context: Context) -> int:
    """``jubako workflows executions cancel``."""
    name = execution_name(args, context)
    execution = context.client.call("POST", f"/v1/{name}:cancel", body={})
    context.note(f"Execution [{basename(name)}]: {execution.get('state', '').lower()}.")
    context.show(execution, Nothing())
    return OK
