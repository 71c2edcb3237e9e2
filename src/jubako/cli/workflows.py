"""``jubako workflows deploy|run|execute|check|list|describe|delete`` and ``workflows executions ...``.

Source of the words: ``gcloud workflows`` of the Cloud SDK. One difference, on purpose: ``run`` exits 1 when the
execution failed (gcloud's exits 0).
"""

import argparse
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

from jubako.cli import workflow_executions
from jubako.cli.client import Client
from jubako.cli.context import Context, basename
from jubako.cli.errors import OK, ApiError, UsageError
from jubako.cli.flags import EnvEdit, Merge, add_env_flags, pairs
from jubako.cli.formats import Columns, Nothing, Text
from jubako.cli.parsing import Group
from jubako.cli.paths import Path, parse_path
from jubako.cli.resources import delete
from jubako.cli.terminal import Terminal, clean
from jubako.cli.times import local_time
from jubako.cli.workflow_check import check_files, refused, warnings_of
from jubako.cli.workflow_graph import graph_file
from jubako.cli.workflow_levels import add_level_flags, levels
from jubako.cli.workflow_timeline import show_timeline

Workflow = dict[str, Any]
"""A ``google.cloud.workflows.v1.Workflow`` as JSON."""


def register(top: Group, word: str, summary: str) -> None:
    """Add the commands below ``workflows``."""
    workflows = top.group(word, summary)
    deploy = workflows.command(
        "deploy",
        deploy_workflow,
        "Create a workflow, or a new revision of one.",
        example="jubako workflows deploy hello --source hello.yaml",
    )
    deploy.add_argument("name", metavar="WORKFLOW")
    deploy.add_argument("--source", metavar="FILE", type=FilePath, help="the workflow, in YAML or JSON")
    deploy.add_argument("--description", metavar="TEXT")
    deploy.add_argument("--service-account", metavar="EMAIL", help="identity of the executions")
    deploy.add_argument(
        "--labels", metavar="NAME=VALUE,...", type=pairs, action=Merge, help="exactly these labels"
    )
    add_env_flags(deploy)
    add_level_flags(deploy)
    workflow_executions.register(workflows)
    _register_offline(workflows)
    timeline = workflows.command(
        "timeline", show_timeline, "Show what the steps of an execution did and when, and its critical path."
    )
    timeline.add_argument("execution", metavar="EXECUTION")
    timeline.add_argument("--workflow", metavar="WORKFLOW", help="unless EXECUTION is a full name")
    timeline.add_argument("--svg", metavar="FILE", type=FilePath, help="also write it as a picture")
    workflows.listing("list", list_workflows, "List workflows.")
    for command_word, command, command_summary in (
        ("describe", describe_workflow, "Show a workflow and its source."),
        ("delete", delete_workflow, "Delete a workflow."),
    ):
        workflows.command(command_word, command, command_summary).add_argument("name", metavar="WORKFLOW")


def _register_offline(workflows: Group) -> None:
    """Add the commands that need no server."""
    check = workflows.command("check", check_files, "Check workflow files without a server.", connects=False)
    check.add_argument("files", metavar="FILE", type=FilePath, nargs="+", help="-: standard input")
    check.add_argument("--format", dest="check_format", choices=("text", "json"), default="text")
    check.add_argument(
        "--google",
        action="store_true",
        help="allow connectors of services that only Google answers (see `jubako up --google-credentials`)",
    )
    graph = workflows.command("graph", graph_file, "Draw the steps of a workflow file.", connects=False)
    graph.add_argument("file", metavar="FILE", type=FilePath)
    graph.add_argument("--format", dest="picture", choices=("mermaid", "svg"), default="mermaid")


