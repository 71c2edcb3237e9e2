"""What a service must look like: every rejection names the field."""

from typing import Any

import pytest

from jubako.boxes.services import checks
from jubako.boxes.services.resources import Service
from jubako.core.errors import InvalidArgument, JubakoError, Unimplemented
from jubako.wire import codec


def template(**container: Any) -> dict[str, Any]:
    return {"containers": [{"command": ["/bin/web"], **container}]}


BAD: list[tuple[dict[str, Any], type[JubakoError], str]] = [
    ({"template": None}, InvalidArgument, "service.template"),
    ({"template": {}}, InvalidArgument, "service.template.containers"),
    ({"template": {"containers": [{}]}}, InvalidArgument, "containers[0].command"),
    ({"template": {"containers": [{"command": ["a"]}] * 2}}, Unimplemented, "service.template.containers"),
    ({"template": {**template(), "timeout": "3601s"}}, InvalidArgument, "service.template.timeout"),
    ({"template": {**template(), "timeout": "-1s"}}, InvalidArgument, "service.template.timeout"),
    ({"template": {**template(), "maxInstanceRequestConcurrency": 1001}}, InvalidArgument, "concurrency"),
    ({"template": {**template(), "revision": "other-1"}}, InvalidArgument, "service.template.revision"),
    (
        {"template": {**template(), "revision": "web-" + "x" * 60}},
        InvalidArgument,
        "service.template.revision",
    ),
    (
        {"template": {**template(), "volumes": [{"name": "v", "gcs": {"bucket": "b"}}]}},
        Unimplemented,
        "service.template.volumes[0].gcs",
    ),
    ({"template": template(workingDir="here")}, InvalidArgument, "working_dir"),
    ({"template": template(args=["a\0b"])}, InvalidArgument, "args[0]"),
    ({"template": template(args=["a\ud800b"])}, InvalidArgument, "args[0]"),
    ({"template": template(args=["a" * 200_000])}, InvalidArgument, "args[0]"),
    ({"template": template(args=["a" * 100_000] * 11)}, InvalidArgument, "containers[0]"),
    ({"template": template(env=[{"name": ""}])}, InvalidArgument, "env[0].name"),
    ({"template": template(env=[{"name": "A=B"}])}, InvalidArgument, "env[0].name"),
    ({"template": template(env=[{"name": "A"}, {"name": "A"}])}, InvalidArgument, "env[1].name"),
    ({"template": template(env=[{"name": f"A{n}"} for n in range(1001)])}, InvalidArgument, "env"),
    (
        {"template": template(env=[{"name": "A", "valueSource": {"secretKeyRef": {"secret": "a/b"}}}])},
        InvalidArgument,
        "env[0].value_source.secret_key_ref.secret",
    ),
    ({"template": template(ports=[{"containerPort": 70_000}])}, InvalidArgument, "ports[0].container_port"),
    ({"template": template(ports=[{"name": "h2c"}])}, Unimplemented, "ports[0].name"),
    (
        {"template": template(startupProbe={"httpGet": {"path": "/"}})},
        Unimplemented,
        "startup_probe.http_get",
    ),
    ({"template": template(livenessProbe={"tcpSocket": {}})}, Unimplemented, "liveness_probe"),
    ({"template": template(resources={"limits": {"nvidia.com/gpu": "1"}})}, Unimplemented, "limits"),
    ({"labels": {"run.googleapis.com/x": "y"}}, InvalidArgument, "service.labels"),
    ({"labels": {"a": "b" * 64}}, InvalidArgument, "service.labels"),
    ({"traffic": [{"percent": 50}]}, InvalidArgument, "service.traffic"),
    (
        {
            "traffic": [
                {"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "revision": "web-1", "percent": 100}
            ]
        },
        Unimplemented,
        "service.traffic",
    ),
    ({"scaling": {"manualInstanceCount": 1}}, Unimplemented, "service.scaling.manual_instance_count"),
    ({"scaling": {"minInstanceCount": 2, "maxInstanceCount": 1}}, InvalidArgument, "max_instance_count"),
    ({"defaultUriDisabled": True}, Unimplemented, "service.default_uri_disabled"),
]


@pytest.mark.parametrize(("service", "error", "field"), BAD)
def test_what_cannot_be_is_refused_by_the_name_of_its_field(
    service: dict[str, Any], error: type[JubakoError], field: str
) -> None:
    with pytest.raises(error) as refusal:
        checks.service("web", codec.from_json(Service, {"template": template(), **service}))
    assert field in refusal.value.message


@pytest.mark.parametrize("name", ["PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION", "X_GOOGLE_A"])
def test_the_platforms_variables_cannot_be_set(name: str) -> None:
    service = {"template": template(env=[{"name": name, "value": "1"}])}
    with pytest.raises(InvalidArgument, match=r"env\[0\]\.name.*reserved"):
        checks.service("web", codec.from_json(Service, service))


@pytest.mark.parametrize(
    "service",
    [
        {"template": {"containers": [{"image": "gcr.io/p/i"}]}},
        {"template": template(ports=[{"name": "http1", "containerPort": 8080}])},
        {"template": template(startupProbe={"tcpSocket": {"port": 8080}})},
        {"template": template(resources={"limits": {"cpu": "1", "memory": "512Mi"}})},
        {"template": {**template(), "timeout": "3600s", "revision": "web-blue", "serviceAccount": "a@b"}},
        {"scaling": {"minInstanceCount": 1, "maxInstanceCount": 5}, "ingress": "INGRESS_TRAFFIC_ALL"},
        {"traffic": [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}]},
    ],
)
def test_what_deployments_usually_say_is_taken(service: dict[str, Any]) -> None:
    checks.service("web", codec.from_json(Service, {"template": template(), **service}))
