"""What a service must look like to be accepted. Every rejection names the field and the limit; nothing is half-created.

1. A field is honoured, or stored and returned because it means nothing on one machine (service account, execution
   environment, VPC access, ingress) or until there is more than one instance (scaling,
   concurrency, session affinity), or refused by name. None is ignored.
2. An ``image`` is pinned to the bundle that it names, or starting it is refused (wire/images.py). With an empty image,
   ``command`` and ``args`` are a local program.

Sources of limits: core/limits; comments of google/cloud/run/v2/{service,revision_template,k8s.min}.proto; for
variables Cloud Run, "Configure environment variables"; for sizes execve(2).
"""

from collections.abc import Sequence
from datetime import timedelta

from jubako.boxes.services.launch import RESERVED_VARIABLES
from jubako.boxes.services.resources import (
    RevisionTemplate,
    Service,
    TrafficTarget,
    TrafficTargetAllocationType,
)
from jubako.core.limits import REQUEST_TIMEOUT_MAX
from jubako.core.names import dns_label
from jubako.core.timestamps import format_duration
from jubako.identity import secret_variables, volumes
from jubako.identity.accounts import email_of
from jubako.wire import run_checks
from jubako.wire.codec import invalid
from jubako.wire.quantities import check_limits
from jubako.wire.run_types import Container, ContainerPort, Probe

CONCURRENCY_MAX = 1_000
REVISION_NAME_LENGTH_MAX = 63
_SERVICE_FIELDS_REFUSED = (
    "default_uri_disabled",
    "iap_enabled",
    "multi_region_settings",
    "threat_detection_enabled",
)
_TEMPLATE_FIELDS_REFUSED = (
    "encryption_key", "service_mesh", "health_check_disabled", "node_selector",
    "gpu_zonal_redundancy_disabled",
)  # fmt: skip
_CONTAINER_FIELDS_REFUSED = (
    "liveness_probe", "readiness_probe", "depends_on", "base_image_uri", "source_code",
)  # fmt: skip


def service(name: str, resource: Service) -> None:
    """Check a service that is to be stored under the short ``name``.

    Raises:
        InvalidArgument: A field is wrong.
        Unimplemented: A field cannot be honoured.

    """
    run_checks.labels("service.labels", resource.labels)
    run_checks.labels("service.annotations", resource.annotations, are_annotations=True)
    for field in _SERVICE_FIELDS_REFUSED:
        if getattr(resource, field):
            raise run_checks.cannot(f"service.{field}")
    scaling = resource.scaling
    if scaling is not None and (scaling.manual_instance_count is not None):
        raise run_checks.cannot("service.scaling.manual_instance_count")
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
        raise run_checks.cannot("service.traffic", "anything but 100 percent to the latest revision")


def template(name: str, resource: RevisionTemplate) -> None:
    """Check the template of revisions of the service ``name``. Raises as ``service`` does."""
    path = "service.template"
    run_checks.labels(f"{path}.labels", resource.labels)
    run_checks.labels(f"{path}.annotations", resource.annotations, are_annotations=True)
    _revision_name(f"{path}.revision", name, resource.revision)
    timeout(f"{path}.timeout", resource.timeout)
    email_of(resource.service_account, "p", f"{path}.service_account")
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
            raise run_checks.cannot(f"{path}.{field}")
    if not resource.containers:
        raise invalid(f"{path}.containers", "is empty: a service has one container.")
    if len(resource.containers) > 1:
        raise run_checks.cannot(f"{path}.containers", "more than one container")
    container(f"{path}.containers[0]", resource.containers[0])
    volumes.check(path, resource.volumes, resource.containers[0])


def timeout(field: str, value: timedelta | None) -> None:
    """Check a request time-out; unset is fine. Raises InvalidArgument."""
    if value is not None and not timedelta(0) <= value <= REQUEST_TIMEOUT_MAX:
        limit = format_duration(REQUEST_TIMEOUT_MAX)
        raise invalid(field, f"{format_duration(value)} is not between 0s (the default) and {limit}.")


def container(path: str, resource: Container) -> None:
    """Check the one container of a service. Raises as ``service`` does."""
    run_checks.command(path, resource, _CONTAINER_FIELDS_REFUSED, _is_reserved, secret_variables.check)
    _ports(f"{path}.ports", resource.ports)
    _startup_probe(f"{path}.startup_probe", resource.startup_probe)
    check_limits(f"{path}.resources.limits", resource.resources.limits if resource.resources else {})


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
            raise run_checks.cannot(f"{field}[0].name", f"{port.name[:100]!r}")
        if not 0 <= port.container_port <= 65535:
            raise invalid(f"{field}[0].container_port", f"{port.container_port} is not between 1 and 65535.")


def _startup_probe(field: str, probe: Probe | None) -> None:
    """Check the start-up probe: TCP is what happens anyway."""
    if probe is None:
        return
    for kind in ("http_get", "grpc"):
        if getattr(probe, kind) is not None:
            raise run_checks.cannot(f"{field}.{kind}")


def _is_reserved(name: str) -> bool:
    return name in RESERVED_VARIABLES or name.startswith("X_GOOGLE_")
