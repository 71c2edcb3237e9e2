"""Rows as the API's resources. Pure: what has to be read besides the row is handed in."""

import hashlib
from datetime import datetime
from functools import partial

from jubako.boxes.services import addresses
from jubako.boxes.services.resources import Revision, Service, TrafficTargetStatus
from jubako.boxes.services.rows import RevisionRow, ServiceKey, ServiceRow
from jubako.core.names import REVISION
from jubako.core.timestamps import from_micros
from jubako.runtime.instances import Instance
from jubako.wire import codec
from jubako.wire.run_types import Condition


def etag(uid: str, generation: int, updated_us: int) -> str:
    """Return the etag of a resource in this state."""
    digest = hashlib.blake2b(f"{uid} {generation} {updated_us}".encode(), digest_size=9).hexdigest()
    return f'"{digest}"'


def service_etag(row: ServiceRow) -> str:
    """Return the etag of the service as it is now."""
    return etag(row.uid, row.generation, row.updated_us)


def revision_name(key: ServiceKey, revision: str) -> str:
    """Return the full name of a revision."""
    return REVISION.format(project=key.project, location=key.location, service=key.service, revision=revision)


def service(row: ServiceRow, instance: Instance, base_url: str) -> Service:
    """Return the service; ``instance`` is that of its latest revision, ``base_url`` where this server answers.

    A revision that is being tried while an older one serves is not ready yet; without an older one it counts as one
    that will start when it is asked for.
    """
    resource = codec.decode(Service, row.document)
    latest = revision_name(row.key, row.latest_revision)
    since = from_micros(row.updated_us)
    resource.name = str(row.key)
    resource.uid = row.uid
    resource.generation = resource.observed_generation = row.generation
    resource.create_time = from_micros(row.created_us)
    resource.update_time = since
    resource.latest_created_revision = latest
    resource.latest_ready_revision = revision_name(row.key, row.serving_revision or row.latest_revision)
    resource.uri = addresses.uri_of(row.host)
    resource.urls = [resource.uri, base_url + addresses.path_of(row.key)]
    resource.traffic_statuses = [
        TrafficTargetStatus(
            type=target.type, revision=target.revision, percent=target.percent, tag=target.tag
        )
        for target in resource.traffic
    ]
    is_tried = row.serving_revision not in {"", row.latest_revision}
    ready = partial(_being_tried if is_tried else _ready, instance=instance, since=since)
    resource.terminal_condition = ready("Ready")
    resource.reconciling = resource.terminal_condition.state is Condition.State.CONDITION_RECONCILING
    resource.conditions = [_succeeded("RoutesReady", since), ready("ConfigurationsReady")]
    resource.etag = service_etag(row)
    return resource


def revision(key: ServiceKey, row: RevisionRow, instance: Instance) -> Revision:
    """Return a revision of the service ``key``; ``instance`` is its own."""
    resource = codec.decode(Revision, row.document)
    since = from_micros(row.created_us)
    resource.name = revision_name(key, row.revision)
    resource.uid = row.uid
    resource.generation = resource.observed_generation = 1
    resource.create_time = resource.update_time = since
    resource.conditions = [_ready("Ready", instance, since), _ready("ContainerHealthy", instance, since)]
    resource.etag = etag(row.uid, 1, row.created_us)
    return resource


def _being_tried(kind: str, instance: Instance, since: datetime) -> Condition:
    """Return whether a new revision has taken over from the one that serves: not yet, or it has failed."""
    condition = _ready(kind, instance, since)
    if condition.state is Condition.State.CONDITION_SUCCEEDED:
        condition.state, condition.message = Condition.State.CONDITION_RECONCILING, "Deploying the revision."
    else:
        condition.message += " The revision before goes on serving."
    return condition


def _ready(kind: str, instance: Instance, since: datetime) -> Condition:
    """Return whether requests can be served: an instance that was never asked for counts as one that will start."""
    if instance.failures == 0 or not instance.problem:
        return _succeeded(kind, since)
    return Condition(
        type=kind,
        state=Condition.State.CONDITION_FAILED,
        message=f"The instance {instance.problem}; {instance.failures} failed in a row.",
        last_transition_time=since,
        severity=Condition.Severity.ERROR,
        revision_reason=Condition.RevisionReason.HEALTH_CHECK_CONTAINER_ERROR,
    )


def _succeeded(kind: str, since: datetime) -> Condition:
    return Condition(type=kind, state=Condition.State.CONDITION_SUCCEEDED, last_transition_time=since)
