"""Containers and what goes with them, between v1 documents and v2 messages: jobs and services share these."""

from typing import Any

from jubako.wire import codec
from jubako.wire.codec import invalid
from jubako.wire.krm import Metadata, Reader, present
from jubako.wire.method import Document
from jubako.wire.run_types import (
    Container,
    ContainerPort,
    EnvVar,
    EnvVarSource,
    ExecutionEnvironment,
    NodeSelector,
    Probe,
    ResourceRequirements,
    SecretKeySelector,
    VolumeMount,
    VpcAccess,
)

LOCAL = "local"
"""The image of a container that has none and runs as a process on this machine: v1 clients cannot leave it out."""
ENVIRONMENT = "run.googleapis.com/execution-environment"
CONNECTOR = "run.googleapis.com/vpc-access-connector"
EGRESS = "run.googleapis.com/vpc-access-egress"
CPU_IDLE = "run.googleapis.com/cpu-throttling"
CPU_BOOST = "run.googleapis.com/startup-cpu-boost"
_ENVIRONMENTS = {
    "gen1": ExecutionEnvironment.EXECUTION_ENVIRONMENT_GEN1,
    "gen2": ExecutionEnvironment.EXECUTION_ENVIRONMENT_GEN2,
}
_EGRESS = {
    "all-traffic": VpcAccess.VpcEgress.ALL_TRAFFIC,
    "all": VpcAccess.VpcEgress.ALL_TRAFFIC,
    "private-ranges-only": VpcAccess.VpcEgress.PRIVATE_RANGES_ONLY,
}
_PROBES = {
    "livenessProbe": "liveness_probe",
    "startupProbe": "startup_probe",
    "readinessProbe": "readiness_probe",
}


def read_container(reader: Reader) -> Container:
    """Return the v2 container of a v1 one.

    Raises:
        InvalidArgument: A field is wrong or unknown.

    """
    mounts = [_read_mount(mount) for mount in reader.children("volumeMounts")]
    container = Container(
        name=reader.text("name"),
        image=_image(reader.text("image")),
        command=reader.words("command"),
        args=reader.words("args"),
        env=[_read_variable(variable) for variable in reader.children("env")],
        ports=[_read_port(port) for port in reader.children("ports")],
        working_dir=reader.text("workingDir"),
        volume_mounts=mounts,
    )
    limits = _read_limits(reader.child("resources"))
    container.resources = ResourceRequirements(limits=limits) if limits else None
    for key, field in _PROBES.items():
        if reader.has(key):
            setattr(container, field, _read_probe(reader.child(key)))
    reader.skip("imagePullPolicy", "terminationMessagePath", "terminationMessagePolicy", *_PROBES)
    reader.done()
    return container


def container(given: Container) -> Document:
    """Return the v1 form of a container."""
    limits = given.resources.limits if given.resources else {}
    ports = [present({"name": port.name, "containerPort": port.container_port}) for port in given.ports]
    mounts = [
        present({"name": mount.name, "mountPath": mount.mount_path, "subPath": mount.sub_path})
        for mount in given.volume_mounts
    ]
    probes = {
        key: codec.to_json(probe)
        for key, field in _PROBES.items()
        if (probe := getattr(given, field)) is not None
    }
    return {
        "image": given.image or LOCAL,
        **present(
            {
                "name": given.name,
                "command": given.command,
                "args": given.args,
                "env": [_variable(variable) for variable in given.env],
                "resources": present({"limits": limits}),
                "ports": ports,
                "workingDir": given.working_dir,
                "volumeMounts": mounts,
                **probes,
            }
        ),
    }


def read_environment(given: Metadata, left: dict[str, str], path: str) -> ExecutionEnvironment:
    """Take the execution environment out of the annotations that are ``left``."""
    del given
    word = left.pop(ENVIRONMENT, "")
    if word and word not in _ENVIRONMENTS:
        raise invalid(f"{path}.annotations[{ENVIRONMENT!r}]", "is neither gen1 nor gen2.")
    return _ENVIRONMENTS.get(word, ExecutionEnvironment.EXECUTION_ENVIRONMENT_UNSPECIFIED)


