"""gcloud's own paths on our documents: ``--format="value(metadata.name)"``, ``value(status.url)`` and their like.

gcloud reads Cloud Run's older, Kubernetes-shaped API, so scripts use its paths. ``with_krm`` hangs the parts of that
shape that scripts read under ``metadata``, ``spec`` and ``status``; documents are printed without them.
"""

from typing import Any

METADATA = {
    "uid": "uid",
    "generation": "generation",
    "labels": "labels",
    "annotations": "annotations",
    "creationTimestamp": "createTime",
}
STATUS = {
    "observedGeneration": "observedGeneration",
    "url": "uri",
    "executionCount": "executionCount",
    "startTime": "startTime",
    "completionTime": "completionTime",
    "runningCount": "runningCount",
    "succeededCount": "succeededCount",
    "failedCount": "failedCount",
    "cancelledCount": "cancelledCount",
    "retriedCount": "retriedCount",
    "logUri": "logUri",
    "latestReadyRevisionName": "latestReadyRevision",
    "latestCreatedRevisionName": "latestCreatedRevision",
    "index": "index",
    "retried": "retried",
    "lastAttemptResult": "lastAttemptResult",
}
SPEC = {"template": "template", "taskCount": "taskCount", "parallelism": "parallelism", "traffic": "traffic"}
TEMPLATE = {"serviceAccountName": "serviceAccount", "containerConcurrency": "maxInstanceRequestConcurrency"}
CONDITION_STATUS = {"CONDITION_SUCCEEDED": "True", "CONDITION_FAILED": "False"}


class Krm(dict[str, Any]):
    """A run v2 document that also answers to the Kubernetes-shaped paths, which are not part of its items."""

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401 - as dict
        """See dict."""
        if key in self or key not in {"metadata", "status", "spec"}:
            return super().get(key, default)
        return {"metadata": _metadata, "status": _status, "spec": _spec}[key](self)


def with_krm(document: dict[str, Any]) -> Krm:
    """Return ``document`` in a form that knows both shapes."""
    return Krm(document)


def _metadata(document: dict[str, Any]) -> dict[str, Any]:
    parts = document.get("name", "").split("/")
    namespace = parts[1] if len(parts) > 1 else ""
    return {"name": parts[-1], "namespace": namespace, **_renamed(document, METADATA)}


def _status(document: dict[str, Any]) -> dict[str, Any]:
    conditions = [
        {
            "type": entry.get("type"),
            "status": CONDITION_STATUS.get(entry.get("state", ""), "Unknown"),
            "message": entry.get("message"),
            "lastTransitionTime": entry.get("lastTransitionTime"),
        }
        for entry in document.get("conditions", [])
    ]
    latest = document.get("latestCreatedExecution")
    named = (
        {"latestCreatedExecution": {**latest, "name": latest["name"].rsplit("/", 1)[-1]}} if latest else {}
    )
    return {**_renamed(document, STATUS), "conditions": conditions, **named}


def _spec(document: dict[str, Any]) -> dict[str, Any]:
    """Return a spec in which every template has its own, as v1 nests them, beside the fields that v2 has there."""
    found = _renamed(document, SPEC)
    if "template" in found:
        found["template"] = _template(found["template"])
    return found


def _template(template: dict[str, Any]) -> dict[str, Any]:
    inner = {"template": _template(template["template"])} if "template" in template else {}
    spec = {**template, **_renamed(template, TEMPLATE), **inner}
    if isinstance(timeout := spec.get("timeout"), str):
        spec["timeoutSeconds"] = timeout.removesuffix("s")
    return {**template, "metadata": _renamed(template, METADATA), "spec": spec}


def _renamed(document: dict[str, Any], fields: dict[str, str]) -> dict[str, Any]:
    return {ours: document[theirs] for ours, theirs in fields.items() if theirs in document}
