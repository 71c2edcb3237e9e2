"""Services and revisions between Cloud Run's v1 documents and our v2 messages. Pure.

Annotations of v1 that are fields of v2 (scaling, ingress, client, execution environment) are moved. Traffic is always
shown, because gcloud takes a service without any for broken; anything but all of it to the newest revision is refused.
"""

from datetime import timedelta

from jubako.boxes.services.resources import (
    IngressTraffic,
    Revision,
    RevisionScaling,
    RevisionTemplate,
    Service,
    TrafficTarget,
    TrafficTargetAllocationType,
)
from jubako.wire import krm, krm_volumes
from jubako.wire import krm_containers as containers
from jubako.wire.codec import invalid
from jubako.wire.google_types import LaunchStage
from jubako.wire.krm import Reader, present
from jubako.wire.method import Document

VERSION = "serving.knative.dev/v1"
SERVICE_LABEL = "serving.knative.dev/service"
NONCE_LABEL = "client.knative.dev/nonce"
INGRESS = "run.googleapis.com/ingress"
LEAST, MOST = "autoscaling.knative.dev/minScale", "autoscaling.knative.dev/maxScale"
_LATEST = TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST
_REVISION = TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION
_INGRESS = {
    "all": IngressTraffic.INGRESS_TRAFFIC_ALL,
    "internal": IngressTraffic.INGRESS_TRAFFIC_INTERNAL_ONLY,
    "internal-and-cloud-load-balancing": IngressTraffic.INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER,
}
_WITHOUT_MEANING = (krm.CLIENT, krm.CLIENT_VERSION, containers.CPU_IDLE, containers.CPU_BOOST)
"""Of templates: who sent them, and how the processor is shared between requests."""


def read_service(document: Document) -> tuple[Service, krm.Metadata]:
    """Return the v2 service of a v1 document (its name is for the caller to fill in), and its metadata.

    Raises:
        InvalidArgument: A field is wrong or unknown; the message names it as the document does.

    """
    reader = Reader(document)
    krm.check_envelope(reader, (VERSION,), "Service")
    given = krm.read_metadata(reader.child("metadata"))
    spec = reader.child("spec")
    reader.done()
    left = dict(given.reserved)
    ingress = left.pop(INGRESS, "all")
    if ingress not in _INGRESS:
        raise invalid(f"metadata.annotations[{INGRESS!r}]", f"is not one of {', '.join(_INGRESS)}.")
    stage = left.pop(krm.STAGE, "")
    service = Service(
        labels=dict(given.labels),
        annotations=dict(given.annotations),
        client=left.pop(krm.CLIENT, ""),
        client_version=left.pop(krm.CLIENT_VERSION, ""),
        ingress=_INGRESS[ingress],
        launch_stage=LaunchStage.__members__.get(stage, LaunchStage.LAUNCH_STAGE_UNSPECIFIED),
        template=_read_template(spec.child("template")),
        traffic=[_read_target(target) for target in spec.children("traffic")],
        etag=given.etag,
    )
    for key in (MOST, LEAST):
        left.pop(key, "")
    krm.refuse_reserved("metadata", left)
    spec.done()
    return service, given


def service(resource: Service) -> Document:
    """Return the v1 document of a service."""
    template = resource.template
    assert template is not None, resource.name
    ingress = {number: word for word, number in _INGRESS.items()}.get(resource.ingress, "")
    annotations = {
        krm.CREATOR: resource.creator,
        krm.MODIFIER: resource.last_modifier,
        "serving.knative.dev/creator": resource.creator,
        "serving.knative.dev/lastModifier": resource.last_modifier,
        krm.CLIENT: resource.client,
        krm.CLIENT_VERSION: resource.client_version,
        INGRESS: ingress,
    }
    conditions = [resource.terminal_condition, *resource.conditions]
    ready, created = (
        name.rsplit("/", 1)[-1] for name in (resource.latest_ready_revision, resource.latest_created_revision)
    )
    return {
        "apiVersion": VERSION,
        "kind": "Service",
        "metadata": krm.metadata(resource, {}, annotations),
        "spec": {"template": _template(template), "traffic": [_target(one) for one in resource.traffic]},
        "status": {
            "observedGeneration": resource.observed_generation,
            "conditions": [krm.condition(one) for one in conditions if one is not None],
            "url": resource.uri,
            "address": {"url": resource.uri},
            "latestReadyRevisionName": ready,
            "latestCreatedRevisionName": created,
            "traffic": [{**_target(one), "revisionName": ready} for one in resource.traffic],
        },
    }