def read_vpc(left: dict[str, str], path: str) -> VpcAccess | None:
    """Take the access to a private network out of the annotations that are ``left``."""
    connector, egress = left.pop(CONNECTOR, ""), left.pop(EGRESS, "")
    if egress and egress not in _EGRESS:
        raise invalid(f"{path}.annotations[{EGRESS!r}]", f"is not one of {', '.join(_EGRESS)}.")
    if not connector and not egress:
        return None
    return VpcAccess(
        connector=connector, egress=_EGRESS.get(egress, VpcAccess.VpcEgress.VPC_EGRESS_UNSPECIFIED)
    )


def template_annotations(resource: Any) -> dict[str, str]:  # noqa: ANN401 - any message with these fields
    """Return what v1 writes as annotations and v2 as fields."""
    words = {number: word for word, number in _ENVIRONMENTS.items()}
    vpc = resource.vpc_access
    egress = {number: word for word, number in reversed(_EGRESS.items())}
    return present(
        {
            ENVIRONMENT: words.get(resource.execution_environment),
            CONNECTOR: vpc.connector if vpc else "",
            EGRESS: egress.get(vpc.egress) if vpc else "",
        }
    )


def read_node_selector(reader: Reader) -> NodeSelector | None:
    """Return the accelerator that is asked for."""
    accelerator = reader.text("run.googleapis.com/accelerator")
    reader.done()
    return NodeSelector(accelerator=accelerator) if accelerator else None


def _image(name: str) -> str:
    return "" if name == LOCAL else name


def _read_variable(reader: Reader) -> EnvVar:
    variable = EnvVar(name=reader.text("name"))
    if reader.has("valueFrom"):
        source = reader.child("valueFrom")
        secret = source.child("secretKeyRef")
        key = SecretKeySelector(secret=secret.text("name"), version=secret.text("key"))
        secret.done()
        source.done()
        variable.value_source = EnvVarSource(secret_key_ref=key)
    else:
        variable.value = reader.text("value")
    reader.skip("valueFrom")
    reader.done()
    return variable


def _variable(given: EnvVar) -> Document:
    if given.value_source is not None and given.value_source.secret_key_ref is not None:
        key = given.value_source.secret_key_ref
        return {
            "name": given.name,
            "valueFrom": {"secretKeyRef": {"name": key.secret, "key": key.version}},
        }
    return {"name": given.name, "value": given.value or ""}


def _read_port(reader: Reader) -> ContainerPort:
    port = ContainerPort(name=reader.text("name"), container_port=reader.integer("containerPort") or 0)
    reader.skip("protocol")
    reader.done()
    return port


def _read_mount(reader: Reader) -> VolumeMount:
    mount = VolumeMount(
        name=reader.text("name"), mount_path=reader.text("mountPath"), sub_path=reader.text("subPath")
    )
    reader.skip("readOnly")
    reader.done()
    return mount


def _read_limits(reader: Reader) -> dict[str, str]:
    limits = reader.mapping("limits")
    reader.skip("requests")  # Cloud Run gives what the limits say
    reader.done()
    return limits


def _read_probe(reader: Reader) -> Probe:
    """Return a probe: its fields have the names of v2's, and Kubernetes's successThreshold may only be 1."""
    tree: Document = {
        key: reader.integer(key)
        for key in ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "failureThreshold")
    }
    for key in ("httpGet", "tcpSocket", "grpc"):
        if reader.has(key):
            tree[key] = _read_action(reader.child(key), key)
    if reader.integer("successThreshold") not in {None, 1}:
        raise invalid(reader.where("successThreshold"), "must be 1.")
    path = reader.path
    reader.skip("httpGet", "tcpSocket", "grpc")
    reader.done()
    return codec.from_json(Probe, present(tree), path)


def _read_action(reader: Reader, kind: str) -> Document:
    action: Document = {"port": reader.integer("port") or 0}
    if kind == "httpGet":
        action["path"] = reader.text("path")
        action["httpHeaders"] = [
            {"name": header.text("name"), "value": header.text("value")}
            for header in reader.children("httpHeaders")
        ]
        reader.skip("scheme", "host")
    elif kind == "grpc":
        action["service"] = reader.text("service")
    reader.done()
    return action
