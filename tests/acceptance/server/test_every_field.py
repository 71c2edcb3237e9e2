"""No field of a job or service is silently ignored: over REST and gRPC each is kept, or refused by its name.

The fields come from Google's own descriptors. Those that their comments call output only are the server's, and what a
client sends in them is passed over, as Google does.
"""

import copy
import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from jubako.testing.server import PARENT, ApiError, ServerProcess

grpc = pytest.importorskip("grpc")
pytest.importorskip("google.cloud.run_v2")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

DEPTH_MAX = 9
OUTPUT_ONLY = {
    *(
        "name",
        "uid",
        "generation",
        "observed_generation",
        "etag",
        "reconciling",
        "conditions",
        "terminal_condition",
    ),
    *(
        "create_time",
        "update_time",
        "delete_time",
        "expire_time",
        "creator",
        "last_modifier",
        "satisfies_pzs",
    ),
    *("execution_count", "latest_created_execution", "latest_ready_revision", "latest_created_revision"),
    *("uri", "urls", "traffic_statuses"),
}
VALUES: dict[str, Any] = {
    "timeout": "5s",
    "limits": {"cpu": "1"},
    "working_dir": "/tmp",
    "revision": "x-one",
    "launch_stage": "GA",
    "service_account": "a@p.iam.gserviceaccount.com",
    "ingress": "INGRESS_TRAFFIC_ALL",
    "percent": 100,
    "secret": "s",
}
"""Of fields that do not take any value; the others get a simple one of their type."""
SIBLINGS: dict[str, dict[str, Any]] = {
    "env": {"name": "A"},
    "traffic": {"percent": 100, "type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"},
    "value_source": {"secretKeyRef": {"secret": "s"}},
    "secret_key_ref": {"secret": "s"},
}
"""What else an entry must have."""


class Field(NamedTuple):
    path: tuple[str, ...]
    """As in protocol buffers; an entry of a list is its field's name."""
    value: Any
    """As JSON."""


@pytest.fixture(autouse=True, scope="module")
def secret(server: ServerProcess) -> None:
    secrets = "/jubako/v1/projects/local/secrets"
    server.post(f"{secrets}?secretId=s")
    server.post(f"{secrets}/s:addVersion", {"payload": {"data": "YQ=="}})


def value_of(field: Any) -> Any:
    if field.name in VALUES:
        return VALUES[field.name]
    if field.enum_type is not None:
        return field.enum_type.values[-1].name
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return {"a": "b"}
    if field.message_type is not None:
        return {"Duration": "5s", "Timestamp": "2026-01-01T00:00:00Z"}.get(field.message_type.name, {})
    return {field.CPPTYPE_STRING: "abc", field.CPPTYPE_BOOL: True}.get(field.cpp_type, 1)


def leaves(message: Any, path: tuple[str, ...] = ()) -> Iterator[Field]:
    for field in message.fields:
        here = (*path, field.name)
        if here[0] in OUTPUT_ONLY or len(here) > DEPTH_MAX:
            continue
        inner = field.message_type
        is_plain = inner is None or inner.GetOptions().map_entry or inner.file.package == "google.protobuf"
        if is_plain or not inner.fields:
            value = value_of(field)
            is_list = field.is_repeated and not isinstance(value, dict)
            yield Field(here, [value] if is_list else value)
        else:
            yield from leaves(inner, here)


@functools.cache
def fields_of(kind: str) -> list[Field]:
    from google.cloud import run_v2

    return list(leaves(getattr(run_v2, kind).pb().DESCRIPTOR))


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def base(kind: str) -> dict[str, Any]:
    containers = [{"command": ["true"]}]
    return {
        "template": {"containers": containers}
        if kind == "Service"
        else {"template": {"containers": containers}}
    }


def with_field(kind: str, field: Field) -> dict[str, Any]:
    """Return a resource that is right but for the one field that it has more than it needs."""
    from google.cloud import run_v2

    resource = base(kind)
    place: Any = resource
    message = getattr(run_v2, kind).pb().DESCRIPTOR
    for name in field.path[:-1]:
        shape = message.fields_by_name[name]
        message = shape.message_type
        if shape.is_repeated:
            entries = place.setdefault(camel(name), [copy.deepcopy(SIBLINGS.get(name, {}))])
            place = entries[0]
        else:
            place = place.setdefault(camel(name), copy.deepcopy(SIBLINGS.get(name, {})))
    place[camel(field.path[-1])] = field.value
    return resource


def found(document: Any, field: Field) -> Any:
    for name in field.path[:-1]:
        inner = document.get(camel(name), {})
        document = inner[0] if isinstance(inner, list) and inner else inner or {}
    return document.get(camel(field.path[-1]))


