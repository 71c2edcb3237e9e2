"""``jubako run jobs|services replace FILE``: what ``gcloud run ... describe --format export`` writes."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jubako.cli.context import Context
from jubako.cli.errors import OK, ApiError, UsageError
from jubako.cli.formats import Nothing
from jubako.cli.parsing import Group
from jubako.cli.workflow_check import read_workflow

LOCATION = "cloud.googleapis.com/location"


@dataclass(frozen=True, slots=True)
class Kind:
    """A resource in the shape of Cloud Run v1."""

    name: str
    group: str
    """API group and version."""
    collection: str


JOB = Kind("Job", "run.googleapis.com/v1", "jobs")
SERVICE = Kind("Service", "serving.knative.dev/v1", "services")


def register(group: Group, kind: Kind) -> None:
    """Add the command below ``run jobs`` or ``run services``."""
    word = kind.name.lower()
    replace = group.command(
        "replace",
        lambda args, context: replace_from_file(args, context, kind),
        f"Create or replace a {word} from a YAML or JSON file.",
        example=f"jubako run {kind.collection} replace {word}.yaml",
    )
    replace.add_argument(
        "file", metavar="FILE", type=Path, help=f"a {kind.name} of {kind.group}; - for standard input"
    )


def replace_from_file(args: argparse.Namespace, context: Context, kind: Kind) -> int:
    """``jubako run ... replace``."""
    document = _document(read_workflow(args.file), str(args.file), kind)
    metadata = document["metadata"]
    path = f"/apis/{kind.group}/namespaces/{context.project}/{kind.collection}"
    metadata["labels"] = {LOCATION: context.location, **(metadata.get("labels") or {})}
    try:
        made, verb = context.client.call("PUT", f"{path}/{metadata['name']}", body=document), "replaced"
    except ApiError as error:
        if error.code != 404:
            raise
        made, verb = context.client.call("POST", path, body=document), "created"
    context.note(f"{kind.name} [{metadata['name']}] has been {verb}.")
    context.show(made, Nothing())
    return OK


def _document(text: str, file: str, kind: Kind) -> dict[str, Any]:
    import yaml  # noqa: PLC0415 - only this command needs it

    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"{file} is not YAML: {error}.") from None
    metadata = document.get("metadata") if isinstance(document, dict) else None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        raise UsageError(f"{file} is no {kind.name}: it has no metadata.name.")
    if document.get("kind") != kind.name:
        raise UsageError(f"{file} is no {kind.name}: its kind is {document.get('kind')!r}.")
    return dict(document)
