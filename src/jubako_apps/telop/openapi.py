"""The reception API for programs: an OpenAPI 3.1 document, served at ``/openapi.json``.

A test holds it equal to the routes, to the answers that they give, and to docs/reference/telop-openapi.json.
"""

from typing import Any, Final

from jubako_apps.telop.desk import FINAL
from jubako_apps.telop.receptions import LANGUAGES, MODES, STAGES
from jubako_apps.telop.sources import SPEECHES

Json = dict[str, Any]

VERSION: Final = "1.0"


def document(server: str = "/") -> Json:
    """Return the document; ``server`` is the path below which the service answers."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Telop check: reception",
            "version": VERSION,
            "description": "Takes videos in, checks their burned-in captions, gives reports.",
        },
        "servers": [{"url": server}],
        "paths": _paths(),
        "components": {"schemas": _schemas()},
    }


def _paths() -> Json:
    one, report = [_named("id", "path", _ID)], {"type": "string", "enum": ["report.json", "report.html"]}
    return {
        "/healthz": {"get": _does("Whether the process answers.", {"200": _json(_object(status=_TEXT))})},
        "/openapi.json": {"get": _does("This document.", {"200": _json({"type": "object"})})},
        "/scripts": {"post": _upload("Keep a script.", "script", ".srt, .vtt, .ttml, .xml or .txt")},
        "/lists": {"post": _upload("Keep a glossary or a list of NG words.", "list", ".csv")},
        "/videos": {"post": _video()},
        "/events": {"post": _event()},
        "/receptions": {
            "get": _does("All receptions.", {"200": _json(_object(receptions=_many(_ref("Reception"))))})
        },
        "/receptions/{id}": {
            "get": _does("One reception.", _found({"200": _json(_ref("Reception"))}), one),
            "delete": _does(
                "Cancel it, or with data=true remove it with everything that belongs to it.",
                _found({code: _json(_REMOVAL) for code in ("200", "202")} | {"400": _json(_ref("Error"))}),
                [
                    *one,
                    _named("data", "query", {"type": "string", "enum": ["true", "false"]}, required=False),
                ],
            ),
        },
        "/receptions/{id}/rerun": {
            "post": _does(
                "Start what has ended once more; only what has no result is done.",
                _found({code: _json(_ref("Reception")) for code in ("200", "202")}),
                one,
            )
        },
        "/receptions/{id}/events": {
            "get": _does(
                "Progress until the end; events: progress, end.",
                _found({"200": _body("text/event-stream", _ref("Progress"))}),
                one,
            )
        },
        "/receptions/{id}/{report}": {
            "get": _does(
                "The result.",
                _found(
                    {
                        "200": {
                            "description": "JSON or a page.",
                            "content": {
                                "application/json": {"schema": {"type": "object"}},
                                "text/html": {"schema": _TEXT},
                            },
                        }
                    }
                ),
                [*one, _named("report", "path", report)],
            )
        },
    }


def _video() -> Json:
    fields = _schemas()["Wish"]["properties"]
    words = [_named(name, "query", schema, required=False) for name, schema in fields.items()]
    key = _named(
        "Idempotency-Key", "header", {"type": "string", "minLength": 1, "maxLength": 256}, required=False
    )
    place = {"path": _TEXT, "bucket": _TEXT, "object": _TEXT, **fields}
    content = {
        "application/json": {
            "schema": {"type": "object", "properties": place, "additionalProperties": False}
        },
        "application/octet-stream": {"schema": _BINARY},
        "video/*": {"schema": _BINARY},
    }
    answers = {code: _json(_ref("Reception")) for code in ("200", "202")}
    refusals = {code: _json(_ref("Error")) for code in ("400", "403", "409", "413", "415", "422", "507")}
    found = _does("Take a video in and start its check.", answers | refusals, [*words, key])
    return found | {"requestBody": {"required": True, "content": content}}


def _event() -> Json:
    data = _object(bucket=_TEXT, name=_TEXT, generation=_TEXT, metadata={"type": "object"})
    taken = {
        "type": "object",
        "properties": dict.fromkeys(("reception", "ignored", "refused", "object"), _TEXT),
    }
    answers = {code: _json(taken) for code in ("200", "202")} | {"400": _json(_ref("Error"))}
    found = _does("A CloudEvent: an object was finalized in a bucket.", answers)
    return found | {"requestBody": {"required": True, "content": {"application/json": {"schema": data}}}}


def _upload(what: str, field: str, kinds: str) -> Json:
    words = [
        _named("name", "query", _TEXT | {"description": f"A file name that ends in {kinds}"}),
        _named("language", "query", {"type": "string", "enum": list(LANGUAGES)}, required=False),
    ]
    refusals = {code: _json(_ref("Error")) for code in ("400", "413", "422")}
    found = _does(what, {"201": _json(_object(**{field: _TEXT}))} | refusals, words)
    return found | {
        "requestBody": {"required": True, "content": {"application/octet-stream": {"schema": _BINARY}}}
    }


def _schemas() -> Json:
    count = _object(done=_COUNT, total=_COUNT)
    state = {"type": "string", "enum": ["RECEIVED", "RUNNING", *sorted(FINAL)]}
    mode, language = ({"type": "string", "enum": list(values)} for values in (MODES, LANGUAGES))
    branches = _object(**dict.fromkeys(STAGES, count))
    return {
        "Error": _object(error=_object(code={"type": "integer"}, message=_TEXT)),
        "Wish": {
            "type": "object",
            "properties": {
                "name": _TEXT,
                "language": language,
                "mode": mode,
                "speech": {"type": "string", "enum": list(SPEECHES)},
                "segment_seconds": {"type": "number", "minimum": 5, "maximum": 600},
                "script": _TEXT,
                "glossary": _TEXT,
                "ng_words": _TEXT,
            },
        },
        "Reception": _object(
            id=_ID,
            state=state,
            cancelling={"type": "boolean"},
            reason=_MAYBE,
            missing=_many(_TEXT),
            progress=_SHARE,
            branches=branches,
            seconds={"type": "object", "additionalProperties": {"type": "number"}},
            name=_TEXT,
            language=language,
            mode=mode,
            speech=_TEXT,
            duration={"type": "number"},
            segments=_COUNT,
            links={"type": "object", "required": ["self"], "additionalProperties": _TEXT},
        ),
        "Progress": _object(
            state=state, progress=_SHARE, branches=branches, secondsLeft={"type": ["number", "null"]}
        ),
    }


def _does(what: str, answers: Json, parameters: list[Json] | None = None) -> Json:
    return {"summary": what, "responses": answers} | ({"parameters": parameters} if parameters else {})


def _found(answers: Json) -> Json:
    return answers | {code: _json(_ref("Error")) for code in ("404", "503")}


def _json(schema: Json) -> Json:
    return _body("application/json", schema)


def _body(kind: str, schema: Json) -> Json:
    return {"description": "See the schema.", "content": {kind: {"schema": schema}}}


def _named(name: str, place: str, schema: Json, *, required: bool = True) -> Json:
    return {"name": name, "in": place, "required": required, "schema": schema}


def _object(**properties: Json) -> Json:
    return {"type": "object", "required": list(properties), "properties": properties}


def _many(schema: Json) -> Json:
    return {"type": "array", "items": schema}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


_TEXT: Final[Json] = {"type": "string"}
_MAYBE: Final[Json] = {"type": ["string", "null"]}
_BINARY: Final[Json] = {"type": "string", "format": "binary"}
_COUNT: Final[Json] = {"type": "integer", "minimum": 0}
_SHARE: Final[Json] = {"type": "number", "minimum": 0, "maximum": 1}
_ID: Final[Json] = {"type": "string", "pattern": "^r-[0-9a-f]{24}$"}
_REMOVAL: Final[Json] = {"anyOf": [_ref("Reception"), _object(id=_ID, removed={"type": "boolean"})]}