def is_named(message: str, field: Field) -> bool:
    """Whether a refusal names the field, or what it is in below the template."""
    telling = [name for name in field.path if name not in {"template", "containers"}]
    return any(name in message or camel(name) in message for name in telling)


class OverRest:
    """Makes resources with JSON."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server

    def create(self, kind: str, name: str, resource: Any) -> str:
        """Return why the resource was refused, "" if it was not."""
        collection, query = kind.lower() + "s", f"{kind.lower()}Id={name}"
        try:
            self.server.post(f"/v2/{PARENT}/{collection}?{query}", resource)
        except ApiError as error:
            return f"{error.status}: {error.message}"
        return ""

    def get(self, kind: str, name: str) -> Any:
        return self.server.get(f"/v2/{PARENT}/{kind.lower()}s/{name}")


class OverGrpc:
    """Makes resources with Google's own messages on a bare channel."""

    def __init__(self, server: ServerProcess) -> None:
        self.channel = grpc.insecure_channel(server.address.removeprefix("http://"))

    def create(self, kind: str, name: str, resource: Any) -> str:
        """Return why the resource was refused, "" if it was not."""
        from google.cloud import run_v2
        from google.longrunning import operations_pb2
        from google.protobuf import json_format

        request_type = getattr(run_v2, f"Create{kind}Request").pb()
        body = {"parent": PARENT, kind.lower(): resource, f"{kind.lower()}Id": name}
        request = json_format.ParseDict(body, request_type())
        try:
            self._call(f"Create{kind}", kind, request, operations_pb2.Operation)
        except grpc.RpcError as error:
            return f"{error.code().name}: {error.details()}"
        return ""

    def get(self, kind: str, name: str) -> Any:
        from google.cloud import run_v2
        from google.protobuf import json_format

        request = getattr(run_v2, f"Get{kind}Request").pb()(name=f"{PARENT}/{kind.lower()}s/{name}")
        return json_format.MessageToDict(self._call(f"Get{kind}", kind, request, getattr(run_v2, kind).pb()))

    def _call(self, method: str, kind: str, request: Any, answer: Any) -> Any:
        call = self.channel.unary_unary(
            f"/google.cloud.run.v2.{kind}s/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        return call(request, timeout=10)


@pytest.mark.parametrize("way", [OverRest, OverGrpc])
@pytest.mark.parametrize("kind", ["Job", "Service"])
def test_every_field_is_kept_or_refused_by_its_name(server: ServerProcess, kind: str, way: Any) -> None:
    client, kept, refused, ignored = way(server), [], [], []
    for number, field in enumerate(fields_of(kind)):
        name = "x" if field.path[-1] == "revision" else f"{kind.lower()}{way.__name__.lower()}-{number}"
        reason = client.create(kind, name, with_field(kind, field))
        if reason:
            assert reason.partition(":")[0] in {"INVALID_ARGUMENT", "UNIMPLEMENTED"}, (field, reason)
            assert is_named(reason, field), (field, reason)
            refused.append(field)
            continue
        shown = found(client.get(kind, name), field)
        (kept if shown == field.value or str(shown) == str(field.value) else ignored).append(field)
        if name == "x":
            server.call("DELETE", f"/v2/{PARENT}/services/x")
    assert [field.path for field in ignored] == []
    assert len(kept) > 20
    assert len(refused) > 20


def test_what_a_job_keeps_its_executions_and_tasks_repeat(server: ServerProcess) -> None:
    client, job = OverRest(server), base("Job")
    inner = job["template"]["template"]
    for number, field in enumerate(fields_of("Job")):
        in_template = field.path[:2] == ("template", "template")
        if not in_template or client.create("Job", f"repeated-{number}", with_field("Job", field)):
            continue
        given = with_field("Job", field)["template"]["template"]
        inner["containers"][0] |= given.pop("containers")[0]
        inner |= given
    inner["containers"][0] |= {"env": [{"name": "A", "value": "b"}], "image": "", "workingDir": "/"}
    assert client.create("Job", "repeats", job) == ""
    kept = client.get("Job", "repeats")["template"]["template"]
    operation = server.post(f"/v2/{PARENT}/jobs/repeats:run")
    server.post(f"/v2/{operation['name']}:wait", {"timeout": "20s"})
    execution = server.get(f"/v2/{operation['metadata']['name']}")
    assert execution["template"] == kept
    [task] = server.get(f"/v2/{execution['name']}/tasks")["tasks"]
    assert {key: task.get(key) for key in kept} == kept