def revision(resource: Revision) -> Document:
    """Return the v1 document of a revision."""
    labels = {SERVICE_LABEL: resource.service}
    return {
        "apiVersion": VERSION,
        "kind": "Revision",
        "metadata": krm.metadata(resource, labels, containers.template_annotations(resource)),
        "spec": {
            "containers": [containers.container(one) for one in resource.containers],
            **present(
                {
                    "containerConcurrency": resource.max_instance_request_concurrency,
                    "serviceAccountName": resource.service_account,
                    "timeoutSeconds": _seconds(resource.timeout),
                    "volumes": krm_volumes.volumes(resource.volumes),
                }
            ),
        },
        "status": {
            "observedGeneration": resource.observed_generation,
            "conditions": [krm.condition(one) for one in resource.conditions],
            **present({"logUrl": resource.log_uri}),
        },
    }


def _read_template(reader: Reader) -> RevisionTemplate:
    given = krm.read_metadata(reader.child("metadata"))
    spec = reader.child("spec")
    reader.done()
    left = {key: text for key, text in given.reserved.items() if key not in _WITHOUT_MEANING}
    path = "spec.template.metadata"
    least, most = (_count(left.pop(key, ""), f"{path}.annotations[{key!r}]") for key in (LEAST, MOST))
    seconds = spec.integer("timeoutSeconds")
    template = RevisionTemplate(
        revision=given.name,
        labels=dict(given.labels),
        annotations=dict(given.annotations),
        scaling=RevisionScaling(min_instance_count=least, max_instance_count=most) if least or most else None,
        volumes=krm_volumes.read_volumes(spec),
        containers=[containers.read_container(one) for one in spec.children("containers")],
        timeout=None if seconds is None else timedelta(seconds=seconds),
        service_account=spec.text("serviceAccountName"),
        max_instance_request_concurrency=spec.integer("containerConcurrency") or 0,
        execution_environment=containers.read_environment(given, left, path),
        vpc_access=containers.read_vpc(left, path),
        node_selector=containers.read_node_selector(spec.child("nodeSelector")),
    )
    krm.refuse_reserved(path, left)
    spec.done()
    return template


def _template(template: RevisionTemplate) -> Document:
    scaling = template.scaling or RevisionScaling()
    annotations = {
        **template.annotations,
        **containers.template_annotations(template),
        **present({LEAST: _text(scaling.min_instance_count), MOST: _text(scaling.max_instance_count)}),
    }
    return {
        "metadata": present(
            {"name": template.revision, "labels": template.labels, "annotations": annotations}
        ),
        "spec": {
            "containers": [containers.container(one) for one in template.containers],
            **present(
                {
                    "containerConcurrency": template.max_instance_request_concurrency,
                    "serviceAccountName": template.service_account,
                    "timeoutSeconds": _seconds(template.timeout),
                    "volumes": krm_volumes.volumes(template.volumes),
                }
            ),
        },
    }


def _read_target(reader: Reader) -> TrafficTarget:
    name, is_latest = reader.text("revisionName"), reader.boolean("latestRevision")
    target = TrafficTarget(
        type=_LATEST if is_latest or not name else _REVISION,
        revision="" if is_latest else name,
        percent=reader.integer("percent") or 0,
        tag=reader.text("tag"),
    )
    reader.skip("url")
    reader.done()
    return target


def _target(given: TrafficTarget) -> Document:
    named = {"latestRevision": True} if given.type is _LATEST else {"revisionName": given.revision}
    return {**named, "percent": given.percent, **present({"tag": given.tag})}


def _count(text: str, where: str) -> int:
    if text and not (text.isascii() and text.isdecimal() and len(text) < 6):
        raise invalid(where, "is not a number of instances.")
    return int(text or 0)


def _text(count: int) -> str:
    return str(count) if count else ""


def _seconds(timeout: timedelta | None) -> int | None:
    return None if timeout is None else int(timeout.total_seconds())
