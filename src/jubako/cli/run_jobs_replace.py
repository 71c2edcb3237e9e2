"""``jubako run jobs replace FILE``: a job as ``gcloud run jobs describe --format export`` writes it."""

import argparse
from pathlib import Path
from typing import Any

from jubako.cli.context import Context
from jubako.cli.errors import OK, ApiError, UsageError
from jubako.cli.formats import Nothing
from jubako.cli.parsing import Group
from jubako.cli.workflow_check import read_workflow

NAMESPACES = "/apis/run.googleapis.com/v1/namespaces"
LOCATION = "cloud.googleapis.com/location"


def register(jobs: Group) -> None:
    """Add the command."""
    replace = jobs.command(
        "replace",
        replace_job,
        "Create or replace a job from a YAML or JSON file.",
        example="jubako run jobs replace job.yaml",
    )
    replace.add_argument(
        "file", metavar="FILE", type=Path, help="a Job of run.googleapis.com/v1; - for standard input"
    )


def replace_job(args: argparse.Namespace, context: Context) -> int:
    """``jubako run jobs replace``."""
    document = _job(read_workflow(args.file), str(args.file))
    metadata = document["metadata"]
    path = f"{NAMESPACES}/{context.project}/jobs"
    metadata["labels"] = {LOCATION: context.location, **(metadata.get("labels") or {})}
    try:
        job, verb = context.client.call("PUT", f"{path}/{metadata['name']}", body=document), "replaced"
    except ApiError as error:
        if error.code != 404:
            raise
        job, verb = context.client.call("POST", path, body=document), "created"
    context.note(f"Job [{metadata['name']}] has been {verb}.")
    context.show(job, Nothing())
    return OK


def _job(text: str, file: str) -> dict[str, Any]:
    import yaml  # noqa: PLC0415 - only this command needs it

    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"{file} is not YAML: {error}.") from None
    metadata = document.get("metadata") if isinstance(document, dict) else None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        raise UsageError(f"{file} is no Job: it has no metadata.name.")
    if document.get("kind") != "Job":
        raise UsageError(f"{file} is no Job: its kind is {document.get('kind')!r}.")
    return dict(document)
