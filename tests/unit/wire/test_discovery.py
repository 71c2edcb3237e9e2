"""The documents that describe the APIs, made from toy tables and from the real ones."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from jubako.boxes.jobs.methods import EXECUTIONS, JOBS
from jubako.boxes.workflows.methods import EXECUTIONS as WORKFLOW_EXECUTIONS
from jubako.boxes.workflows.methods import WORKFLOWS
from jubako.core.errors import InvalidArgument
from jubako.wire.discovery import discovery_document, find, flat_path
from jubako.wire.discovery_routes import DiscoveryRoutes
from jubako.wire.extras import Extras
from jubako.wire.http import HttpRequest, HttpResponse
from jubako.wire.method import Api, Caller, HttpRule
from jubako.wire.openapi import openapi_document
from jubako.wire.operations_api import operations_methods
from jubako.wire.template import parse_template

ROOT = Path(__file__).parents[3]
BASE = "http://127.0.0.1:8123"


async def handler(*_: object) -> None:
    raise AssertionError


def api(name: str, version: str, methods) -> Api:
    handlers = dict.fromkeys((method.name for method in methods), handler)
    return Api(
        name=name, version=version, hosts=(f"{name}.googleapis.com",), methods=methods, handlers=handlers
    )


APIS = [
    api("run", "v2", [*JOBS, *EXECUTIONS, *operations_methods("run", "v2")]),
    api("workflows", "v1", [*WORKFLOWS, *operations_methods("workflows", "v1")]),
    api("workflowexecutions", "v1", WORKFLOW_EXECUTIONS),
]


class OpenAccess:
    async def check(self, permission: str, caller: Caller, resource: str = "") -> None:
        assert permission


async def get(path: str, query: str = "", host: str = "127.0.0.1:8123") -> HttpResponse:
    extras = Extras(DiscoveryRoutes(APIS, BASE).routes(), OpenAccess())
    request = HttpRequest(method="GET", path=path, query=query, headers={"host": host})
    assert extras.covers(path)
    response = await extras.handle(request, Caller(principal="user:local"))
    assert isinstance(response, HttpResponse)
    return response


@pytest.mark.parametrize(
    ("path", "flat"),
    [
        (
            "/v2/{parent=projects/*/locations/*}/jobs",
            "/v2/projects/{projectsId}/locations/{locationsId}/jobs",
        ),
        ("/v2/{name=projects/*/jobs/*}:run", "/v2/projects/{projectsId}/jobs/{jobsId}:run"),
        ("/v1/{name}", "/v1/{name}"),
        ("/v2/{parent=*/*}/logs", "/v2/{v2Id}/{v2Id1}/logs"),
    ],
)
def test_flat_paths_name_every_segment(path: str, flat: str) -> None:
    assert flat_path(HttpRule("GET", path)) == flat


def test_the_discovery_document_has_googles_shape() -> None:
    document = discovery_document(("run", "v2"), [APIS[0]], BASE)
    jobs = document["resources"]["projects"]["resources"]["locations"]["resources"]["jobs"]
    assert {"get", "list", "create", "patch", "delete", "run", "getIamPolicy"} <= jobs["methods"].keys()
    run = jobs["methods"]["run"]
    assert run["id"] == "run.projects.locations.jobs.run"
    assert run["path"] == "v2/{+name}:run"
    assert run["request"] == {"$ref": "GoogleCloudRunV2RunJobRequest"}
    assert run["response"] == {"$ref": "GoogleLongrunningOperation"}
    assert run["parameters"]["name"]["pattern"] == "^projects/[^/]+/locations/[^/]+/jobs/[^/]+$"
    create = jobs["methods"]["create"]["parameters"]
    assert create["jobId"] == {"type": "string", "location": "query"}
    assert create["validateOnly"]["type"] == "boolean"
    job = document["schemas"]["GoogleCloudRunV2Job"]["properties"]
    assert job["template"] == {"$ref": "GoogleCloudRunV2ExecutionTemplate"}
    assert job["generation"] == {"type": "string", "format": "int64"}
    assert "BETA" in job["launchStage"]["enum"]


def references(document: object) -> set[str]:
    if isinstance(document, dict):
        here = {document["$ref"]} if isinstance(document.get("$ref"), str) else set()
        return here.union(*(references(value) for value in document.values()))
    return set().union(*(references(value) for value in document)) if isinstance(document, list) else set()


@pytest.mark.parametrize("table", APIS, ids=lambda table: table.name)
def test_every_reference_of_a_discovery_document_leads_to_a_schema(table: Api) -> None:
    document = discovery_document((table.name, table.version), [table], BASE)
    assert references(document) == references(document) & document["schemas"].keys()


def test_every_reference_of_the_openapi_document_leads_to_a_schema() -> None:
    document = openapi_document(APIS, BASE)
    known = {
        f"#/components/{kind}/{name}" for kind, named in document["components"].items() for name in named
    }
    assert references(document) <= known
    operations = [one for path in document["paths"].values() for one in path.values()]
    assert len({one["operationId"] for one in operations}) == len(operations)
    rules = [rule for table in APIS for method in table.methods for rule in method.http]
    assert len(operations) == len(rules)


def test_the_openapi_paths_are_the_router_s() -> None:
    document = openapi_document(APIS, BASE)
    for path, verbs in document["paths"].items():
        template = parse_template(path)
        assert template.segments
        for operation in verbs.values():
            names = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
            assert names == set(template.variables)


def test_a_method_that_nobody_answers_is_left_out() -> None:
    table = Api(name="run", version="v2", hosts=(), methods=JOBS, handlers={JOBS[0].name: handler})
    assert sum(len(verbs) for verbs in openapi_document([table], BASE)["paths"].values()) == 1


async def test_the_documents_are_served() -> None:
    listed = json.loads((await get("/discovery/v1/apis")).body)
    assert [one["id"] for one in listed["items"]] == ["run:v2", "workflows:v1", "workflowexecutions:v1"]
    for one in listed["items"]:
        served = json.loads((await get(one["discoveryRestUrl"].removeprefix(BASE))).body)
        assert served["id"] == one["id"]
    by_host = await get("/$discovery/rest", "version=v1", "asia-northeast1-workflows.googleapis.com")
    assert json.loads(by_host.body)["id"] == "workflows:v1"
    assert json.loads((await get("/$discovery/rest", "version=v2")).body)["id"] == "run:v2"
    assert json.loads((await get("/jubako/v1/openapi.json")).body)["openapi"] == "3.0.3"


async def test_a_document_that_the_request_does_not_settle_is_refused() -> None:
    for query in ("version=v1", "version=v9", "api=nothing"):
        with pytest.raises(InvalidArgument, match="api=run&version=v2"):
            await get("/$discovery/rest", query)
    assert find(APIS, "workflows", "", "")[0] == ("workflows", "v1")


def generator() -> ModuleType:
    path = ROOT / "tools" / "generate_api_reference.py"
    spec = importlib.util.spec_from_file_location("generate_api_reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_page_is_current() -> None:
    tool = generator()
    assert tool.PAGE.read_text("utf-8") == tool.page(), "run tools/generate_api_reference.py"
