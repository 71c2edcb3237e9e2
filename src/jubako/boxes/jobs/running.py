"""What an execution is made of: the job's template with the overrides of one call. Pure."""

from collections.abc import Sequence

import msgspec

from jubako.boxes.jobs import checks
from jubako.boxes.jobs.resources import Execution, Job, RunJobRequest, TaskTemplate
from jubako.wire.codec import invalid
from jubako.wire.run_types import Container, EnvVar

Overrides = RunJobRequest.Overrides


def execution_of(
    job: Job, overrides: Overrides | None, creator: str, memory_bytes: int | None = None
) -> Execution:
    """Return the document of a new execution of ``job``, whose defaults are filled in.

    ``memory_bytes`` is what a task can ask for here; None: anything.

    Raises:
        InvalidArgument: The overrides are wrong, by themselves or for this job.
        FailedPrecondition: The job cannot be run here.

    """
    template = job.template
    assert template is not None, job.name
    tasks, count = template.template, template.task_count
    assert tasks is not None, job.name
    checks.can_run(tasks.containers[0], memory_bytes)
    if overrides is not None:
        checks.overrides(overrides)
        tasks = _overridden(tasks, overrides)
        checks.task_template(tasks)
        count = overrides.task_count or count
    return Execution(
        labels=template.labels,
        annotations=template.annotations,
        launch_stage=job.launch_stage,
        creator=creator,
        # A smaller task count for this one call must not trip over the job's parallelism.
        parallelism=min(template.parallelism, count),
        task_count=count,
        template=tasks,
    )


def _overridden(template: TaskTemplate, overrides: Overrides) -> TaskTemplate:
    container = template.containers[0]
    for override in overrides.container_overrides:
        container = _overridden_container(container, override)
    return msgspec.structs.replace(
        template, containers=[container], timeout=overrides.timeout or template.timeout
    )


def _overridden_container(container: Container, override: Overrides.ContainerOverride) -> Container:
    if override.name and override.name != container.name:
        raise invalid(
            "overrides.container_overrides[0].name", f"{override.name!r} is not a container of the job."
        )
    args = [] if override.clear_args else override.args or container.args
    return msgspec.structs.replace(container, args=args, env=merged(container.env, override.env))


def merged(variables: Sequence[EnvVar], changes: Sequence[EnvVar]) -> list[EnvVar]:
    """Return ``variables`` with ``changes`` by name: in the place of what they replace, new ones behind."""
    by_name = {variable.name: variable for variable in variables}
    return list((by_name | {change.name: change for change in changes}).values())
