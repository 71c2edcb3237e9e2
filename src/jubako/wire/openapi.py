"""One OpenAPI document for all APIs, made of the method tables.

Source of the shapes: OpenAPI Specification 3.0.3.
"""

from collections import Counter
from collections.abc import Sequence

from jubako.wire.discovery import (
    Json,
    body_class,
    flat_path,
    implemented,
    message_schemas,
    path_parameters,
    property_of,
    query_fields,
    schema_name,
)
from jubako.wire.errors import HTTP_STATUS
from jubako.wire.method import Api, HttpRule, Method

_ERROR_STATUSES = sorted({*HTTP_STATUS.values(), 413, 431} - {200, 500})
"""All that an error can be; 500 is a bug of ours, and so is nothing to expect."""


def openapi_document(apis: Sequence[Api], base_url: str) -> Json:
    """Return the document; ``base_url`` is where the APIs are served."""
    paths: dict[str, Json] = {}
    counts: Counter[str] = Counter()
    for method in implemented(apis):
        for rule in method.http:
            counts[method.name] += 1
            operation = _operation(method, rule)
            operation["operationId"] = f"{method.name}.{counts[method.name]}"
            paths.setdefault(flat_path(rule), {})[rule.verb.lower()] = operation
    schemas = {name: _openapi(schema) for name, schema in message_schemas(apis).items()}
    return {
        "openapi": "3.0.3",
        "info": {"title": "Jubako", "version": "v1"},
        "servers": [{"url": base_url}],
        "paths": paths,
        "components": {
            "schemas": {**schemas, "Error": _ERROR},
            "responses": {"Error": {"description": "Error", "content": _json(_ref("schemas", "Error"))}},
        },
    }


def _operation(method: Method, rule: HttpRule) -> Json:
    parameters: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in path_parameters(rule)
    ]
    parameters += [
        {"name": shape.json_name, "in": "query", "schema": _openapi(property_of(shape))}
        for shape in query_fields(method, rule)
    ]
    document: Json = {
        "tags": [method.name.rpartition(".")[0]],
        "parameters": parameters,
        "responses": {
            "200": {"description": "OK", "content": _json(_ref("schemas", schema_name(method.response)))},
            **{str(status): _ref("responses", "Error") for status in _ERROR_STATUSES},
        },
    }
    body = body_class(method, rule)
    if body is not None:
        document["requestBody"] = {"content": _json(_ref("schemas", schema_name(body)))}
    return document


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _ref(kind: str, name: str) -> Json:
    return {"$ref": f"#/components/{kind}/{name}"}


def _openapi(schema: Json) -> Json:
    """Return a discovery schema as OpenAPI writes it."""
    if "$ref" in schema:
        return _ref("schemas", schema["$ref"])
    if schema.get("type") == "any":
        return {}
    changed = {key: value for key, value in schema.items() if key != "id"}
    if changed.get("format") == "google-datetime":
        changed["format"] = "date-time"
    for key in ("items", "additionalProperties"):
        if key in changed:
            changed[key] = _openapi(changed[key])
    if "properties" in changed:
        changed["properties"] = {name: _openapi(value) for name, value in changed["properties"].items()}
        changed["additionalProperties"] = False
    return changed


_ERROR: Json = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "status"],
            "additionalProperties": False,
            "properties": {
                "code": {"type": "integer"},
                "message": {"type": "string", "minLength": 1},
                "status": {"type": "string", "enum": sorted(HTTP_STATUS.keys() - {"OK"})},
                "details": {"type": "array", "items": {"type": "object"}},
            },
        }
    },
}
