"""The flags that describe a container, the same for jobs and services, and how they change one.

Only what was given changes; an empty value (``--command ""``) takes the setting away.
"""

import argparse
from pathlib import Path
from typing import Any

from jubako.cli.context import Context, basename
from jubako.cli.errors import UsageError
from jubako.cli.flags import EnvEdit, Merge, add_env_flags, pairs, words

LOCAL_IMAGE = "local"
Container = dict[str, Any]
"""A ``google.cloud.run.v2.Container`` as JSON."""


def add_container_flags(parser: argparse.ArgumentParser) -> None:
    """Add ``--image``, ``--command`` and the rest of the family."""
    family = parser.add_argument_group("what runs")
    family.add_argument(
        "--image",
        metavar="NAME",
        type=_image,
        help="a bundle that was built; without one, or with local, the command is a local program",
    )
    family.add_argument(
        "--source", metavar="DIR", type=Path, help="build this directory first, and run what comes out of it"
    )
    family.add_argument(
        "--command", dest="entry", metavar="WORD,...", type=words, help="program and its first words"
    )
    family.add_argument("--args", dest="arguments", metavar="WORD,...", type=words, help="the words after it")
    family.add_argument("--workdir", metavar="DIR", help="working directory")
    family.add_argument("--cpu", metavar="N", help="CPUs, such as 1 or 500m")
    family.add_argument("--memory", metavar="SIZE", help="memory, such as 512Mi")
    family.add_argument("--service-account", metavar="EMAIL", help="identity of the process")
    family.add_argument(
        "--labels", metavar="NAME=VALUE,...", type=pairs, action=Merge, help="labels to add or change"
    )
    family.add_argument("--clear-labels", action="store_true", help="take all labels away first")
    add_env_flags(parser)


def _image(name: str) -> str:
    """Return the image as v2 has it: empty for ``local``, the word that gcloud needs (wire/krm_containers)."""
    return "" if name == LOCAL_IMAGE else name


def edit_container(container: Container, args: argparse.Namespace) -> Container:
    """Return ``container`` with what the flags say. Raises UsageError on contradicting environment flags."""
    edited = dict(container)
    for field, value in (
        ("image", args.image),
        ("command", args.entry),
        ("args", args.arguments),
        ("workingDir", args.workdir),
    ):
        put(edited, field, value)
    env = EnvEdit.of(args)
    if env is not None:
        put(edited, "env", env.apply(container.get("env", [])))
    resources = dict(container.get("resources", {}))
    limits = dict(resources.get("limits", {}))
    put(limits, "cpu", args.cpu)
    put(limits, "memory", args.memory)
    if args.cpu is not None or args.memory is not None:
        put(resources, "limits", limits)
        put(edited, "resources", resources)
    return edited


def build_source(args: argparse.Namespace, context: Context) -> None:
    """Build what ``--source`` names, under the name of what is deployed, and have ``--image`` be that.

    Raises:
        UsageError: Both are given.

    """
    if args.source is None:
        return
    if args.image:
        raise UsageError("At most one of --source and --image can be given.")
    from jubako.cli.building.command import bundled  # noqa: PLC0415 - most deploys build nothing

    args.image = bundled(context, args.source, basename(args.name), args.entry)
    args.entry = []  # the bundle has it


def edit_labels(labels: dict[str, str], args: argparse.Namespace) -> dict[str, str]:
    """Return ``labels`` with what ``--labels`` and ``--clear-labels`` say."""
    kept = {} if args.clear_labels else labels
    return kept | (args.labels or {})


def put(place: dict[str, Any], field: str, value: object) -> None:
    """Set ``field`` if ``value`` was given; an empty value removes it."""
    if value is None:
        return
    if value:
        place[field] = value
    else:
        place.pop(field, None)
