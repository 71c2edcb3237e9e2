"""What a run needs on this machine, looked at before an execution is made: secrets, the command, its directory.

1. What is missing refuses the run by the field that names it, and nothing is made. What goes away later fails the task.
2. Places that only the job names are looked at in another thread: a network's file system may not answer.
3. What cannot be known beforehand (a PATH from a secret, what volumes hide) is left to the start of the tasks.
"""

import asyncio
import os

from jubako.boxes.jobs.launch import LaunchSettings
from jubako.boxes.jobs.resources import TaskTemplate
from jubako.core.errors import FailedPrecondition
from jubako.identity import secret_variables
from jubako.identity.volumes import Volumes
from jubako.runtime.supervisor import commands
from jubako.wire import images
from jubako.wire.run_types import Container

_CONTAINER = "job.template.template.containers[0]"


async def require(template: TaskTemplate, project: str, settings: LaunchSettings) -> None:
    """Return if tasks of ``template`` in ``project`` can be started here, as far as can be told.

    Raises:
        FailedPrecondition: Something that they need does not exist; the message names the field.

    """
    container = template.containers[0]
    refs = secret_variables.refs_of(container, project)
    volumes = Volumes(template.volumes, container, project)
    volumes.require(settings.mounts_missing())
    await secret_variables.require(settings.vault, {*refs.values(), *volumes.refs()})
    if "PATH" in refs:
        return
    if _is_near(container, settings):
        _require_program(container, settings)
    else:
        await asyncio.to_thread(_require_program, container, settings)


def _is_near(container: Container, settings: LaunchSettings) -> bool:
    """Return whether only directories have to be looked at in which this server's own programs are."""
    if container.image or container.working_dir or any(one.name == "PATH" for one in container.env):
        return False
    directory = os.path.dirname(container.command[0])  # noqa: PTH120 - hot
    return not directory or directory in settings.environment.get("PATH", "").split(":")


def _require_program(container: Container, settings: LaunchSettings) -> None:
    program = images.program_of(
        images.pinned(container, settings.bundles), settings.bundles, settings.environment.get("PATH", "")
    )
    own = {one.name: one.value or "" for one in container.env}
    path = {**settings.environment, **program.variables, **own}.get("PATH", commands.DEFAULT_PATH)
    directory = program.cwd or settings.working_dir or "."
    if _is_hidden(container, program.argv[0], path, directory):
        return
    try:
        commands.check_directory(directory)
    except OSError as error:
        raise _missing("working_dir", directory, error) from None
    try:
        commands.check(program.argv[0], path, directory)
    except OSError as error:
        raise _missing("command" if container.command else "image", program.argv[0], error) from None


def _is_hidden(container: Container, command: str, path: str, directory: str) -> bool:
    """Return whether a volume is, or may be, where the command or its directory is looked for."""
    mounts = [f"{one.mount_path.rstrip('/')}/" for one in container.volume_mounts]
    if not mounts:
        return False
    places = [os.path.dirname(command)] if "/" in command else path.split(":")  # noqa: PTH120 - strings
    places = [directory, *(os.path.join(directory, place) for place in places)]  # noqa: PTH118
    return any(f"{place}/".startswith(mount) for place in places for mount in mounts)


def _missing(field: str, what: str, error: OSError) -> FailedPrecondition:
    return FailedPrecondition(
        f"{_CONTAINER}.{field}: {what[:500]!r} cannot be used on this machine: {error.strerror}."
    )
