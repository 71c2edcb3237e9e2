"""Our message classes and method tables against the installed official packages: drift is a red test."""

import importlib
import inspect
import re
from types import ModuleType
from typing import Any

import pytest
from google.cloud import logging_v2, run_v2, workflows_v1
from google.cloud.location import locations_pb2
from google.cloud.workflows import executions_v1
from google.iam.v1 import iam_policy_pb2, policy_pb2
from google.longrunning import operations_pb2
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FieldDescriptor

from jubako.boxes.jobs import methods as job_methods
from jubako.boxes.jobs import resources as job_resources
from jubako.boxes.services import methods as service_methods
from jubako.boxes.services import resources as service_resources
from jubako.boxes.workflows import methods as workflow_methods
from jubako.boxes.workflows import resources as workflow_resources
from jubako.wire import google_types, logging_methods, logging_types, run_types
from jubako.wire.method import Method
from jubako.wire.operations_api import operations_methods
from jubako.wire.schema import REST_ONLY, Enumeration, Message
from jubako.wire.shape import Label, shapes

LOADED = (
    run_v2,
    workflows_v1,
    executions_v1,
    logging_v2,
    iam_policy_pb2,
    policy_pb2,
    operations_pb2,
    locations_pb2,
)
MODULES = (google_types, run_types, job_resources, service_resources, workflow_resources, logging_types)
SCALARS = {
    FieldDescriptor.TYPE_STRING: "string",
    FieldDescriptor.TYPE_BOOL: "bool",
    FieldDescriptor.TYPE_INT32: "int32",
    FieldDescriptor.TYPE_INT64: "int64",
    FieldDescriptor.TYPE_BYTES: "bytes",
    FieldDescriptor.TYPE_ENUM: "enum",
    FieldDescriptor.TYPE_MESSAGE: "message",
}
RUN, WORKFLOWS, EXECUTIONS, LOGGING = run_v2, workflows_v1, executions_v1, logging_v2
TABLES = [
    (RUN, "jobs", job_methods.JOBS),
    (RUN, "executions", job_methods.EXECUTIONS),
    (RUN, "tasks", job_methods.TASKS),
    (RUN, "services", service_methods.SERVICES),
    (RUN, "revisions", service_methods.REVISIONS),
    (WORKFLOWS, "workflows", workflow_methods.WORKFLOWS),
    (EXECUTIONS, "executions", workflow_methods.EXECUTIONS),
    (LOGGING, "logging_service_v2", logging_methods.LOGGING),
]


def classes(owner: Any, kind: type) -> list[Any]:
    """All classes of ``kind`` written in a module or class, nested ones too."""
    found = []
    for value in vars(owner).values():
        is_here = inspect.isclass(value) and value.__module__ == getattr(owner, "__module__", owner.__name__)
        if is_here and value is not owner:
            found += [value] if issubclass(value, kind) else []
            found += classes(value, kind)
    return found


MESSAGES = [cls for module in MODULES for cls in classes(module, Message)]
ENUMS = [cls for module in MODULES for cls in classes(module, Enumeration)]


def official(cls: Any) -> Any:
    pool = descriptor_pool.Default()
    find = pool.FindEnumTypeByName if issubclass(cls, Enumeration) else pool.FindMessageTypeByName
    return find(cls.__proto__)


def facts(field: Any) -> tuple[Any, ...]:
    """(number, name, json name, label, kind, type name, presence, oneof) of an official field."""
    label, value = Label.SINGULAR, field
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        label, value = Label.MAP, field.message_type.fields_by_name["value"]
    elif field.is_repeated:
        label = Label.REPEATED
    used = value.message_type or value.enum_type
    oneof = field.containing_oneof.name if field.containing_oneof else ""
    return (
        field.number,
        field.name.removesuffix("_"),
        field.json_name,
        label,
        SCALARS[value.type],
        used.full_name if used else "",
        label is Label.SINGULAR and field.has_presence,
        "" if oneof.startswith("_") else oneof,
    )


@pytest.mark.parametrize("cls", MESSAGES, ids=lambda cls: cls.__proto__)
def test_a_message_has_googles_fields(cls: type[Message]) -> None:
    ours = {
        (s.number, s.name, s.json_name, s.label, s.kind, s.type_name, s.has_presence, s.oneof)
        for s in shapes(cls)
        if s.number < REST_ONLY
    }
    assert ours == {facts(field) for field in official(cls).fields}


