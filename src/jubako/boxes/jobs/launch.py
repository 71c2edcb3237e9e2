"""How an attempt of a task is started: its command line, environment, directory and output, as the runtime takes them.

Source: Cloud Run, "Container runtime contract", environment variables for jobs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from jubako.boxes.jobs import states
from jubako.boxes.jobs.resources import Execution
from jubako.boxes.jobs.rows import ExecutionRow
from jubako.boxes.jobs.task_rows import Attempt
from jubako.boxes.jobs.views import parsed
from jubako.core.errors import FailedPrecondition
from jubako.core.limits import STOP_GRACE, TASK_TIMEOUT_DEFAULT
from jubako.identity import secret_variables
from jubako.identity.environment import Environments, NoEnvironments, under
from jubako.identity.secrets import SecretRef, SecretStore
from jubako.identity.volumes import Volumes
from jubako.runtime.bundles import Bundles
from jubako.runtime.port import AttemptSpec
from jubako.wire import images
from jubako.wire.codec import invalid
from jubako.wire.quantities import cpus_of, memory_of
from jubako.wire.run_types import Container

WARM_START = "jubako.dev/warm-start"
"""Annotation of the execution template: the module to import once per execution, see docs/howto/warm-start.md."""
RESERVED_PREFIXES = ("CLOUD_RUN_", "X_GOOGLE_")
"""Variables that a job cannot set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSettings:
    """What the machine adds to every task."""

    slots: int
    """How many tasks of an execution live at once if it does not say, and they ask for no more than one CPU each."""
    memory_bytes: int | None = None
    """That tasks may ask for together; None = do not look at what they ask for."""
    output_root: str
    """Absolute directory; every attempt gets ``EXECUTION_UID/INDEX-ATTEMPT`` in it."""
    bundles: Bundles = field(default_factory=Bundles)
    """What images mean."""
    vault: SecretStore
    """Where variables get their values that come from secrets."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of every task (PATH, HOME, LANG); its identity's come over them, and the job's own win over both."""
    environments: Environments = field(default_factory=NoEnvironments)
    """Where tasks get the variables of their identity."""
    working_dir: str | None = None
    """Where tasks run whose job does not say."""
    mounts_missing: Callable[[], str] = str
    """Why no volumes can be mounted at present; "" = they can."""
    grace: timedelta = STOP_GRACE
    """Between SIGTERM and SIGKILL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What all attempts of one execution share."""

    uid: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    cwd: str | None
    timeout: timedelta
    parallelism: int
    settings: LaunchSettings
    memory_bytes: int | None = None
    cpus: float | None = None
    preload: str | None = None
    """See AttemptSpec."""
    secrets: Mapping[str, SecretRef] = field(default_factory=dict)
    """Where the variables get their values that come from secrets."""
    volumes: Volumes = field(default_factory=Volumes)
    """What is mounted."""

    def refs(self) -> set[SecretRef]:
        """Return the secret versions that an attempt needs."""
        return {*self.secrets.values(), *self.volumes.refs()}

    def spec(self, attempt: Attempt, values: Mapping[SecretRef, bytes]) -> AttemptSpec:
        """Return what to hand to the runtime for one attempt; ``values`` has all of ``refs``.

        Raises:
            FailedPrecondition: One of them cannot be a variable.

        """
        return AttemptSpec(
            id=attempt.id,
            group=self.uid,
            parallelism=self.parallelism,
            argv=self.argv,
            env={
                **self.environment,
                **{name: secret_variables.text_of(ref, values[ref]) for name, ref in self.secrets.items()},
                "CLOUD_RUN_TASK_INDEX": str(attempt.index),
                "CLOUD_RUN_TASK_ATTEMPT": str(attempt.number),
            },
            cwd=self.cwd,
            timeout=self.timeout,
            grace=self.settings.grace,
            output=f"{self.settings.output_root}/{output_directory(self.uid, attempt.index, attempt.number)}",
            memory_bytes=self.memory_bytes,
            cpus=self.cpus,
            preload=self.preload,
            mounts=self.volumes.mounts(values),
        )


def output_directory(execution_uid: str, index: int, attempt: int) -> str:
    """Return the directory that holds the output of one attempt, below ``output_root``."""
    return f"{execution_uid}/{index}-{attempt}"


def slots_for(container: Container, settings: LaunchSettings) -> int:
    """Return how many tasks of this container the machine has room for at once, by what they ask for; at least 1."""
    slots, cpus, asked = settings.slots, cpus_of(container), memory_of(container)
    if cpus is not None:
        slots = min(slots, int(settings.slots / max(cpus, 0.001)))
    if asked is not None and settings.memory_bytes is not None:
        slots = min(slots, settings.memory_bytes // max(asked, 1))
    return max(1, slots)


async def launch_of(execution: ExecutionRow, settings: LaunchSettings) -> Launch:
    """Return how to start attempts of ``execution``.

    Raises:
        InvalidArgument: Its document cannot be read (it was checked when it was made), or its bundle is gone.
        Unavailable: The environment of its service account cannot be had right now.

    """
    document = parsed(Execution, execution.document)
    template = document.template
    if template is None or not template.containers:
        raise invalid("template", "is missing.")
    container = template.containers[0]
    slots = slots_for(container, settings)
    own = {variable.name: variable.value or "" for variable in container.env}
    key = execution.key
    identity = await settings.environments.environment(key.project, key.location, template.service_account)
    try:
        program = images.program_of(container, settings.bundles, settings.environment.get("PATH", ""))
    except FailedPrecondition as error:
        raise invalid("template.containers[0].image", error.message) from None
    return Launch(
        uid=execution.uid,
        argv=program.argv,
        environment={
            **under({**settings.environment, **identity, **program.variables}, own),
            "CLOUD_RUN_JOB": execution.key.job,
            "CLOUD_RUN_EXECUTION": execution.key.execution,
            "CLOUD_RUN_TASK_COUNT": str(execution.task_count),
        },
        cwd=program.cwd or settings.working_dir,
        timeout=template.timeout or TASK_TIMEOUT_DEFAULT,
        parallelism=states.effective_parallelism(execution.parallelism, execution.task_count, slots),
        settings=settings,
        memory_bytes=memory_of(container),
        cpus=cpus_of(container),
        preload=document.annotations.get(WARM_START) or None,
        secrets=secret_variables.refs_of(container, execution.key.project),
        volumes=Volumes(template.volumes, container, execution.key.project),
    )
