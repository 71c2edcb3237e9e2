"""How an instance is started: its command line, environment, directory and output, as the runtime takes them.

Source: Cloud Run, "Container runtime contract", environment variables for services.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from jubako.boxes.services.instance_rows import Place, Resident
from jubako.boxes.services.resources import Revision
from jubako.boxes.services.rows import ServiceKey
from jubako.core.limits import STOP_GRACE
from jubako.identity import secret_variables
from jubako.identity.environment import Environments, NoEnvironments, under
from jubako.identity.secrets import SecretStore
from jubako.identity.volumes import Volumes
from jubako.runtime import loopback
from jubako.runtime.bundles import Bundles
from jubako.runtime.port import AttemptSpec
from jubako.wire import codec, images
from jubako.wire.quantities import cpus_of, memory_of
from jubako.wire.run_types import Container

RESERVED_VARIABLES = ("PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION")
"""Variables that a service cannot set."""
PARALLELISM = 1_000
"""Of a revision's group: how many instances live is decided here, not by the runtime."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSettings:
    """What the machine adds to every instance."""

    output_root: str
    """Absolute directory; every attempt gets ``SERVICE_UID/REVISION/INSTANCE-ATTEMPT`` in it."""
    bundles: Bundles = field(default_factory=Bundles)
    """What images mean."""
    vault: SecretStore
    """Where variables get their values that come from secrets."""
    memory_bytes: int | None = None
    """That an instance may ask for; None = do not look at what it asks for."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of every instance (PATH, HOME, LANG); its identity's come over them, and the service's own win."""
    environments: Environments = field(default_factory=NoEnvironments)
    """Where instances get the variables of their identity."""
    mounts_missing: Callable[[], str] = str
    """Why no volumes can be mounted at present; "" = they can."""
    working_dir: str | None = None
    """Where instances run whose service does not say."""
    grace: timedelta = STOP_GRACE
    """Between SIGTERM and SIGKILL."""
    free_port: Callable[[], int] = loopback.free_port
    """Where an instance is to listen."""


async def spec_of(
    resident: Resident, key: ServiceKey, document: str, settings: LaunchSettings
) -> AttemptSpec:
    """Return what to hand to the runtime for the attempt under way; ``document`` is its revision's.

    Raises:
        InvalidArgument: Its service account has no account's name (it was checked when it was made).
        FailedPrecondition: A secret that it names, or its bundle, does not exist any more.
        Unavailable: The environment of its service account cannot be had right now.

    """
    revision = codec.decode(Revision, document)
    container = revision.containers[0]
    identity = await settings.environments.environment(key.project, key.location, revision.service_account)
    place, attempt = resident.place, resident.instance.attempt
    secret = await secret_variables.values_of(settings.vault, container, key.project)
    volumes = Volumes(revision.volumes, container, key.project)
    mounts = volumes.mounts(await secret_variables.existing(settings.vault, volumes.refs()))
    program = images.program_of(container, settings.bundles, settings.environment.get("PATH", ""))
    return AttemptSpec(
        id=resident.attempt_id,
        group=f"{place.service_uid}/{place.revision}",
        parallelism=PARALLELISM,
        argv=program.argv,
        env={
            **under({**settings.environment, **identity, **program.variables}, {**_own(container), **secret}),
            "PORT": str(resident.instance.port),
            "K_SERVICE": revision.service,
            "K_REVISION": place.revision,
            "K_CONFIGURATION": revision.service,
        },
        cwd=program.cwd or settings.working_dir,
        timeout=None,
        grace=settings.grace,
        output=output_directory(settings.output_root, place, attempt),
        memory_bytes=memory_of(container),
        cpus=cpus_of(container),
        mounts=mounts,
    )


def output_directory(root: str, place: Place, attempt: int) -> str:
    """Return the directory that holds the output of one attempt."""
    return f"{root}/{place.service_uid}/{place.revision}/{place.number}-{attempt}"


def _own(container: Container) -> dict[str, str]:
    return {variable.name: variable.value or "" for variable in container.env}
