"""Protobuf descriptors of our messages, built while the program runs, in a pool of our own.

1. One file per outermost message or enum, added with all that it uses when it is first asked for.
2. The pool is private: Google's packages may define the same names in the same process.
3. Fields are named by their JSON names, because that is what msgspec writes; the wire knows only numbers.
"""

import sys
from collections.abc import Iterator
from functools import cache
from typing import Any

from google.protobuf import any_pb2, duration_pb2, field_mask_pb2, struct_pb2, timestamp_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from jubako.wire.schema import ANY, DURATION, FIELD_MASK, STRUCT, TIMESTAMP, Enumeration, Message
from jubako.wire.shape import Label, Shape, shapes

_WELL_KNOWN = {
    ANY: any_pb2,
    DURATION: duration_pb2,
    FIELD_MASK: field_mask_pb2,
    STRUCT: struct_pb2,
    TIMESTAMP: timestamp_pb2,
}
_POOL = DescriptorPool()
_added: dict[str, str] = {}
"""Full name of each outermost message or enum in the pool, to its file."""
for _module in _WELL_KNOWN.values():
    _POOL.AddSerializedFile(_module.DESCRIPTOR.serialized_pb)


@cache
def protobuf_class(cls: type[Message]) -> Any:  # noqa: ANN401 - protobuf's classes are made at run time
    """Return protobuf's class for the wire form of ``cls``."""
    add(outermost(cls))
    return GetMessageClass(_POOL.FindMessageTypeByName(cls.__proto__))


def well_known_class(name: str) -> Any:  # noqa: ANN401
    """Return protobuf's class for one of the messages that are plain Python values with us."""
    return GetMessageClass(_POOL.FindMessageTypeByName(name))


def outermost(cls: type[Any]) -> type[Any]:
    """Return the class of the message or enum around ``cls``; itself if it stands alone."""
    found: type[Any] = getattr(sys.modules[cls.__module__], cls.__qualname__.partition(".")[0])
    return found


def add(cls: type[Any]) -> str:
    """Put the file of an outermost class into the pool, after those it uses; return the file's name."""
    if cls.__proto__ in _added:
        return _added[cls.__proto__]
    file = FileDescriptorProto(
        name=f"jubako/{cls.__proto__}.proto", package=cls.__proto__.rpartition(".")[0], syntax="proto3"
    )
    file.dependency.extend(sorted(_dependencies(cls)))
    if issubclass(cls, Enumeration):
        file.enum_type.append(_enum(cls))
    else:
        file.message_type.append(_message(cls))
    _POOL.AddSerializedFile(file.SerializeToString())
    _added[cls.__proto__] = file.name
    return _added[cls.__proto__]


def nested(cls: type[Message]) -> Iterator[type[Any]]:
    """Yield the messages and enums that are defined inside ``cls``."""
    for inner in vars(cls).values():
        is_type = isinstance(inner, type) and issubclass(inner, Message | Enumeration)
        if is_type and inner.__qualname__ == f"{cls.__qualname__}.{inner.__name__}":
            yield inner


def _dependencies(cls: type[Any]) -> set[str]:
    if issubclass(cls, Enumeration):
        return set()
    message: type[Message] = cls
    needed: set[str] = set()
    for shape in shapes(message):
        if shape.cls is not None and _is_elsewhere(shape.cls, cls):
            needed.add(add(outermost(shape.cls)))
        elif shape.type_name in _WELL_KNOWN:
            needed.add(_WELL_KNOWN[shape.type_name].DESCRIPTOR.name)
    return needed.union(*(_dependencies(inner) for inner in nested(message)))


def _is_elsewhere(used: type[Any], user: type[Any]) -> bool:
    return outermost(used) is not outermost(user)


def _message(cls: type[Message]) -> DescriptorProto:
    message = DescriptorProto(name=cls.__name__)
    for inner in nested(cls):
        if issubclass(inner, Enumeration):
            message.enum_type.append(_enum(inner))
        else:
            message.nested_type.append(_message(inner))
    oneofs: dict[str, int] = {}
    for shape in shapes(cls):
        if shape.oneof and shape.oneof not in oneofs:
            oneofs[shape.oneof] = len(oneofs)
            message.oneof_decl.add(name=shape.oneof)
    for shape in shapes(cls):
        message.field.append(_field(cls, shape, message, oneofs))
    # The oneofs that stand for proto3's optional must come after all others.
    for field in message.field:
        if field.proto3_optional:
            field.oneof_index = len(message.oneof_decl)
            message.oneof_decl.add(name=f"_{field.name}")
    return message


def _field(
    cls: type[Message], shape: Shape, message: DescriptorProto, oneofs: dict[str, int]
) -> FieldDescriptorProto:
    field = FieldDescriptorProto(name=shape.json_name, json_name=shape.json_name, number=shape.number)
    field.label = (
        FieldDescriptorProto.LABEL_OPTIONAL
        if shape.label is Label.SINGULAR
        else FieldDescriptorProto.LABEL_REPEATED
    )
    if shape.label is Label.MAP:
        entry = _entry(shape)
        message.nested_type.append(entry)
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = f".{cls.__proto__}.{entry.name}"
        return field
    _type(field, shape)
    if shape.oneof:
        field.oneof_index = oneofs[shape.oneof]
    elif shape.has_presence and shape.kind != "message":
        field.proto3_optional = True
    return field


def _entry(shape: Shape) -> DescriptorProto:
    """Return the hidden message of a map field. Source: protobuf's language guide, "Maps"."""
    entry = DescriptorProto(name=f"{shape.json_name[0].upper()}{shape.json_name[1:]}Entry")
    entry.options.map_entry = True
    optional = FieldDescriptorProto.LABEL_OPTIONAL
    entry.field.add(name="key", number=1, label=optional, type=FieldDescriptorProto.TYPE_STRING)
    _type(entry.field.add(name="value", number=2, label=optional), shape)
    return entry


def _type(field: FieldDescriptorProto, shape: Shape) -> None:
    field.type = FieldDescriptorProto.Type.Value(f"TYPE_{shape.kind.upper()}")
    if shape.type_name:
        field.type_name = f".{shape.type_name}"


def _enum(cls: type[Enumeration]) -> EnumDescriptorProto:
    enum = EnumDescriptorProto(name=cls.__name__)
    for name, member in cls.__members__.items():
        enum.value.add(name=name, number=member.value)
    # The first value of an open enum must be zero, whatever the order of the members.
    enum.value.sort(key=lambda value: value.number != 0)
    enum.options.allow_alias = len({value.number for value in enum.value}) < len(enum.value)
    if not enum.options.allow_alias:
        enum.ClearField("options")
    return enum
