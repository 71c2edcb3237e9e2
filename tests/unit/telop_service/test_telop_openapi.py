"""The OpenAPI document says what the service does: every route, and the shape of real answers."""

import json
from pathlib import Path
from typing import Any

import pytest

from jubako_apps.telop import receptions
from jubako_apps.telop.openapi import document
from jubako_sdk import put_json

jsonschema = pytest.importorskip("jsonschema")
FILE = Path(__file__).parents[3] / "docs/reference/telop-openapi.json"
METHODS = {"get", "post", "delete", "put", "patch"}


def validate(answer: Any, schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator({**schema, "components": document()["components"]}).validate(answer)


def schema_of(path: str, method: str, status: int) -> dict[str, Any]:
    content = document()["paths"][path][method]["responses"][str(status)]["content"]
    found: dict[str, Any] = next(iter(content.values()))["schema"]
    return found


def test_the_file_in_the_documentation_is_the_document():
    assert json.loads(FILE.read_text("utf-8")) == document()


def test_every_route_is_described_and_nothing_else():
    from jubako_apps.telop.service import Counter

    routes = {
        (route.path.replace(":str", ""), method.lower())
        for route in Counter(None, None, None, None).routes()  # type: ignore[arg-type]
        for method in route.methods or ()
        if method != "HEAD"
    }
    described = {(path, method) for path, methods in document()["paths"].items() for method in methods}
    assert described == routes
    assert {method for _, method in described} <= METHODS


def test_the_document_is_served_with_the_place_where_it_is_served(client):
    answer = client.get("/openapi.json", headers={"X-Forwarded-Prefix": "/run/local/x/telop"})
    assert answer.json()["servers"] == [{"url": "/run/local/x/telop"}]
    assert client.get("/openapi.json").json() == document()


def test_real_answers_have_the_described_shapes(client, place):
    posted = client.post("/videos", content=b"VIDEO", headers={"Content-Type": "video/mp4"})
    reception = posted.json()["id"]
    put_json(place, receptions.timing_name(reception, "ocr", 0), {"seconds": 1.5})
    asked = {
        ("/videos", "post"): posted,
        ("/healthz", "get"): client.get("/healthz"),
        ("/scripts", "post"): client.post("/scripts", params={"name": "a.srt"}, content=b"1"),
        ("/lists", "post"): client.post("/lists", params={"name": "a.csv"}, content=b"1"),
        ("/receptions", "get"): client.get("/receptions"),
        ("/receptions/{id}", "get"): client.get(f"/receptions/{reception}"),
        ("/receptions/{id}/rerun", "post"): client.post(f"/receptions/{reception}/rerun"),
        ("/receptions/{id}", "delete"): client.delete(f"/receptions/{reception}"),
    }
    for (path, method), answer in asked.items():
        validate(answer.json(), schema_of(path, method, answer.status_code))
    refused = client.post("/videos", content=b"", headers={"Content-Type": "video/mp4"})
    validate(refused.json(), schema_of("/videos", "post", refused.status_code))
    stream = client.get(f"/receptions/{reception}/events").text
    progress = json.loads(stream.split("data: ", 1)[1].split("\n", 1)[0])
    validate(progress, schema_of("/receptions/{id}/events", "get", 200))
