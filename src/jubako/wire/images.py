"""What the image of a container means here: a bundle that was built on this machine (runtime/bundles.py)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from jubako.core import json_text
from jubako.core.errors import FailedPrecondition
from jubako.runtime.bundles import Bundles
from jubako.wire.run_types import Container


@dataclass(frozen=True, slots=True)
class Program:
    """How a container is started."""

    argv: tuple[str, ...]
    cwd: str | None
    """None: where the server says."""
    variables: Mapping[str, str]


def pinned(container: Container, bundles: Bundles) -> Container:
    """Return the container with its image pinned to the bundle that it names now.

    Raises:
        FailedPrecondition: It names none; the message says both ways out.

    """
    image = container.image
    found = bundles.pinned(image) if image else ""
    if found is None:
        raise FailedPrecondition(
            f"No bundle is called {image[:200]!r}, and this version of Jubako cannot run images of a registry, "
            "with Podman or Docker either: build the source with `jubako build -t NAME DIR` (or deploy with "
            "`--source DIR`), or deploy with `--image local --command PROGRAM` (in the API: an empty image "
            "and a command), which runs a program of this machine."
        )
    return msgspec.structs.replace(container, image=found)


def named_in(document: str) -> set[str]:
    """Return the images of all containers in a stored resource."""
    found: set[str] = set()
    waiting: list[Any] = [json_text.decode(document)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            found |= {one.get("image", "") for one in value.get("containers", ())}
            waiting += value.values()
    return found - {""}


def program_of(container: Container, bundles: Bundles, path: str) -> Program:
    """Return how a container is started; ``path`` is the PATH that it would have without its bundle.

    A command replaces the bundle's, as it does an image's entry point.

    Raises:
        FailedPrecondition: Its bundle is gone.

    """
    own = (*container.command, *container.args)
    if not container.image:
        return Program(own, container.working_dir or None, {})
    bundle = bundles.find(container.image)
    if bundle is None:
        raise FailedPrecondition(
            f"The bundle {container.image[:200]!r} is not there any more: build it again."
        )
    first: Sequence[str] = () if container.command else bundle.command
    return Program((*first, *own), container.working_dir or str(bundle.directory), bundle.variables(path))