@pytest.mark.parametrize("cls", ENUMS, ids=lambda cls: cls.__proto__)
def test_an_enum_has_googles_members(cls: type[Enumeration]) -> None:
    assert {m.name: m.value for m in cls} == {v.name: v.number for v in official(cls).values}


def test_classes_are_nested_and_named_as_google_nests_and_names_them() -> None:
    for cls in [*MESSAGES, *ENUMS]:
        descriptor = official(cls)
        assert cls.__qualname__ == cls.__proto__.removeprefix(f"{descriptor.file.package}."), cls


def test_every_type_is_written_once() -> None:
    names = [cls.__proto__ for cls in [*MESSAGES, *ENUMS]]
    assert len(names) == len(set(names)) > 100


def services(package: ModuleType, service: str) -> tuple[ModuleType, ModuleType]:
    root = f"{package.__name__}.services.{service}"
    return importlib.import_module(f"{root}.transports.grpc"), importlib.import_module(f"{root}.client")


@pytest.mark.parametrize(
    ("package", "service", "table"), TABLES, ids=lambda v: v if isinstance(v, str) else ""
)
def test_a_table_has_googles_methods_with_their_types(package: Any, service: str, table: Any) -> None:
    grpc, _ = services(package, service)
    stub = re.compile(
        r'(unary_unary|stream_stream)\(\s*"/(google\.(?!cloud\.location|longrunning)[^"]+)",\s*request_serializer=([\w.]+)\.\w+,\s*response_deserializer=([\w.]+)\.\w+'
    )
    theirs = {
        (path.replace("/", "."), request.split(".")[-1], response.split(".")[-1], kind == "stream_stream")
        for kind, path, request, response in stub.findall(inspect.getsource(grpc))
    }
    assert {(m.name, m.request.__name__, m.response.__name__, m.is_stream) for m in table} == theirs
    assert theirs


def rest_rules(package: Any, service: str, method: str) -> set[tuple[str, str, str]]:
    module = importlib.import_module(f"{package.__name__}.services.{service}.transports.rest_base")
    base = next(c for n, c in vars(module).items() if n.startswith("_Base") and n.endswith("RestTransport"))
    options = getattr(base, f"_Base{method}")._get_http_options()
    return {(o["method"].upper(), o["uri"], o.get("body", "")) for o in options}


def our_rules(method: Method) -> set[tuple[str, str, str]]:
    return {(rule.verb, rule.path, rule.body) for rule in method.http}


@pytest.mark.parametrize(
    ("package", "service", "table"), TABLES[:-2], ids=lambda v: v if isinstance(v, str) else ""
)
def test_a_table_has_googles_paths(package: Any, service: str, table: Any) -> None:
    for method in table:
        assert our_rules(method) == rest_rules(package, service, method.name.split(".")[-1]), method.name


@pytest.mark.parametrize(
    ("package", "service", "version"), [(RUN, "jobs", "v2"), (WORKFLOWS, "workflows", "v1")]
)
def test_operations_have_googles_paths(package: Any, service: str, version: str) -> None:
    for method in operations_methods("run", version):
        name = method.name.split(".")[-1]
        if (
            name != "WaitOperation" or package is RUN
        ):  # Workflows has no wait; serving it there is our addition
            assert our_rules(method) == rest_rules(package, service, name), name


@pytest.mark.parametrize(
    ("package", "service", "table"), TABLES, ids=lambda v: v if isinstance(v, str) else ""
)
def test_long_running_methods_carry_googles_types(package: Any, service: str, table: Any) -> None:
    _, client = services(package, service)
    wrap = re.compile(r"operation\.from_gapic\(\s*\w+,\s*[\w.]+,\s*([\w.]+),\s*metadata_type=([\w.]+),")
    cls = next(c for n, c in vars(client).items() if n.endswith("Client") and c.__module__ == client.__name__)
    for method in table:
        name = re.sub(r"(?<!^)([A-Z])", r"_\1", method.name.split(".")[-1]).lower()
        found = wrap.search(inspect.getsource(getattr(cls, name)))
        ours = method.long_running and (
            method.long_running.response.__name__,
            method.long_running.metadata.__name__,
        )
        theirs = tuple(text.split(".")[-1] for text in found.groups()) if found else None
        assert ours == theirs, method.name


def test_every_method_names_a_permission() -> None:
    for _, _, table in TABLES:
        for method in table:
            assert re.fullmatch(r"(run|workflows|logging|jubako)\.[a-zA-Z]+\.[a-zA-Z]+", method.permission), (
                method.name
            )
