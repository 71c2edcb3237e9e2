"""What the installed official packages say: message descriptors and the methods of each service."""

# ruff: noqa: ANN401, SLF001 - the official packages are untyped, and their transports must be looked into

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from google.cloud import logging_v2, run_v2, workflows_v1
from google.cloud.location import locations_pb2
from google.cloud.workflows import executions_v1
from google.iam.v1 import iam_policy_pb2
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2
from google.rpc import status_pb2

PACKAGES = {
    "google.cloud.run.v2": run_v2,
    "google.cloud.workflows.v1": workflows_v1,
    "google.cloud.workflows.executions.v1": executions_v1,
    "google.logging.v2": logging_v2,
}
WELL_KNOWN = frozenset(
    f"google.protobuf.{name}" for name in ("Timestamp", "Duration", "FieldMask", "Any", "Struct")
)
"""Messages that are plain Python values with us."""
GENERAL = [
    empty_pb2.Empty.DESCRIPTOR,
    status_pb2.Status.DESCRIPTOR,
    *operations_pb2.DESCRIPTOR.message_types_by_name.values(),
    *iam_policy_pb2.DESCRIPTOR.message_types_by_name.values(),
    *locations_pb2.DESCRIPTOR.message_types_by_name.values(),
]
NOT_WANTED = {"google.longrunning.OperationInfo"}


_NO_STUBS = {"operations_client", "grpc_channel", "kind", "host"}


@dataclass(slots=True)
class Official:
    """Top-level messages and enums by full name."""

    all: dict[str, Any] = field(default_factory=dict)

    def add(self, descriptor: Any) -> set[str]:
        """Take in a type and all it reaches; return the full names of the top-level ones."""
        names: set[str] = set()
        self._walk(top(descriptor), names)
        return names

    def _walk(self, descriptor: Any, names: set[str]) -> None:
        if descriptor.full_name in names or descriptor.full_name in WELL_KNOWN:
            return
        names.add(descriptor.full_name)
        self.all[descriptor.full_name] = descriptor
        for used in uses(descriptor):
            self._walk(top(used), names)

    def reach(self, package: str, services: tuple[str, ...], extra: tuple[str, ...] = ()) -> set[str]:
        """Return what the methods of ``services`` take and give, and all that reaches."""
        names: set[str] = set()
        for cls in method_types(package, services):
            names |= self.add(cls.DESCRIPTOR)
        for name in extra:
            cls = getattr(PACKAGES[package], name)
            names |= self.add(cls.pb(cls()).DESCRIPTOR)
        return names


def official_messages() -> Official:
    """Return the general messages; those of the APIs are added as they are reached."""
    found = Official()
    for descriptor in GENERAL:
        if descriptor.full_name not in NOT_WANTED:
            found.add(descriptor)
    return found


class _Channel:
    """Records which methods a transport makes stubs for."""

    def __init__(self) -> None:
        self.calls: dict[str, tuple[Any, Any]] = {}
        self.streams: set[str] = set()

    def unary_unary(self, path: str, request_serializer: Any, response_deserializer: Any, **_: Any) -> None:
        method = path.rsplit("/", maxsplit=1)[-1]
        request = getattr(iam_policy_pb2, f"{method}Request", None) or _class_of(request_serializer)
        self.calls[path] = (request, _class_of(response_deserializer))

    def stream_stream(self, path: str, request_serializer: Any, response_deserializer: Any, **_: Any) -> None:
        self.unary_unary(path, request_serializer, response_deserializer)
        self.streams.add(path)

    def close(self) -> None: ...


def _class_of(function: Any) -> Any:
    # Bound to its class: FromString of protobuf, serialize and deserialize of proto-plus. Not so SerializeToString,
    # but only the IAM methods and the mixins hand that over.
    owner: Any = getattr(function, "__self__", None)
    return owner.pb(owner()).__class__ if hasattr(owner, "pb") else owner


def method_stubs(package: str, service: str) -> dict[str, tuple[Any, Any]]:
    """Return the request and response class by full gRPC method name, mixins left out."""
    calls = _recorded(package, service).calls
    return {_name(path): types for path, types in calls.items() if _name(path).startswith(package)}


def streams(package: str, service: str) -> set[str]:
    """Return the full names of the methods that take and give streams."""
    return {_name(path) for path in _recorded(package, service).streams}


def _name(path: str) -> str:
    return path[1:].replace("/", ".")


@cache
def _recorded(package: str, service: str) -> _Channel:
    root = PACKAGES[package].__name__
    module = importlib.import_module(f"{root}.services.{service}.transports.grpc")
    cls = next(c for n, c in vars(module).items() if n.endswith("GrpcTransport") and n != "GrpcTransport")
    channel = _Channel()
    transport = _bare(cls, channel)
    for name in dir(cls):
        if isinstance(getattr(cls, name), property) and name not in _NO_STUBS:
            getattr(transport, name)
    return channel


def _bare(cls: Any, channel: _Channel) -> Any:
    transport = cls.__new__(cls)
    transport._stubs = {}
    transport._logged_channel = transport._grpc_channel = channel
    return transport


def method_types(package: str, services: tuple[str, ...]) -> Iterator[Any]:
    """Yield every request and response class of the services."""
    for service in services:
        for name, (request, response) in method_stubs(package, service).items():
            assert None not in (request, response), name
            yield request
            yield response


def top(descriptor: Any) -> Any:
    """Return the outermost message around a type."""
    while descriptor.containing_type is not None:
        descriptor = descriptor.containing_type
    return descriptor


def is_enum(descriptor: Any) -> bool:
    """Tell enums from messages."""
    return hasattr(descriptor, "values_by_number")


def is_map(descriptor: Any) -> bool:
    """Tell the hidden entry message of a map field."""
    return not is_enum(descriptor) and descriptor.GetOptions().map_entry


def uses(descriptor: Any) -> Iterator[Any]:
    """Yield the types that the fields of a message and of its nested messages have."""
    if is_enum(descriptor):
        return
    for item in descriptor.fields:
        used = item.message_type or item.enum_type
        if used is not None and is_map(used):
            yield from uses(used)
        elif used is not None and used.full_name not in WELL_KNOWN:
            yield used
    for nested in descriptor.nested_types:
        yield from uses(nested)
