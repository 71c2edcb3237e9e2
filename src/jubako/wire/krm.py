"""The Kubernetes resource model, as Cloud Run's v1 API speaks it: metadata, conditions, lists, selectors.

1. Documents are translated to and from the v2 messages; nothing else is stored. ``Reader`` refuses what it is not asked
   for, so that no field is ignored.
2. ``metadata.namespace`` is the project id in every reply; a project number is taken wherever an id is.
3. ``metadata.resourceVersion`` is the v2 etag without its quotes. A PUT that sends an old one gets 409.
4. The annotation ``run.googleapis.com/operation-id`` is never sent: with it gcloud polls operations.

Sources: Cloud Run Admin API v1 reference; Kubernetes API conventions; what gcloud 528 sends and reads.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jubako.core.limits import PAGE_SIZE_DEFAULT
from jubako.core.timestamps import format_timestamp
from jubako.wire.codec import invalid
from jubako.wire.method import Document, DocumentRequest
from jubako.wire.run_types import Condition

LOCATION_LABEL = "cloud.googleapis.com/location"
UPDATED_LABEL = "run.googleapis.com/lastUpdatedTime"
CLIENT = "run.googleapis.com/client-name"
CLIENT_VERSION = "run.googleapis.com/client-version"
CREATOR = "run.googleapis.com/creator"
MODIFIER = "run.googleapis.com/lastModifier"
STAGE = "run.googleapis.com/launch-stage"
RESERVED = ("run.googleapis.com", "cloud.googleapis.com", "serving.knative.dev", "autoscaling.knative.dev")
OURS = frozenset(
    {
        CREATOR,
        MODIFIER,
        "serving.knative.dev/creator",
        "serving.knative.dev/lastModifier",
        "run.googleapis.com/operation-id",
        "run.googleapis.com/urls",
        "run.googleapis.com/ingress-status",
    }
)
"""Annotations that only the server writes; clients send them back, and they are not looked at."""
_INTEGER = re.compile(r"-?\d{1,18}\Z", re.ASCII)
_REQUIREMENT = re.compile(r"\s*([^\s=!,]+)\s*(==|=|!=)\s*([^\s=!,]*)\s*\Z")
_STATUS = {
    Condition.State.CONDITION_SUCCEEDED: "True",
    Condition.State.CONDITION_FAILED: "False",
}


class Reader:
    """One object of a document, read field by field; ``done`` refuses what nobody asked for."""

    def __init__(self, value: object, path: str = "") -> None:
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise invalid(path, "is not an object.")
        self._left = dict(value)
        self.path = path

    def where(self, key: str) -> str:
        """Return the path of a field."""
        return f"{self.path}.{key}" if self.path else key

    def text(self, key: str) -> str:
        """Take a string; "" if it is missing."""
        return str(self._take(key, str, "a string") or "")

    def integer(self, key: str) -> int | None:
        """Take an integer of 32 bits, which may be written as a string; None if it is missing."""
        value = self._left.pop(key, None)
        if value is None:
            return None
        if isinstance(value, str) and _INTEGER.match(value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise invalid(self.where(key), "is not an integer.")
        if not -(2**31) <= value < 2**31:
            raise invalid(self.where(key), "does not fit into 32 bits.")
        return value

    def boolean(self, key: str) -> bool:
        """Take true or false; false if it is missing."""
        return bool(self._take(key, bool, "true or false"))

    def child(self, key: str) -> "Reader":
        """Take an object; an empty one if it is missing."""
        return Reader(self._left.pop(key, None), self.where(key))

    def children(self, key: str) -> "list[Reader]":
        """Take a list of objects."""
        values = self._take(key, list, "a list") or []
        return [Reader(value, f"{self.where(key)}[{at}]") for at, value in enumerate(values)]

    def words(self, key: str) -> list[str]:
        """Take a list of strings."""
        values = self._take(key, list, "a list") or []
        if not all(isinstance(value, str) for value in values):
            raise invalid(self.where(key), "is not a list of strings.")
        return values

    def mapping(self, key: str) -> dict[str, str]:
        """Take a map of strings."""
        values = self._take(key, dict, "an object") or {}
        if not all(isinstance(value, str) for value in values.values()):
            raise invalid(self.where(key), "has a value that is not a string.")
        return dict(values)

    def has(self, key: str) -> bool:
        """Return whether there is a field and it says something."""
        return self._left.get(key) not in (None, "", [], {})

    def skip(self, *keys: str) -> None:
        """Pass over fields that say nothing here: what only the server writes."""
        for key in keys:
            self._left.pop(key, None)

    def done(self) -> None:
        """Refuse what is left.

        Raises:
            InvalidArgument: Names the first field that is not known here.

        """
        for key, value in self._left.items():
            if value not in (None, "", [], {}, False, 0):
                raise invalid(self.where(str(key)[:100]), "is not supported here.")

    def _take(self, key: str, kind: type, what: str) -> Any:  # noqa: ANN401 - one of ``kind``
        value = self._left.pop(key, None)
        if value is not None and not isinstance(value, kind):
            raise invalid(self.where(key), f"is not {what}.")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What a document's ``metadata`` says."""

    name: str
    location: str
    """Of the label; "" if there is none."""
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    """Those of the user; the others have been taken by ``take``."""
    reserved: Mapping[str, str]
    """Annotations in Google's namespaces that the server does not write itself."""
    etag: str
    """As v2 has it; "" if there is no resourceVersion."""


