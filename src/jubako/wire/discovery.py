"""What an API says of itself in Google's words: the discovery document, made of the method tables.

Source of the shapes: Google API Discovery Service, "Method and schema reference".
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jubako.core.errors import InvalidArgument
from jubako.wire.method import Api, HttpRule, Method
from jubako.wire.schema import ANY, DURATION, FIELD_MASK, STRUCT, TIMESTAMP, Enumeration, Message
from jubako.wire.shape import Label, Shape, by_name, shapes

Json = dict[str, Any]

_VARIABLE = re.compile(r"\{([^=}]+)(?:=([^}]+))?\}")
_FORMATS: Mapping[str, Json] = {
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    "bytes": {"type": "string", "format": "byte"},
    "int32": {"type": "integer", "format": "int32"},
    "uint32": {"type": "integer", "format": "uint32"},
    "int64": {"type": "string", "format": "int64"},
    "uint64": {"type": "string", "format": "uint64"},
    "float": {"type": "number", "format": "float"},
    "double": {"type": "number", "format": "double"},
    TIMESTAMP: {"type": "string", "format": "google-datetime"},
    DURATION: {"type": "string", "format": "google-duration"},
    FIELD_MASK: {"type": "string", "format": "google-fieldmask"},
    ANY: {"type": "object", "additionalProperties": {"type": "any"}},
    STRUCT: {"type": "object", "additionalProperties": {"type": "any"}},
}


def discovery_document(document: tuple[str, str], apis: Sequence[Api], base_url: str) -> Json:
    """Return the document of one version of an API.

    Args:
        document: Its name and version.
        apis: The tables that make it up.
        base_url: Where it is served.

    """
    name, version = document
    root: Json = {}
    for method in implemented(apis):
        if method.http:
            _put(root, name, method)
    return {
        "kind": "discovery#restDescription",
        "discoveryVersion": "v1",
        "protocol": "rest",
        "id": f"{name}:{version}",
        "name": name,
        "version": version,
        "title": f"Jubako's {name} API",
        "rootUrl": f"{base_url}/",
        "servicePath": "",
        "baseUrl": f"{base_url}/",
        "batchPath": "batch",
        "parameters": {"alt": {"type": "string", "location": "query", "default": "json", "enum": ["json"]}},
        "resources": root.get("resources", {}),
        "schemas": message_schemas(apis),
    }


def implemented(apis: Iterable[Api]) -> list[Method]:
    """Return the methods that are answered, in the order of their tables."""
    return [method for api in apis for method in api.methods if method.name in api.handlers]


def by_document(apis: Sequence[Api]) -> dict[tuple[str, str], list[Api]]:
    """Return the tables with methods of each API and version; an API is what one host serves, as at Google."""
    found: dict[tuple[str, str], list[Api]] = {}
    for api in apis:
        for host in api.hosts if api.methods else ():
            found.setdefault((host.partition(".")[0], api.version), []).append(api)
    return found


def flat_path(rule: HttpRule) -> str:
    """Return ``/v2/projects/{projectsId}/jobs/{jobsId}`` for ``/v2/{name=projects/*/jobs/*}``.

    A segment is named after the one before it, and numbered where that name is taken:
    ``/v2/{v2Id}/{v2Id1}/logs`` for ``/v2/{parent=*/*}/logs``, as Google's documents have it.
    """
    literal = ""
    parts: list[str] = []
    for part in _VARIABLE.sub(_unpacked, rule.path).split("/"):
        segment, colon, verb = part.partition(":")
        if segment.startswith("*"):
            name = segment.strip("*") or f"{literal}Id"
            taken = sum(other.startswith(f"{{{name}") for other in parts)
            parts.append(f"{{{name}{taken or ''}}}{colon}{verb}")
        else:
            literal = segment
            parts.append(part)
    return "/".join(parts)


def path_parameters(rule: HttpRule) -> list[str]:
    """Return the names in ``flat_path``, in order."""
    return re.findall(r"\{([^}]+)\}", flat_path(rule))


def message_classes(apis: Sequence[Api]) -> list[type[Message]]:
    """Return every message that the methods use, by schema name."""
    found: dict[str, type[Message]] = {}
    for method in implemented(apis):
        long_running = method.long_running
        extra = (long_running.response, long_running.metadata) if long_running else ()
        for cls in (method.request, method.response, *extra):
            _reach(cls, found)
    return [found[name] for name in sorted(found)]


def schema_name(cls: type[Any]) -> str:
    """Return such as ``GoogleCloudRunV2Job``, as Google names it."""
    return "".join(part[0].upper() + part[1:] for part in cls.__proto__.split("."))


def query_fields(method: Method, rule: HttpRule) -> list[Shape]:
    """Return the fields of the request that are query parameters under a rule: messages and maps cannot be."""
    if rule.body == "*":
        return []
    taken = {found[1].partition(".")[0] for found in _VARIABLE.finditer(rule.path)} | {rule.body}
    return [
        shape
        for shape in shapes(method.request)
        if shape.name not in taken
        and shape.label is not Label.MAP
        and not (shape.kind == "message" and shape.cls)
    ]


def body_class(method: Method, rule: HttpRule) -> type[Message] | None:
    """Return the message that the body is under a rule, if it has one."""
    if not rule.body:
        return None
    found: type[Message] = method.request if rule.body == "*" else by_name(method.request)[rule.body].cls
    return found


def property_of(shape: Shape) -> Json:
    """Return the schema of one field."""
    one: Json = dict(_FORMATS.get(shape.type_name or shape.kind, {}))
    if shape.kind == "enum":
        one = {"type": "string", "enum": list(shape.cls.__members__)}
    elif shape.cls is not None:
        one = {"$ref": schema_name(shape.cls)}
    if shape.label is Label.REPEATED:
        return {"type": "array", "items": one}
    if shape.label is Label.MAP:
        return {"type": "object", "additionalProperties": one}
    return one


def find(apis: Sequence[Api], name: str, version: str, host: str) -> tuple[tuple[str, str], list[Api]]:
    """Return a document's name and version and its tables.

    Args:
        apis: All tables.
        name: Such as ``run``; "" if the request does not say.
        version: Such as ``v2``; "" if the request does not say.
        host: The name of Google's that was asked, regional or not; "" if it was none.

    Raises:
        InvalidArgument: There is none, or several.

    """
    stem = host.partition(".")[0]
    documents = by_document(apis)
    candidates = [
        key
        for key in documents
        if key[1] == (version or key[1])
        and key[0] == (name or key[0])
        and (name or not stem or stem == key[0] or stem.endswith(f"-{key[0]}"))
    ]
    if len(candidates) != 1:
        known = ", ".join(f"api={one}&version={number}" for one, number in documents)
        raise InvalidArgument(f"The query must name one of: {known}.")
    return candidates[0], documents[candidates[0]]


def _unpacked(found: re.Match[str]) -> str:
    """Return the pattern of a variable; one that is a single segment keeps its own name, as ``*name*``."""
    pattern = found[2] or "*"
    return f"*{found[1]}*" if pattern == "*" else pattern


def _put(root: Json, api: str, method: Method) -> None:
    rule = method.http[0]
    parts = [part for part in flat_path(rule).partition(":")[0].split("/")[2:] if not part.startswith("{")]
    at = root
    for part in parts:
        at = at.setdefault("resources", {}).setdefault(part, {})
    path = flat_path(rule).removeprefix("/")
    name = method.name.rpartition(".")[2]
    verb = path.rpartition(":")[2] if ":" in path else _verb(name)
    at.setdefault("methods", {})[verb] = _method(method, rule, ".".join([api, *parts, verb]), path)


def _verb(name: str) -> str:
    """Return ``get`` for GetJob, ``patch`` for UpdateJob, as discovery documents call them."""
    first = re.match(r"[A-Z][a-z]+", name)
    assert first is not None, name
    return {"update": "patch"}.get(first[0].lower(), first[0].lower())


def _method(method: Method, rule: HttpRule, name: str, path: str) -> Json:
    parameters: Json = {
        shape.json_name: {**_scalar(property_of(shape)), "location": "query"}
        for shape in query_fields(method, rule)
    }
    for variable, pattern in _VARIABLE.findall(rule.path):
        expression = "^" + (pattern or "*").replace("*", "[^/]+") + "$"
        parameters[variable] = {"type": "string", "location": "path", "required": True, "pattern": expression}
    document: Json = {
        "id": name,
        "path": re.sub(r"\{([^=}]+)[^}]*\}", r"{+\1}", rule.path).removeprefix("/"),
        "flatPath": path,
        "httpMethod": rule.verb,
        "parameters": parameters,
        "parameterOrder": [variable for variable, _ in _VARIABLE.findall(rule.path)],
        "response": {"$ref": schema_name(method.response)},
    }
    body = body_class(method, rule)
    if body is not None:
        document["request"] = {"$ref": schema_name(body)}
    return document


def _scalar(schema: Json) -> Json:
    return {**schema["items"], "repeated": True} if schema.get("type") == "array" else schema


def message_schemas(apis: Sequence[Api]) -> dict[str, Json]:
    """Return the schema of every message that the methods use, by its name."""
    return {
        schema_name(cls): {
            "id": schema_name(cls),
            "type": "object",
            "properties": {shape.json_name: property_of(shape) for shape in shapes(cls)},
        }
        for cls in message_classes(apis)
    }


def _reach(cls: type[Message], found: dict[str, type[Message]]) -> None:
    if schema_name(cls) in found:
        return
    found[schema_name(cls)] = cls
    for shape in shapes(cls):
        if shape.cls is not None and not issubclass(shape.cls, Enumeration):
            _reach(shape.cls, found)
