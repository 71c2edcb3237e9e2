"""Read the official message descriptors and print them as classes."""

# ruff: noqa: ANN401, SLF001 - the official packages are untyped, and their transports must be looked into

import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from google.cloud import run_v2, workflows_v1
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
}
WELL_KNOWN = {
    "google.protobuf.Timestamp": "datetime",
    "google.protobuf.Duration": "timedelta",
    "google.protobuf.FieldMask": "tuple[str, ...]",
    "google.protobuf.Any": "dict[str, Any]",
    "google.protobuf.Struct": "dict[str, Any]",
}
MARKED = {"FieldMask": "FIELD_MASK", "Any": "ANY", "Struct": "STRUCT"}
SCALARS = {
    1: ("float", "", "0.0"), 2: ("float", "float", "0.0"), 3: ("int", "int64", "0"), 4: ("int", "uint64", "0"),
    5: ("int", "", "0"), 8: ("bool", "", "False"), 9: ("str", "", '""'), 12: ("bytes", "", 'b""'),
    13: ("int", "uint32", "0"),
}  # fmt: skip
"""By number of google.protobuf.FieldDescriptorProto.Type: Python type, Field.type, default."""
GENERAL = [
    empty_pb2.Empty.DESCRIPTOR,
    status_pb2.Status.DESCRIPTOR,
    *operations_pb2.DESCRIPTOR.message_types_by_name.values(),
    *iam_policy_pb2.DESCRIPTOR.message_types_by_name.values(),
    *locations_pb2.DESCRIPTOR.message_types_by_name.values(),
]
NOT_WANTED = {"google.longrunning.OperationInfo"}


@dataclass(frozen=True, slots=True)
class Module:
    """One file to write: its import name, first docstring line, and the full names of its top-level types."""

    name: str
    about: str
    types: set[str]

    def path(self, root: Path) -> Path:
        """Return where the file is."""
        return root.parent.joinpath(*self.name.split(".")).with_suffix(".py")


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

    def unary_unary(self, path: str, request_serializer: Any, response_deserializer: Any, **_: Any) -> None:
        method = path.rsplit("/", maxsplit=1)[-1]
        request = getattr(iam_policy_pb2, f"{method}Request", None) or _class_of(request_serializer)
        self.calls[path] = (request, _class_of(response_deserializer))

    def close(self) -> None: ...


def _class_of(function: Any) -> Any:
    # Bound to its class: FromString of protobuf, serialize and deserialize of proto-plus. Not so SerializeToString,
    # but only the IAM methods and the mixins hand that over.
    owner: Any = getattr(function, "__self__", None)
    return owner.pb(owner()).__class__ if hasattr(owner, "pb") else owner


@cache
def method_stubs(package: str, service: str) -> dict[str, tuple[Any, Any]]:
    """Return the request and response class by full gRPC method name, mixins left out."""
    root = PACKAGES[package].__name__
    module = importlib.import_module(f"{root}.services.{service}.transports.grpc")
    cls = next(c for n, c in vars(module).items() if n.endswith("GrpcTransport") and n != "GrpcTransport")
    channel = _Channel()
    transport = _bare(cls, channel)
    for name in dir(cls):
        if isinstance(getattr(cls, name), property) and name not in {
            "operations_client",
            "grpc_channel",
            "kind",
            "host",
        }:
            getattr(transport, name)
    return {
        path[1:].replace("/", "."): types
        for path, types in channel.calls.items()
        if path[1:].startswith(package)
    }


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


def proto_name(item: Any) -> str:
    """Return the field's name in Google's .proto: the Python packages append ``_`` to reserved words."""
    return str(item.name).removesuffix("_")


def write_types(module: Module, placed: list[Module]) -> str:
    """Return the source of ``module``."""
    found = {name: _find(name) for name in module.types}
    body = "\n\n".join(_print(found[name], 0) for name in _ordered(found))
    lines = [
        f'"""{module.about}', "", "Generated by tools/generate_resources.py; do not edit.", '"""', "",
        "# ruff: noqa: RUF012 - msgspec copies the mutable defaults of structs", "",
        "from datetime import datetime, timedelta", "from typing import Annotated, Any", "",
        "from jubako.wire.schema import ANY, FIELD_MASK, STRUCT, Enumeration, Field, Message",
    ]  # fmt: skip
    used = {top(u).full_name for d in found.values() for u in uses(d)}
    for other in placed:
        names = sorted(name.rsplit(".", maxsplit=1)[-1] for name in used & other.types)
        if other is not module and names:
            lines.append(f"from {other.name} import {', '.join(names)}")
    return "\n".join(lines) + "\n\n\n" + body + "\n"


