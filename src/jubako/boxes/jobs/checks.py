"""What a job must look like to be accepted. Every rejection names the field and the limit; nothing is half-created.

1. A field is honoured, or stored and returned because it means nothing on one machine (service account, execution
   environment, VPC access, binary authorization), or refused by name. None is ignored. Limits of cpu and memory
   decide how many tasks live at once if the job does not say (``launch.slots_for``).
2. An ``image`` is stored as it is; what it means is found out when the job is run (wire/images.py). With an empty
   image, ``command`` and ``args`` are a local program.

Sources of limits: core/limits; for variables Cloud Run, "Configure environment variables"; for sizes execve(2).
"""

from datetime import timedelta

from jubako.boxes.jobs.launch import RESERVED_PREFIXES
from jubako.boxes.jobs.resources import ExecutionTemplate, Job, RunJobRequest, TaskTemplate
from jubako.core.errors import FailedPrecondition
from jubako.core.limits import (
    TASK_RETRIES_MAX,
    TASK_TIMEOUT_MAX,
    TASKS_PER_EXECUTION_MAX,
)
from jubako.core.timestamps import format_duration
from jubako.identity import secret_variables, volumes
from jubako.identity.accounts import email_of
from jubako.wire import run_checks
from jubako.wire.codec import invalid
from jubako.wire.quantities import check_limits, in_gib, memory_of
from jubako.wire.run_types import Container


def job(resource: Job) -> None:
    """Check a job that is to be stored.

    Raises:
        InvalidArgument: A field is wrong.
        Unimplemented: A field cannot be honoured.

    """
    run_checks.labels("job.labels", resource.labels)
    run_checks.labels("job.annotations", resource.annotations, are_annotations=True)
    # Node's client sends back an empty one with every job that it has read.
    for field in ("start_execution_token", "run_execution_token"):
        if getattr(resource, field):
            raise run_checks.cannot(f"job.{field}")
    if resource.template is None:
        raise invalid("job.template", "is missing.")
    execution_template(resource.template)


def execution_template(template: ExecutionTemplate) -> None:
    """Check the template of executions. Raises as ``job`` does."""
    run_checks.labels("job.template.labels", template.labels)
    run_checks.labels("job.template.annotations", template.annotations, are_annotations=True)
    tasks = task_count("job.template.task_count", template.task_count)
    if template.parallelism < 0:
        raise invalid("job.template.parallelism", f"{template.parallelism} is below 0.")
    if template.parallelism > tasks:
        raise invalid(
            "job.template.parallelism", f"{template.parallelism} is more than the task count, {tasks}."
        )
    if template.template is None:
        raise invalid("job.template.template", "is missing.")
    task_template(template.template)


def task_count(field: str, count: int) -> int:
    """Return the number of tasks: unset means 1. Raises InvalidArgument if it is out of range."""
    if not 0 <= count <= TASKS_PER_EXECUTION_MAX:
        raise invalid(field, f"{count} is not between 1 and {TASKS_PER_EXECUTION_MAX}.")
    return count or 1


def task_template(template: TaskTemplate) -> None:
    """Check the template of tasks. Raises as ``job`` does."""
    path = "job.template.template"
    retries = template.max_retries
    if retries is not None and not 0 <= retries <= TASK_RETRIES_MAX:
        raise invalid(f"{path}.max_retries", f"{retries} is not between 0 and {TASK_RETRIES_MAX}.")
    timeout(f"{path}.timeout", template.timeout)
    email_of(template.service_account, "p", f"{path}.service_account")
    for field in ("encryption_key", "node_selector", "gpu_zonal_redundancy_disabled"):
        if getattr(template, field):
            raise run_checks.cannot(f"{path}.{field}")
    if not template.containers:
        raise invalid(f"{path}.containers", "is empty: a job has one container.")
    if len(template.containers) > 1:
        raise run_checks.cannot(f"{path}.containers", "more than one container")
    container(f"{path}.containers[0]", template.containers[0])
    volumes.check(path, template.volumes, template.containers[0])


def timeout(field: str, value: timedelta | None) -> None:
    """Check a time-out of attempts; unset is fine. Raises InvalidArgument."""
    if value is not None and not timedelta(0) <= value <= TASK_TIMEOUT_MAX:
        limit = format_duration(TASK_TIMEOUT_MAX)
        raise invalid(field, f"{format_duration(value)} is not between 0s (the default) and {limit}.")


_CONTAINER_FIELDS_REFUSED = (
    "ports", "liveness_probe", "startup_probe", "readiness_probe", "depends_on", "base_image_uri",
    "source_code",
)  # fmt: skip


def container(path: str, resource: Container) -> None:
    """Check the one container of a job. Raises as ``job`` does."""
    run_checks.command(path, resource, _CONTAINER_FIELDS_REFUSED, _is_reserved, secret_variables.check)
    check_limits(f"{path}.resources.limits", resource.resources.limits if resource.resources else {})


def overrides(given: RunJobRequest.Overrides) -> None:
    """Check what an execution is to do differently. Raises as ``job`` does."""
    task_count("overrides.task_count", given.task_count)
    timeout("overrides.timeout", given.timeout)
    path = "overrides.container_overrides"
    if len(given.container_overrides) > 1:
        raise invalid(path, "has more entries than the job has containers, 1.")
    for override in given.container_overrides:
        run_checks.words(f"{path}[0].args", override.args)
        run_checks.variables(f"{path}[0].env", override.env, _is_reserved, secret_variables.check)
        if override.args and override.clear_args:
            raise invalid(f"{path}[0].clear_args", "is set together with args.")


def _is_reserved(name: str) -> bool:
    return name.startswith(RESERVED_PREFIXES)


def can_run(resource: Container, memory_bytes: int | None) -> None:
    """Check that the container can be run here, where tasks may ask for ``memory_bytes`` (None: nobody looks).

    Raises:
        FailedPrecondition: It needs more memory than there is.

    """
    asked = memory_of(resource)
    if asked is not None and memory_bytes is not None and asked > memory_bytes:
        raise FailedPrecondition(
            f"job.template.template.containers[0].resources.limits['memory']: asks for {in_gib(asked)}, and this "
            f"machine has {in_gib(memory_bytes)} for tasks."
        )
