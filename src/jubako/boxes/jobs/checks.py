"""What a job must look like to be accepted. Every rejection names the field and the limit; nothing is half-created.

1. A field is honoured, or stored and returned because it means nothing on one machine (service account, execution
   environment, VPC access, binary authorization), or refused by name. None is ignored. Limits of cpu and memory
   decide how many tasks live at once if the job does not say (``launch.slots_for``).
2. An ``image`` is stored; running it is refused until there is something that can run images. With an empty image,
   ``command`` and ``args`` are a local program.

Sources of limits: core/limits; for variables Cloud Run, "Configure environment variables"; for sizes execve(2).
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from jubako.boxes.jobs.launch import RESERVED_PREFIXES, quantity
from jubako.boxes.jobs.resources import ExecutionTemplate, Job, RunJobRequest, TaskTemplate
from jubako.core.errors import FailedPrecondition, InvalidArgument, Unimplemented
from jubako.core.limits import (
    ENV_VARS_PER_CONTAINER_MAX,
    TASK_RETRIES_MAX,
    TASK_TIMEOUT_MAX,
    TASKS_PER_EXECUTION_MAX,
)
from jubako.core.timestamps import format_duration
from jubako.wire.codec import invalid
from jubako.wire.run_types import Container, EnvVar

LABELS_MAX = 64
LABEL_LENGTH_MAX = 63
RESERVED_LABEL_DOMAINS = (
    "run.googleapis.com",
    "cloud.googleapis.com",
    "serving.knative.dev",
    "autoscaling.knative.dev",
)
"""Rejected in labels and annotations by the v2 API (comments of google/cloud/run/v2/job.proto)."""
WORD_BYTES_MAX = 131_071
"""One argument or variable: MAX_ARG_STRLEN of Linux less its NUL."""
COMMAND_BYTES_MAX = 1_000_000
"""All arguments and variables of a task together; the kernel takes about 2 MB, less what it adds itself."""
LIMITS_KNOWN = frozenset({"cpu", "memory"})


def job(resource: Job) -> None:
    """Check a job that is to be stored.

    Raises:
        InvalidArgument: A field is wrong.
        Unimplemented: A field cannot be honoured.

    """
    labels("job.labels", resource.labels)
    labels("job.annotations", resource.annotations, are_annotations=True)
    if resource.start_execution_token is not None:
        raise _cannot("job.start_execution_token")
    if resource.run_execution_token is not None:
        raise _cannot("job.run_execution_token")
    if resource.template is None:
        raise invalid("job.template", "is missing.")
    execution_template(resource.template)


def execution_template(template: ExecutionTemplate) -> None:
    """Check the template of executions. Raises as ``job`` does."""
    labels("job.template.labels", template.labels)
    labels("job.template.annotations", template.annotations, are_annotations=True)
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
    for field in ("volumes", "encryption_key", "node_selector", "gpu_zonal_redundancy_disabled"):
        if getattr(template, field):
            raise _cannot(f"{path}.{field}")
    if not template.containers:
        raise invalid(f"{path}.containers", "is empty: a job has one container.")
    if len(template.containers) > 1:
        raise _cannot(f"{path}.containers", "more than one container")
    container(f"{path}.containers[0]", template.containers[0])


def timeout(field: str, value: timedelta | None) -> None:
    """Check a time-out of attempts; unset is fine. Raises InvalidArgument."""
    if value is not None and not timedelta(0) <= value <= TASK_TIMEOUT_MAX:
        limit = format_duration(TASK_TIMEOUT_MAX)
        raise invalid(field, f"{format_duration(value)} is not between 0s (the default) and {limit}.")


_CONTAINER_FIELDS_REFUSED = (
    "ports", "volume_mounts", "liveness_probe", "startup_probe", "readiness_probe", "depends_on", "base_image_uri",
    "source_code",
)  # fmt: skip


def container(path: str, resource: Container) -> None:
    """Check the one container of a job. Raises as ``job`` does."""
    if not resource.image and not resource.command:
        raise invalid(f"{path}.command", "is empty, and so is image: there is nothing to run.")
    for field in _CONTAINER_FIELDS_REFUSED:
        if getattr(resource, field):
            raise _cannot(f"{path}.{field}")
    words(f"{path}.command", resource.command)
    words(f"{path}.args", resource.args)
    variables(f"{path}.env", resource.env)
    size = sum(_size(word) for word in (*resource.command, *resource.args))
    size += sum(_size(variable.name) + _size(variable.value or "") for variable in resource.env)
    if size > COMMAND_BYTES_MAX:
        raise invalid(
            path, f"command, args and env have {size} bytes together; at most {COMMAND_BYTES_MAX} fit."
        )
    if resource.working_dir and (not resource.working_dir.startswith("/") or "\0" in resource.working_dir):
        raise invalid(f"{path}.working_dir", f"{resource.working_dir!r} is not an absolute path.")
    _limits(f"{path}.resources.limits", resource.resources.limits if resource.resources else {})


def _limits(field: str, given: Mapping[str, str]) -> None:
    for name, value in given.items():
        if name not in LIMITS_KNOWN:
            raise _cannot(f"{field}[{name!r}]")
        try:
            quantity(value)
        except InvalidArgument:
            raise invalid(
                f"{field}[{name!r}]", f"{value[:100]!r} is not a quantity such as 500m, 2 or 512Mi."
            ) from None


def words(field: str, given: Sequence[str]) -> None:
    """Check command words. Raises InvalidArgument."""
    for position, word in enumerate(given):
        if "\0" in word:
            raise invalid(f"{field}[{position}]", "holds a NUL character.")
        if _size(word) > WORD_BYTES_MAX:
            raise invalid(f"{field}[{position}]", f"has {_size(word)} bytes; at most {WORD_BYTES_MAX} fit.")


def variables(field: str, given: Sequence[EnvVar]) -> None:
    """Check environment variables. Raises as ``job`` does."""
    if len(given) > ENV_VARS_PER_CONTAINER_MAX:
        raise invalid(field, f"has {len(given)} variables; at most {ENV_VARS_PER_CONTAINER_MAX} are allowed.")
    names: set[str] = set()
    for position, variable in enumerate(given):
        place = f"{field}[{position}]"
        _variable_name(f"{place}.name", variable.name)
        if variable.name in names:
            raise invalid(f"{place}.name", f"{variable.name!r} is given twice.")
        names.add(variable.name)
        if variable.value_source is not None:
            raise _cannot(f"{place}.value_source", "a variable from a secret")
        words(f"{place}.value", [variable.value or ""])


def _variable_name(field: str, name: str) -> None:
    if not name or "=" in name or "\0" in name or not name.isprintable():
        raise invalid(field, f"{name[:100]!r} cannot name a variable: it must not be empty or hold '='.")
    if _size(name) > WORD_BYTES_MAX:
        raise invalid(field, f"has {_size(name)} bytes; at most {WORD_BYTES_MAX} fit.")
    if name.startswith(RESERVED_PREFIXES):
        raise invalid(
            field, f"{name!r} is reserved: {' and '.join(RESERVED_PREFIXES)} are set by the platform."
        )


def labels(field: str, given: Mapping[str, str], *, are_annotations: bool = False) -> None:
    """Check labels or annotations. Raises InvalidArgument."""
    if not are_annotations and len(given) > LABELS_MAX:
        raise invalid(field, f"has {len(given)} entries; at most {LABELS_MAX} are allowed.")
    for key, value in given.items():
        if key.split("/")[0] in RESERVED_LABEL_DOMAINS:
            raise invalid(f"{field}[{key!r}]", "is in a namespace that is reserved.")
        if not key or (not are_annotations and max(len(key), len(value)) > LABEL_LENGTH_MAX):
            raise invalid(
                f"{field}[{key[:100]!r}]", f"key and value have 1 to {LABEL_LENGTH_MAX} characters."
            )


def overrides(given: RunJobRequest.Overrides) -> None:
    """Check what an execution is to do differently. Raises as ``job`` does."""
    task_count("overrides.task_count", given.task_count)
    timeout("overrides.timeout", given.timeout)
    path = "overrides.container_overrides"
    if len(given.container_overrides) > 1:
        raise invalid(path, "has more entries than the job has containers, 1.")
    for override in given.container_overrides:
        words(f"{path}[0].args", override.args)
        variables(f"{path}[0].env", override.env)
        if override.args and override.clear_args:
            raise invalid(f"{path}[0].clear_args", "is set together with args.")


def can_run(resource: Container) -> None:
    """Check that the container can be run here.

    Raises:
        FailedPrecondition: It needs an image.

    """
    if resource.image:
        raise FailedPrecondition(
            f"The job's container has the image {resource.image!r}, and this version of Jubako cannot run images: "
            "deploy it with an empty image and a command, which runs as a local process."
        )


def _size(text: str) -> int:
    # surrogatepass: text from JSON may hold lone surrogates; the size matters here, the refusal comes elsewhere.
    return len(text.encode("utf-8", "surrogatepass"))


def _cannot(field: str, what: str = "it") -> Unimplemented:
    return Unimplemented(f"{field}: this version of Jubako cannot honour {what} on a local process.")