def read_metadata(reader: Reader) -> Metadata:
    """Read ``metadata`` of a resource or a template."""
    labels = reader.mapping("labels")
    annotations = reader.mapping("annotations")
    version = reader.text("resourceVersion")
    given = Metadata(
        name=reader.text("name"),
        location=labels.get(LOCATION_LABEL, ""),
        labels={key: value for key, value in labels.items() if not is_reserved(key)},
        annotations={key: value for key, value in annotations.items() if not is_reserved(key)},
        reserved={key: value for key, value in annotations.items() if is_reserved(key) and key not in OURS},
        etag=f'"{version}"' if version else "",
    )
    reader.skip(
        "namespace", "uid", "generation", "creationTimestamp", "selfLink", "ownerReferences", "finalizers"
    )
    reader.skip("deletionTimestamp", "deletionGracePeriodSeconds", "clusterName", "generateName")
    reader.done()
    return given


def is_reserved(key: str) -> bool:
    """Return whether a label or annotation is in one of Google's namespaces."""
    return key.split("/", 1)[0] in RESERVED and "/" in key


def refuse_reserved(path: str, left: Iterable[str]) -> None:
    """Refuse annotations that mean something at Google and nothing here.

    Raises:
        InvalidArgument: Names the first one.

    """
    for key in left:
        raise invalid(f"{path}.annotations[{key!r}]", "is not supported here.")


def metadata(
    resource: Any,  # noqa: ANN401 - a v2 resource: they share these fields and no base
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
) -> Document:
    """Return ``metadata`` of a v2 resource; ``labels`` and ``annotations`` are added to its own."""
    _, project, _, location, *_, name = resource.name.split("/")
    return {
        "name": name,
        "namespace": project,
        "uid": resource.uid,
        "generation": resource.generation,
        "resourceVersion": resource.etag.strip('"'),
        "creationTimestamp": timestamp(resource.create_time),
        "labels": {
            **resource.labels,
            **labels,
            LOCATION_LABEL: location,
            UPDATED_LABEL: timestamp(resource.update_time),
        },
        "annotations": {**resource.annotations, **present(annotations)},
    }


def timestamp(instant: Any) -> str:  # noqa: ANN401 - datetime or None
    """Return an instant as text, "" for none."""
    return format_timestamp(instant) if instant is not None else ""


def present(values: Mapping[str, Any]) -> Document:
    """Return the fields that say something."""
    return {key: value for key, value in values.items() if value not in (None, "", [], {})}


def condition(given: Condition) -> Document:
    """Return a v2 condition as v1 writes it. Severity Error is the default there and left out."""
    reasons = (given.reason, given.revision_reason, given.execution_reason)
    reason = next((str(one.name) for one in reasons if one is not None), "")
    severity = given.severity.name.capitalize() if given.severity > Condition.Severity.ERROR else ""
    return present(
        {
            "type": given.type,
            "status": _STATUS.get(given.state, "Unknown"),
            "reason": "".join(word.capitalize() for word in reason.split("_")),
            "message": given.message,
            "lastTransitionTime": timestamp(given.last_transition_time),
            "severity": severity,
        }
    )


def resource_list(kind: str, version: str, items: list[Document], token: str) -> Document:
    """Return the envelope of a list; ``token`` is what ``continue`` takes."""
    return {
        "apiVersion": version,
        "kind": f"{kind}List",
        "metadata": present({"continue": token}),
        "items": items,
    }


def deleted(name: str, uid: str) -> Document:
    """Return the reply to a deletion."""
    return {
        "apiVersion": "v1",
        "kind": "Status",
        "metadata": {},
        "status": "Success",
        "details": {"name": name, "uid": uid},
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Which part of a list is asked for."""

    size: int
    token: str
    equal: Mapping[str, str]
    """Labels that must have these values."""
    unequal: Mapping[str, str]

    def wants(self, labels: Mapping[str, str]) -> bool:
        """Return whether a resource with these labels is asked for."""
        return all(labels.get(key) == value for key, value in self.equal.items()) and not any(
            labels.get(key) == value for key, value in self.unequal.items()
        )


def listing(request: DocumentRequest) -> Listing:
    """Return what ``limit``, ``continue`` and ``labelSelector`` say.

    Raises:
        InvalidArgument: One of them cannot be read.

    """
    limit = request.query.get("limit", "") or str(PAGE_SIZE_DEFAULT)
    if not _INTEGER.match(limit) or int(limit) < 0:
        raise invalid("limit", "is not a number.")
    equal: dict[str, str] = {}
    unequal: dict[str, str] = {}
    for part in filter(str.strip, request.query.get("labelSelector", "").split(",")):
        match = _REQUIREMENT.match(part)
        if match is None:
            raise invalid(
                "labelSelector", f"{part.strip()[:100]!r} is not of the form key = value or key != value."
            )
        (unequal if match[2] == "!=" else equal)[match[1]] = match[3]
    return Listing(size=int(limit), token=request.query.get("continue", ""), equal=equal, unequal=unequal)


def check_envelope(reader: Reader, versions: Iterable[str], kind: str) -> None:
    """Check ``apiVersion`` and ``kind``; missing ones are taken for the right ones.

    Raises:
        InvalidArgument: They name something else.

    """
    known = tuple(versions)
    if (version := reader.text("apiVersion")) and version not in known:
        raise invalid("apiVersion", f"{version[:100]!r} is not {' or '.join(known)}.")
    if (given := reader.text("kind")) and given != kind:
        raise invalid("kind", f"{given[:100]!r} is not {kind}.")
    reader.skip("status")
