"""How an attempt of a task is started: its command line, environment, directory and output, as the runtime takes them.

Source: Cloud Run, "Container runtime contract", environment variables for jobs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from jubako.boxes.jobs import states
from jubako.boxes.jobs.resources import Execution
from jubako.boxes.jobs.rows import ExecutionRow
from jubako.boxes.jobs.task_rows import Attempt
from jubako.core.limits import STOP_GRACE, TASK_TIMEOUT_DEFAULT
from jubako.runtime.port import AttemptSpec
from jubako.wire import codec

RESERVED_PREFIXES = ("CLOUD_RUN_", "X_GOOGLE_")
"""Variables that a job cannot set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSettings:
    """What the machine adds to every task."""

    slots: int
    """How many tasks of an execution live at once if it does not say."""
    output_root: str
    """Absolute directory; every attempt gets ``EXECUTION_UID/INDEX-ATTEMPT`` in it."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of every task (PATH, HOME, LANG, addresses of the APIs); the job's own win over them."""
    working_dir: str | None = None
    """Where tasks run whose job does not say."""
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

    def spec(self, attempt: Attempt) -> AttemptSpec:
        """Return what to hand to the runtime for one attempt."""
        return AttemptSpec(
            id=attempt.id,
            group=self.uid,
            parallelism=self.parallelism,
            argv=self.argv,
            env={
                **self.environment,
                "CLOUD_RUN_TASK_INDEX": str(attempt.index),
                "CLOUD_RUN_TASK_ATTEMPT": str(attempt.number),
            },
            cwd=self.cwd,
            timeout=self.timeout,
            grace=self.settings.grace,
            output=output_directory(self.settings.output_root, self.uid, attempt.index, attempt.number),
        )


def output_directory(root: str, execution_uid: str, index: int, attempt: int) -> str:
    """Return the directory that holds the output of one attempt."""
    return f"{root}/{execution_uid}/{index}-{attempt}"


def launch_of(execution: ExecutionRow, settings: LaunchSettings) -> Launch:
    """Return how to start attempts of ``execution``, whose document was checked when it was made."""
    template = codec.decode(Execution, execution.document).template
    assert template is not None, execution.key
    container = template.containers[0]
    own = {variable.name: variable.value or "" for variable in container.env}
    return Launch(
        uid=execution.uid,
        argv=(*container.command, *container.args),
        environment={
            **settings.environment,
            **own,
            "CLOUD_RUN_JOB": execution.key.job,
            "CLOUD_RUN_EXECUTION": execution.key.execution,
            "CLOUD_RUN_TASK_COUNT": str(execution.task_count),
        },
        cwd=container.working_dir or settings.working_dir,
        timeout=template.timeout or TASK_TIMEOUT_DEFAULT,
        parallelism=states.effective_parallelism(execution.parallelism, execution.task_count, settings.slots),
        settings=settings,
    )