def deploy_workflow(args: argparse.Namespace, context: Context) -> int:
    """``jubako workflows deploy``."""
    name = context.resource("workflows", args.name)
    client = context.client
    before = client.find(f"/v1/{name}")
    changes = edits(args, before or {})
    try:
        _send(client, name, changes, is_new=before is None)
    except ApiError as error:
        raise refused(error, args.source) from error
    workflow = client.get(f"/v1/{name}")
    if args.source is not None:
        for line in warnings_of(args.source, changes["sourceContents"]):
            context.note(line)
    context.note(f"Workflow [{basename(name)}] has been deployed, revision {workflow.get('revisionId', '')}.")
    context.show(workflow, Nothing())
    return OK


def _send(client: Client, name: str, changes: Workflow, *, is_new: bool) -> None:
    if is_new:
        if "sourceContents" not in changes:
            raise UsageError("A new workflow needs its source.", "Give --source FILE.")
        parent = name.rsplit("/", 2)[0]
        query = {"workflowId": basename(name)}
        operation = client.call("POST", f"/v1/{parent}/workflows", query=query, body=changes)
    else:
        query = {"updateMask": ",".join(changes)}
        operation = client.call("PATCH", f"/v1/{name}", query=query, body=changes)
    client.wait(operation, "v1")


def edits(args: argparse.Namespace, before: Workflow) -> Workflow:
    """Return the fields that the flags of ``deploy`` change, with their new values.

    Raises:
        UsageError: Nothing changes, the source cannot be read, or flags contradict one another.

    """
    changes: Workflow = {**levels(args)}
    if args.source is not None:
        changes["sourceContents"] = read_source(args.source)
    env = EnvEdit.of(args)
    if env is not None:
        entries = [{"name": name, "value": value} for name, value in before.get("userEnvVars", {}).items()]
        changes["userEnvVars"] = {entry["name"]: entry["value"] for entry in env.apply(entries)}
    if args.service_account is not None:
        account = args.service_account
        changes["serviceAccount"] = account if "/" in account else f"projects/-/serviceAccounts/{account}"
    for field, value in (("labels", args.labels), ("description", args.description)):
        if value is not None:
            changes[field] = value
    if not changes:
        raise UsageError("There is nothing to change.", "Give --source FILE, or another flag of `deploy`.")
    return changes


def read_source(path: FilePath) -> str:
    """Return the text of a workflow file; raise UsageError if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--source: {path} cannot be read: {error}.") from None


def list_workflows(args: argparse.Namespace, context: Context) -> int:
    """``jubako workflows list``."""
    workflows = context.client.list(f"/v1/{context.parent}/workflows", "workflows")
    columns = [
        parse_path("name.basename():label=WORKFLOW"),
        parse_path("state:label=STATE"),
        parse_path("revisionId:label=REVISION"),
        Path.computed("UPDATED", lambda workflow: local_time(workflow, "updateTime")),
    ]
    context.show_list(args, workflows, Columns(columns))
    return OK


def describe_workflow(args: argparse.Namespace, context: Context) -> int:
    """``jubako workflows describe``."""
    workflow = context.client.get(f"/v1/{context.resource('workflows', args.name)}")
    context.show(workflow, Text(_describe))
    return OK


def _describe(workflow: Workflow, terminal: Terminal) -> Iterator[str]:
    yield terminal.paint(f"Workflow {basename(workflow['name'])}", "bold")
    for label, value in (
        ("State", workflow.get("state", "")),
        ("Revision", workflow.get("revisionId", "")),
        ("Description", workflow.get("description", "")),
        ("Service account", basename(workflow.get("serviceAccount", ""))),
        ("Last updated", local_time(workflow, "updateTime")),
    ):
        if value:
            yield f"  {label}: {clean(value)}"
    for name, value in workflow.get("userEnvVars", {}).items():
        yield f"  {clean(name)}={clean(value)}"
    yield ""
    yield from (clean(line) for line in workflow.get("sourceContents", "").splitlines())


def delete_workflow(args: argparse.Namespace, context: Context) -> int:
    """``jubako workflows delete``."""
    name = context.resource("workflows", args.name)
    delete(context.client, name, "v1")
    context.note(f"Deleted workflow [{basename(name)}].")
    return OK