@cache
def _everything() -> Official:
    found = official_messages()
    for package, services in SERVICES.items():
        found.reach(package, services, ("OperationMetadata",) if package.endswith("workflows.v1") else ())
    return found


SERVICES = {
    "google.cloud.run.v2": ("jobs", "executions", "tasks", "services", "revisions"),
    "google.cloud.workflows.v1": ("workflows",),
    "google.cloud.workflows.executions.v1": ("executions",),
}


def _find(name: str) -> Any:
    return _everything().all[name]


def _ordered(found: dict[str, Any]) -> list[str]:
    """Return the names so that each type comes after those it uses."""
    done: list[str] = []

    def visit(name: str) -> None:
        for used in sorted({top(u).full_name for u in uses(found[name])} - {name}):
            if used in found and used not in done:
                visit(used)
        if name not in done:
            done.append(name)

    for name in sorted(found):
        visit(name)
    return done


def _print(descriptor: Any, depth: int) -> str:
    pad = "    " * (depth + 1)
    kind = "Enumeration" if is_enum(descriptor) else "Message"
    lines = [
        "    " * depth + f"class {descriptor.name}({kind}):",
        pad + f'"""``{descriptor.full_name}``."""',
        "",
    ]
    lines += [pad + f'__proto__ = "{descriptor.full_name}"', ""]
    if is_enum(descriptor):
        return (
            "\n".join(lines + [pad + f"{value.name} = {value.number}" for value in descriptor.values]) + "\n"
        )
    for nested in _nested(descriptor):
        lines += [_print(nested, depth + 1), ""]
    lines += [pad + _field(item, descriptor) for item in sorted(descriptor.fields, key=lambda f: f.number)]
    return "\n".join(lines) + "\n"


def _nested(descriptor: Any) -> list[Any]:
    inner = {n.full_name: n for n in [*descriptor.enum_types, *descriptor.nested_types] if not is_map(n)}
    used = {u.full_name for n in inner.values() for u in uses(n)}
    return sorted(inner.values(), key=lambda n: (n.full_name not in used, n.full_name))


def _field(item: Any, owner: Any) -> str:
    base, mark, default = _plain(item, owner)
    oneof = item.containing_oneof
    if oneof is not None or default == "None":
        base, default = _optional(base), "None"
    facts = [str(item.number)] + ([mark] if mark else [])
    if oneof is not None and not oneof.name.startswith("_"):
        facts.append(f'oneof="{oneof.name}"')
    return f"{proto_name(item)}: Annotated[{base}, Field({', '.join(facts)})] = {default}"


def _plain(item: Any, owner: Any) -> tuple[str, str, str]:
    """Return the Python type, the text of Field.type and the default; a type with presence has default None."""
    used = item.message_type
    if used is not None and is_map(used):
        return f"dict[str, {_plain(used.fields_by_name['value'], owner)[0]}]", "", "{}"
    if used is not None and used.full_name in WELL_KNOWN:
        base, default = WELL_KNOWN[used.full_name], "None"
        mark = MARKED.get(used.name, "")
    elif used is not None:
        base, mark, default = _reference(used, owner), "", "None"
    elif item.enum_type is not None:
        name = _reference(item.enum_type, owner)
        base, mark, default = name, "", f"{name}.{item.enum_type.values_by_number[0].name}"
    else:
        base, mark, default = SCALARS[item.type]
        mark = mark and f'"{mark}"'
    if item.is_repeated:
        return f"list[{base}]", mark, "[]"
    return base, mark, default


def _optional(name: str) -> str:
    return f'"{name[1:-1]} | None"' if name.startswith('"') else f"{name} | None"


def _reference(used: Any, owner: Any) -> str:
    """Return how the class ``used`` is spelt inside the body of ``owner``."""
    path = used.full_name.removeprefix(used.file.package + ".")
    if used.containing_type is not None and used.containing_type.full_name == owner.full_name:
        return str(used.name)
    is_inside = top(used).full_name == top(owner).full_name
    return f'"{path}"' if is_inside else path
