"""Every documented connector of an API that is served here has Google's own name."""

import pytest

from jubako.boxes.jobs.methods import EXECUTIONS as RUN_EXECUTIONS
from jubako.boxes.jobs.methods import JOBS
from jubako.boxes.workflows.connectors import connectors, request_of
from jubako.boxes.workflows.methods import EXECUTIONS, WORKFLOWS
from jubako.wire.logging_api import HOSTS
from jubako.wire.logging_methods import LOGGING
from jubako.wire.method import Api, Caller, Document, DocumentRequest, document_routes
from jubako.wire.operations_api import operations_methods

KNOWN = connectors([Api(name="logging", version="v2", hosts=HOSTS, methods=LOGGING, handlers={})])


@pytest.mark.parametrize("verb", ["write", "list"])
def test_a_method_whose_address_names_no_resource_is_a_connector(verb: str) -> None:
    connector = KNOWN[f"googleapis.logging.v2.entries.{verb}"]
    request = request_of(connector, {"body": {"entries": []}, "connector_params": {}})
    assert not isinstance(request, str)
    assert (request.verb, request.url) == ("POST", f"https://logging.googleapis.com/v2/entries:{verb}")
    assert request.body == {"entries": []}


def test_a_method_with_a_resource_still_wants_it() -> None:
    connector = next(known for known in KNOWN.values() if known.resource)
    assert "needs the argument" in str(request_of(connector, {}))


async def nothing(request: DocumentRequest, caller: Caller) -> Document:
    raise AssertionError((request, caller))


def api(name: str, version: str, methods: object, documents: object = ()) -> Api:
    return Api(
        name=name,
        version=version,
        hosts=(f"{name}.googleapis.com",),
        methods=methods,  # type: ignore[arg-type]
        handlers={},
        documents=documents,  # type: ignore[arg-type]
    )


KRM = "/apis/run.googleapis.com/v1/namespaces/{namespace}/jobs"
SERVED = connectors(
    [
        api("run", "v2", [*JOBS, *RUN_EXECUTIONS, *operations_methods("run", "v2")]),
        api(
            "run",
            "v2",
            (),
            document_routes(
                [
                    ("POST", KRM, "", nothing),
                    ("GET", KRM, "", nothing),
                    ("PUT", KRM + "/{job}", "", nothing),
                    ("POST", KRM + "/{job}:run", "", nothing),
                ]
            ),
        ),
        api("workflows", "v1", WORKFLOWS),
        api("workflowexecutions", "v1", EXECUTIONS),
    ]
)
RUN2, RUN1 = "run.v2.projects.locations.jobs", "run.v1.namespaces.jobs"
CHILD = "workflowexecutions.v1.projects.locations.workflows.executions"
JOB, FLOW = "projects/p/locations/l/jobs/j", "projects/p/locations/l/workflows/w"
CALLS = [
    (f"{RUN2}.run", {"name": JOB, "body": {}}, f"POST run.googleapis.com/v2/{JOB}:run"),
    (f"{RUN2}.create", {"parent": "projects/p/locations/l", "jobId": "j", "body": {}},
     "POST run.googleapis.com/v2/projects/p/locations/l/jobs?jobId=j"),
    (f"{RUN2}.patch", {"name": JOB, "allowMissing": True, "body": {}},
     f"PATCH run.googleapis.com/v2/{JOB}?allowMissing=true"),
    (f"{RUN2}.delete", {"name": JOB}, f"DELETE run.googleapis.com/v2/{JOB}"),
    (f"{RUN2}.list", {"parent": "projects/p/locations/l", "pageSize": 5},
     "GET run.googleapis.com/v2/projects/p/locations/l/jobs?pageSize=5"),
    (f"{RUN2}.executions.list", {"parent": JOB}, f"GET run.googleapis.com/v2/{JOB}/executions"),
    (f"{RUN2}.executions.cancel", {"name": f"{JOB}/executions/e", "body": {}},
     f"POST run.googleapis.com/v2/{JOB}/executions/e:cancel"),
    ("run.v2.projects.locations.operations.get", {"name": "projects/p/locations/l/operations/o"},
     "GET run.googleapis.com/v2/projects/p/locations/l/operations/o"),
    (f"{RUN1}.run", {"name": "namespaces/p/jobs/j", "location": "asia-northeast1", "body": {}},
     "POST asia-northeast1-run.googleapis.com/apis/run.googleapis.com/v1/namespaces/p/jobs/j:run"),
    (f"{RUN1}.create", {"parent": "namespaces/p", "location": "us-central1", "body": {}},
     "POST us-central1-run.googleapis.com/apis/run.googleapis.com/v1/namespaces/p/jobs"),
    (f"{RUN1}.list", {"parent": "namespaces/p"},
     "GET run.googleapis.com/apis/run.googleapis.com/v1/namespaces/p/jobs"),
    (f"{RUN1}.replaceJob", {"name": "namespaces/p/jobs/j", "body": {}},
     "PUT run.googleapis.com/apis/run.googleapis.com/v1/namespaces/p/jobs/j"),
    (f"{CHILD}.create", {"parent": FLOW, "body": {}},
     f"POST workflowexecutions.googleapis.com/v1/{FLOW}/executions"),
    (f"{CHILD}.cancel", {"name": f"{FLOW}/executions/e"},
     f"POST workflowexecutions.googleapis.com/v1/{FLOW}/executions/e:cancel"),
    (f"{CHILD}.list", {"parent": FLOW, "view": "FULL"},
     f"GET workflowexecutions.googleapis.com/v1/{FLOW}/executions?view=FULL"),
    ("workflows.v1.projects.locations.workflows.create",
     {"parent": "projects/p/locations/l", "workflowId": "w", "body": {}},
     "POST workflows.googleapis.com/v1/projects/p/locations/l/workflows?workflowId=w"),
    ("workflows.v1.projects.locations.workflows.patch", {"name": FLOW, "updateMask": "labels", "body": {}},
     f"PATCH workflows.googleapis.com/v1/{FLOW}?updateMask=labels"),
]  # fmt: skip
WAITED = {f"{RUN2}.{verb}" for verb in ("create", "delete", "patch", "run")}
WAITED |= {f"{RUN2}.executions.{verb}" for verb in ("cancel", "delete")} | {f"{CHILD}.run"}
WAITED |= {f"workflows.v1.projects.locations.workflows.{verb}" for verb in ("create", "delete", "patch")}


@pytest.mark.parametrize(("name", "args", "sent"), CALLS)
def test_a_call_with_googles_arguments_is_googles_request(
    name: str, args: dict[str, object], sent: str
) -> None:
    request = request_of(SERVED[f"googleapis.{name}"], {**args, "connector_params": {"timeout": 5}})
    assert not isinstance(request, str)
    assert f"{request.verb} {request.url.removeprefix('https://')}" == sent
    assert request.body == args.get("body")


def test_the_methods_that_google_waits_for_are_waited_for() -> None:
    waited = {name.removeprefix("googleapis.") for name, one in SERVED.items() if one.is_long_running}
    assert waited == WAITED


def test_a_list_is_a_parameter_given_several_times_and_a_map_is_none() -> None:
    connector = SERVED[f"googleapis.{RUN2}.list"]
    request = request_of(connector, {"parent": "p", "filter": ["a b", 1, False]})
    assert not isinstance(request, str)
    assert request.url.endswith("/v2/p/jobs?filter=a+b&filter=1&filter=false")
    assert "filter must be a string" in str(request_of(connector, {"parent": "p", "filter": {"a": 1}}))
