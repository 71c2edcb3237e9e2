"""What a service must look like to be accepted. Every rejection names the field and the limit; nothing is half-created.

1. A field is honoured, or stored and returned because it means nothing on one machine (service account, execution
   environment, VPC access, ingress, cpu and memory limits) or until there is more than one instance (scaling,
   concurrency, session affinity), or refused by name. None is ignored.
2. An ``image`` is stored; starting it is refused until there is something that can run images. With an empty image,
   ``command`` and ``args`` are a local program.

Sources of limits: core/limits; comments of google/cloud/run/v2/{service,revision_template,k8s.min}.proto; for
variables Cloud Run, "Configure environment variables"; for sizes execve(2).
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from jubako.boxes.services.launch import RESERVED_VARIABLES
from jubako.boxes.services.resources import (
    RevisionTemplate,
    Service,
    TrafficTarget,
    TrafficTargetAllocationType,
)
from jubako.core.errors import Unimplemented
from jubako.core.limits import ENV_VARS_PER_CONTAINER_MAX, REQUEST_TIMEOUT_MAX
from jubako.core.names import dns_label
from jubako.core.timestamps import format_duration
from jubako.wire.codec import invalid
from jubako.wire.run_types import Container, ContainerPort, EnvVar, Probe

LABELS_MAX = 64
LABEL_LENGTH_MAX = 63
RESERVED_LABEL_DOMAINS = (
    "run.googleapis.com",
    "cloud.googleapis.com",
    "serving.knative.dev",
    "autoscaling.knative.dev",
)
CONCURRENCY_MAX = 1_000
REVISION_NAME_LENGTH_MAX = 63
WORD_BYTES_MAX = 131_071
"""One argument or variable: MAX_ARG_STRLEN of Linux less its NUL."""
COMMAND_BYTES_MAX = 1_000_000
"""All arguments and variables together; the kernel takes about 2 MB, less what it adds itself."""
_SERVICE_FIELDS_REFUSED = (
    "default_uri_disabled",
    "iap_enabled",
    "multi_region_settings",
    "threat_detection_enabled",
)
_TEMPLATE_FIELDS_REFUSED = (
    "volumes", "encryption_key", "service_mesh", "health_check_disabled", "node_selector",
    "gpu_zonal_redundancy_disabled",
)  # fmt: skip
_CONTAINER_FIELDS_REFUSED = (
    "volume_mounts", "liveness_probe", "readiness_probe", "depends_on", "base_image_uri", "source_code",
)  # fmt: skip
_LIMITS_KNOWN = frozenset({"cpu", "memory"})


def service(name: str, resource: Service) -> None:
    """Check a service that is to be stored under the short ``name``.

    Raises:
        InvalidArgument: A field is wrong.
        Unimplemented: A field cannot be honoured.

    """
    labels("service.labels", resource.labels)
    labels("service.annotations", resource.annotations, are_annotations=True)
    for field in _SERVICE_FIELDS_REFUSED:
        if getattr(resource, field):
            raise _cannot(f"service.{field}")
    scaling = resource.scaling
    if scaling is not None and (scaling.manual_instance_count is not None):
        raise _cannot("service.scaling.manual_instance_count")
    if scaling is not None:
        _counts("service.scaling", scaling.min_instance_count, scaling.max_instance_count)
    traffic(resource.traffic)
    if resource.template is None:
        raise invalid("service.template", "is missing.")
    template(name, resource.template)


def traffic(targets: Sequence[TrafficTarget]) -> None:
    """Check where requests go: to the latest revision, all of them. Raises as ``service`` does."""
    if not targets:
        return
    if sum(target.percent for target in targets) != 100:
        raise invalid("service.traffic", "the percentages do not sum up to 100.")
    if (
        len(targets) > 1
        or targets[0].type is not TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST
        or targets[0].tag
    ):
        raise _cannot("service.traffic", "anything but 100 percent to the latest revision")


def template(name: str, resource: RevisionTemplate) -> None:
    """Check the template of revisions of the service ``name``. Raises as ``service`` does."""
    path = "service.template"
    labels(f"{path}.labels", resource.labels)
    labels(f"{path}.annotations", resource.annotations, are_annotations=True)
    _revision_name(f"{path}.revision", name, resource.revision)
    timeout(f"{path}.timeout", resource.timeout)
    concurrency = resource.max_instance_request_concurrency
    if not 0 <= concurrency <= CONCURRENCY_MAX:
        raise invalid(
            f"{path}.max_instance_request_concurrency",
            f"{concurrency} is not between 0 and {CONCURRENCY_MAX}.",
        )
    if resource.scaling is not None:
        _counts(f"{path}.scaling", resource.scaling.min_instance_count, resource.scaling.max_instance_count)
    for field in _TEMPLATE_FIELDS_REFUSED:
        if getattr(resource, field):
            raise _cannot(f"{path}.{field}")
    if not resource.containers:
        raise invalid(f"{path}.containers", "is empty: a service has one container.")
    if len(resource.containers) > 1:
        raise _cannot(f"{path}.containers", "more than one container")
    container(f"{path}.containers[0]", resource.containers[0])


def timeout(field: str, value: timedelta | None) -> None:
    """Check a request time-out; unset is fine. Raises InvalidArgument."""
    if value is not None and not timedelta(0) <= value <= REQUEST_TIMEOUT_MAX:
        limit = format_duration(REQUEST_TIMEOUT_MAX)
        raise invalid(field, f"{format_duration(value)} is not between 0s (the default) and {limit}.")


def container(path: str, resource: Container) -> None:
    """Check the one container of a service. Raises as ``service`` does."""
    if not resource.image and not resource.command:
        raise invalid(f"{path}.command", "is empty, and so is image: there is nothing to run.")
    for field in _CONTAINER_FIELDS_REFUSED:
        if getattr(resource, field):
            raise _cannot(f"{path}.{field}")
    _ports(f"{path}.ports", resource.ports)
    _startup_probe(f"{path}.startup_probe", resource.startup_probe)
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
    unknown = set(resource.resources.limits if resource.resources else ()) - _LIMITS_KNOWN
    if unknown:
        raise _cannot(f"{path}.resources.limits[{min(unknown)!r}]")


def words(field: str, given: Sequence[str]) -> None:
    """Check command words. Raises InvalidArgument."""
    for position, word in enumerate(given):
        if "\0" in word or not _is_text(word):
            raise invalid(f"{field}[{position}]", "holds a character that no command line can hold.")
        if _size(word) > WORD_BYTES_MAX:
            raise invalid(f"{field}[{position}]", f"has {_size(word)} bytes; at most {WORD_BYTES_MAX} fit.")


def variables(field: str, given: Sequence[EnvVar]) -> None:
    """Check environment variables. Raises as ``service`` does."""
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


def _revision_name(field: str, service_name: str, given: str) -> None:
    if not given:
        return
    dns_label(given, field, REVISION_NAME_LENGTH_MAX)
    if not given.startswith(f"{service_name}-"):
        raise invalid(field, f"{given!r} does not begin with {service_name + '-'!r}.")


def _counts(path: str, least: int, most: int) -> None:
    if least < 0:
        raise invalid(f"{path}.min_instance_count", f"{least} is below 0.")
    if most < 0 or 0 < most < least:
        raise invalid(f"{path}.max_instance_count", f"{most} is below {max(least, 0)}.")


def _ports(field: str, given: Sequence[ContainerPort]) -> None:
    """Check the port: it is stored, and the process is told its own by PORT."""
    if len(given) > 1:
        raise invalid(field, "has more than one entry; a container has one port.")
    for port in given:
        if port.name not in {"", "http1"}:
            raise _cannot(f"{field}[0].name", f"{port.name[:100]!r}")
        if not 0 <= port.container_port <= 65535:
            raise invalid(f"{field}[0].container_port", f"{port.container_port} is not between 1 and 65535.")


def _startup_probe(field: str, probe: Probe | None) -> None:
    """Check the start-up probe: TCP is what happens anyway."""
    if probe is None:
        return
    for kind in ("http_get", "grpc"):
        if getattr(probe, kind) is not None:
            raise _cannot(f"{field}.{kind}")


def _variable_name(field: str, name: str) -> None:
    if not name or "=" in name or "\0" in name or not name.isprintable():
        raise invalid(field, f"{name[:100]!r} cannot name a variable: it must not be empty or hold '='.")
    if _size(name) > WORD_BYTES_MAX:
        raise invalid(field, f"has {_size(name)} bytes; at most {WORD_BYTES_MAX} fit.")
    if name in RESERVED_VARIABLES or name.startswith("X_GOOGLE_"):
        raise invalid(field, f"{name!r} is reserved: it is set by the platform.")


def _is_text(word: str) -> bool:
    # JSON can carry lone surrogates, which no process can be given.
    return not any("\ud800" <= character <= "\udfff" for character in word)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _cannot(field: str, what: str = "it") -> Unimplemented:
    return Unimplemented(f"{field}: this version of Jubako cannot honour {what} on a local process.")
