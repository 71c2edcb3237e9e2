"""Whatever comes in, the router answers with 2xx or a named 4xx or 501, and never calls it a bug."""

import json
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st

from jubako.boxes.jobs import methods as job_methods
from jubako.boxes.services import methods as service_methods
from jubako.boxes.workflows import methods as workflow_methods
from jubako.testing.events import RecordedEvents
from jubako.wire.http import HttpRequest
from jubako.wire.method import Api, Caller
from jubako.wire.rest import Router

TABLES = [job_methods.JOBS, job_methods.EXECUTIONS, service_methods.SERVICES, workflow_methods.WORKFLOWS]
RULES = [rule for table in TABLES for method in table for rule in method.http]
WORDS = [
    "job",
    "template",
    "labels",
    "name",
    "pageSize",
    "updateMask",
    "validate_only",
    "$alt",
    "options",
    "x",
    "",
]
KEYS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(".".join)
TEXT = st.text(max_size=6) | st.sampled_from(["true", "1", "-1", "9e9", "3.5s", "json;enum-encoding=int"])
QUERIES = st.lists(st.tuples(KEYS, TEXT), max_size=3)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3),
    max_leaves=6,
)


EVENTS = RecordedEvents()


class OpenAccess:
    async def check(self, permission: str, caller: Caller, resource: str = "") -> None:
        assert permission


def open_router() -> Router:
    apis = []
    for number, table in enumerate(TABLES):
        handlers = {method.name: answering(method.response) for method in table}
        apis.append(Api(name=str(number), version="v", hosts=(), methods=table, handlers=handlers))
    return Router(apis, OpenAccess(), EVENTS)


def answering(response: type):
    async def handle(request: object, caller: Caller) -> object:
        return response()

    return handle


def path_of(template: str, segments: list[str]) -> str:
    """A path of this template with ``segments`` in place of its stars."""
    rest = iter(segments)
    plain = template.replace("{", "").replace("}", "")
    plain = "/".join(part.split("=")[-1] for part in plain.split("/"))
    return "".join(next(rest, "x") if letter == "*" else letter for letter in plain)


ROUTER = open_router()
SEGMENTS = st.lists(
    st.text(max_size=4).map(lambda t: quote(t, safe="")) | st.text("%aF2:/.", max_size=4), max_size=4
)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(RULES), SEGMENTS, QUERIES, VALUES | st.binary(max_size=8))
async def test_any_request_is_answered_by_name(rule, segments, query, body) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    text = "&".join(f"{quote(key)}={quote(value)}" for key, value in query)
    request = HttpRequest(method=rule.verb, path=path_of(rule.path, segments), query=text, body=data)
    response = await ROUTER.handle(request, Caller(principal="user:local"))
    assert response.status in {200, 400, 404, 405}, response.body
    assert EVENTS.all == []
    if response.status != 200:
        error = json.loads(response.body)["error"]
        assert error["code"] == response.status
        assert len(error["message"]) < 1000


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40), st.binary(max_size=20))
async def test_any_path_and_query_is_answered_by_name(path: str, query: str, body: bytes) -> None:
    request = HttpRequest(method="POST", path=f"/v2/projects/p/locations/{path}", query=query, body=body)
    response = await ROUTER.handle(request, Caller(principal="user:local"))
    assert response.status < 500, response.body
    assert EVENTS.all == []
