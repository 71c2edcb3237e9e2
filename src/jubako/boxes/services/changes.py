"""What a create or an update makes of a service: defaults, masks, and whether there is a new revision. Pure."""

from collections.abc import Sequence
from typing import Any

import msgspec

from jubako.boxes.services.resources import (
    Revision,
    RevisionTemplate,
    Service,
    TrafficTarget,
    TrafficTargetAllocationType,
)
from jubako.core.limits import REQUEST_TIMEOUT_DEFAULT
from jubako.wire import codec
from jubako.wire.codec import invalid
from jubako.wire.schema import Message
from jubako.wire.shape import Label, by_name

CONCURRENCY_DEFAULT = 80
SETTABLE = (
    "description", "labels", "annotations", "client", "client_version", "ingress", "launch_stage",
    "binary_authorization", "template", "traffic", "scaling", "invoker_iam_disabled", "default_uri_disabled",
    "custom_audiences", "iap_enabled", "multi_region_settings", "threat_detection_enabled", "build_config",
)  # fmt: skip
"""Fields of a service that a client may set; the others are ours, and what it sends in them is not looked at."""
_OF_TEMPLATE = tuple(sorted(set(RevisionTemplate.__struct_fields__) & set(Revision.__struct_fields__)))


def settable(given: Service) -> Service:
    """Return the part of a service that a client may set."""
    return Service(**{name: getattr(given, name) for name in SETTABLE})


def merge(current: Service, given: Service, mask: Sequence[str] | None) -> Service:
    """Return ``current`` with the fields that ``mask`` names as they are in ``given``; no mask means all of them.

    Raises:
        InvalidArgument: The mask names what cannot be changed.

    """
    if not mask or tuple(mask) == ("*",):
        return settable(given)
    merged = codec.decode(Service, codec.encode(current))
    for path in mask:
        names = path.split(".")
        if names[0] not in SETTABLE:
            raise invalid("update_mask", f"{path[:100]!r} is no field that can be updated.")
        _copy(merged, given, names, path)
    return merged


def with_defaults(service: Service) -> Service:
    """Return ``service`` with the values that Cloud Run puts where nothing is said."""
    template = service.template
    assert template is not None, service
    latest = TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST
    concurrency = template.max_instance_request_concurrency or CONCURRENCY_DEFAULT
    return msgspec.structs.replace(
        service,
        traffic=service.traffic or [TrafficTarget(type=latest, percent=100)],
        template=msgspec.structs.replace(
            template,
            timeout=template.timeout or REQUEST_TIMEOUT_DEFAULT,
            max_instance_request_concurrency=concurrency,
        ),
    )


def needs_revision(before: Service, after: Service, latest: str) -> bool:
    """Return whether ``after`` is a new revision of a service whose ``latest`` revision is like ``before``."""
    assert before.template is not None
    assert after.template is not None
    wanted = after.template.revision
    if wanted and wanted != latest:
        return True
    return _content(before.template) != _content(after.template)


def revision_of(service: str, template: RevisionTemplate) -> Revision:
    """Return the document of a revision of the service with this short name."""
    values = {name: getattr(template, name) for name in _OF_TEMPLATE}
    return Revision(**values, service=service)


def _content(template: RevisionTemplate) -> dict[str, Any]:
    return {name: value for name, value in codec.to_json(template).items() if name != "revision"}


def _copy(target: Message, source: Message | None, names: Sequence[str], path: str) -> None:
    """Copy one field, however deep, from ``source`` (None: all its fields are unset) to ``target``."""
    shape = by_name(type(target)).get(names[0])
    if shape is None:
        raise invalid("update_mask", f"{path[:100]!r} is no field that can be updated.")
    given = getattr(type(target)() if source is None else source, shape.name)
    if len(names) == 1:
        setattr(target, shape.name, given)
        return
    if shape.cls is None or shape.kind != "message" or shape.label is not Label.SINGULAR:
        raise invalid("update_mask", f"{path[:100]!r} reaches into a field that is updated as a whole.")
    if getattr(target, shape.name) is None:
        setattr(target, shape.name, shape.cls())
    _copy(getattr(target, shape.name), given, names[1:], path)
