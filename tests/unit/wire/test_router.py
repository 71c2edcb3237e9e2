import json
from typing import Any

import pytest

from jubako.boxes.jobs import methods as job_methods
from jubako.boxes.jobs.resources import (
    CreateJobRequest,
    GetJobRequest,
    Job,
    ListJobsRequest,
    ListJobsResponse,
    RunJobRequest,
    UpdateJobRequest,
)
from jubako.boxes.services import methods as service_methods
from jubako.boxes.services.resources import Service, UpdateServiceRequest
from jubako.boxes.workflows import methods as workflow_methods
from jubako.core.errors import Aborted, JubakoError, NotFound, PermissionDenied, Unauthenticated
from jubako.testing.events import RecordedEvents
from jubako.wire.body import BODY_MAX
from jubako.wire.errors import CODE_NUMBER, HTTP_STATUS, error_response
from jubako.wire.google_types import GetIamPolicyRequest, LaunchStage, Operation, Policy
from jubako.wire.http import HttpRequest, HttpResponse
from jubako.wire.logging_methods import LOGGING
from jubako.wire.method import Api, Caller, HttpRule, Method
from jubako.wire.operations_api import operations_methods
from jubako.wire.rest import Router

CALLER = Caller(principal="user:local")
LOCATION = "/v2/projects/p/locations/l"
PREFIX = "google.cloud.run.v2.Jobs."


class Access:
    def __init__(self, *denied: str) -> None:
        self.denied = denied
        self.asked: list[tuple[str, Caller]] = []

    async def check(self, permission: str, caller: Caller, resource: str = "") -> None:
        self.asked.append((permission, caller))
        if permission in self.denied:
            raise PermissionDenied(f"Permission {permission} denied.")


class Recorder:
    """Handlers for every method of a table that keep the request and give a set answer."""

    def __init__(self, methods: Any, **answers: Any) -> None:
        self.requests: list[Any] = []
        self.answers = answers
        self.handlers = {method.name: self.handler(method) for method in methods}

    def handler(self, method: Method) -> Any:
        async def handle(request: Any, caller: Caller) -> Any:
            self.requests.append(request)
            answer = self.answers.get(method.name.split(".")[-1], method.response())
            if isinstance(answer, Exception):
                raise answer
            return answer

        return handle


def router(recorder: Recorder, access: Access | None = None, events: RecordedEvents | None = None) -> Router:
    api = Api(name="run", version="v2", hosts=(), methods=job_methods.JOBS, handlers=recorder.handlers)
    return Router([api], access or Access(), events or RecordedEvents())


async def ask(target: Router, verb: str, path: str, body: Any = b"", query: str = "") -> HttpResponse:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await target.handle(HttpRequest(method=verb, path=path, query=query, body=data), CALLER)


async def bound(verb: str, path: str, body: Any = b"", query: str = "") -> Any:
    """The request message that the handler got."""
    recorder = Recorder(job_methods.JOBS)
    response = await ask(router(recorder), verb, path, body, query)
    assert response.status == 200, response.body
    [request] = recorder.requests
    return request


async def refused(verb: str, path: str, body: Any = b"", query: str = "") -> dict[str, Any]:
    """The error that the client got; no handler was called."""
    recorder = Recorder(job_methods.JOBS)
    response = await ask(router(recorder), verb, path, body, query)
    assert recorder.requests == []
    error: dict[str, Any] = json.loads(response.body)["error"]
    assert error["code"] == response.status
    return error


async def test_create_takes_the_parent_from_the_path_the_id_from_the_query_the_job_from_the_body() -> None:
    request = await bound("POST", f"{LOCATION}/jobs", {"labels": {"a": "b"}}, "jobId=j1&validateOnly=true")
    assert request == CreateJobRequest(
        parent="projects/p/locations/l", job_id="j1", job=Job(labels={"a": "b"}), validate_only=True
    )


async def test_proto_names_are_taken_in_the_query_too() -> None:
    assert await bound("POST", f"{LOCATION}/jobs", {}, "job_id=j") == CreateJobRequest(
        parent="projects/p/locations/l", job_id="j", job=Job()
    )


async def test_update_takes_the_name_inside_the_service_and_a_mask() -> None:
    recorder = Recorder(service_methods.SERVICES)
    api = Api(
        name="run", version="v2", hosts=(), methods=service_methods.SERVICES, handlers=recorder.handlers
    )
    body = {"name": "other", "etag": "e"}
    query = "updateMask=template.maxRetries,labels&allow_missing=true"
    await ask(Router([api], Access(), RecordedEvents()), "PATCH", f"{LOCATION}/services/s", body, query)
    assert recorder.requests == [
        UpdateServiceRequest(
            service=Service(name="projects/p/locations/l/services/s", etag="e"),
            update_mask=("template.max_retries", "labels"),
            allow_missing=True,
        )
    ]


async def test_an_update_without_body_still_has_the_name() -> None:
    request = await bound("PATCH", f"{LOCATION}/jobs/j")
    assert request == UpdateJobRequest(job=Job(name="projects/p/locations/l/jobs/j"))


async def test_run_takes_all_fields_from_the_body_and_the_path_wins() -> None:
    request = await bound("POST", f"{LOCATION}/jobs/j:run", {"name": "x", "overrides": {"taskCount": 2}})
    assert request == RunJobRequest(
        name="projects/p/locations/l/jobs/j", overrides=RunJobRequest.Overrides(task_count=2)
    )


@pytest.mark.parametrize("body", [b"", b'""'])
async def test_what_clients_send_in_place_of_no_body_is_none(body: bytes) -> None:
    request = await bound("POST", f"{LOCATION}/jobs", body, "jobId=j1")
    assert request == CreateJobRequest(parent="projects/p/locations/l", job_id="j1")
    assert await bound("GET", f"{LOCATION}/jobs", body) == ListJobsRequest(parent="projects/p/locations/l")


async def test_run_with_an_empty_body_is_a_run_without_overrides() -> None:
    assert await bound("POST", f"{LOCATION}/jobs/j:run") == RunJobRequest(
        name="projects/p/locations/l/jobs/j"
    )


async def test_nested_query_parameters_make_the_messages_on_the_way() -> None:
    request = await bound("GET", f"{LOCATION}/jobs/j:getIamPolicy", query="options.requestedPolicyVersion=3")
    assert isinstance(request, GetIamPolicyRequest)
    assert request.options is not None
    assert request.options.requested_policy_version == 3


async def test_system_parameters_are_passed_over() -> None:
    query = (
        "alt=json&$alt=json;enum-encoding=int&prettyPrint=false&%24prettyPrint=0&key=K&fields=name&pageSize=5"
    )
    assert await bound("GET", f"{LOCATION}/jobs", query=query) == ListJobsRequest(
        parent="projects/p/locations/l", page_size=5
    )


async def test_an_encoded_slash_cannot_reach_another_resource() -> None:
    request = await bound("GET", f"{LOCATION}/jobs/a%2Fexecutions%2Fb")
    assert request == GetJobRequest(name="projects/p/locations/l/jobs/a%2Fexecutions%2Fb")


@pytest.mark.parametrize(
    ("verb", "path", "body", "query", "words"),
    [
        ("POST", "/jobs", {"nope": 1}, "", "job.nope: no such field"),
        ("POST", "/jobs", b"{", "", "not valid JSON"),
        ("POST", "/jobs", b"[" * 10_000, "", "nested too deeply"),
        ("POST", "/jobs", b'{"labels":{"a":"\xff"}}', "", "not valid JSON"),
        ("POST", "/jobs", {}, "nope=1", "nope: no such field"),
        ("POST", "/jobs", {}, "job.template.nope=1", "job.template.nope: no such field"),
        ("POST", "/jobs", {}, "job=1", "job: cannot be set by a parameter"),
        ("POST", "/jobs", {}, "job.labels.a=1", "labels has no fields"),
        ("POST", "/jobs", {}, "jobId.x=1", "jobId has no fields"),
        ("POST", "/jobs", {}, "validateOnly=maybe", "validateOnly: must be true or false"),
        ("POST", "/jobs", {}, "jobId=%ff", "not UTF-8"),
        ("POST", "/jobs", {}, "&".join(["jobId=1"] * 1001), "more than 1000 parameters"),
        ("POST", "/jobs/j:run", {}, "etag=x", "etag: no such query parameter"),
        ("GET", "/jobs", {"pageSize": 1}, "", "this method takes none"),
        ("GET", "/jobs", b"", "pageSize=x", "pageSize: 'x' is not an integer"),
        ("GET", "/jobs/%zz", b"", "", "malformed percent escape"),
        ("GET", "/jobs/%ff", b"", "", "not UTF-8"),
    ],
)
async def test_bad_requests_are_refused_by_name(
    verb: str, path: str, body: Any, query: str, words: str
) -> None:
    error = await refused(verb, LOCATION + path, body, query)
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    assert words in error["message"]


UNKNOWN = ["", "/", "/v2", "/v1/projects/p/locations/l/jobs", "//v2/projects/p/locations/l/jobs"]
UNKNOWN += [LOCATION + rest for rest in ("/jobs/", "/jobs/j/", "/jobs/j:fly", "//jobs", "/../l/jobs")]


@pytest.mark.parametrize("path", UNKNOWN)
async def test_unknown_paths_are_404_in_googles_shape(path: str) -> None:
    error = await refused("GET", path)
    assert (error["code"], error["status"]) == (404, "NOT_FOUND")


async def test_a_wrong_verb_is_405_and_says_which_are_right() -> None:
    error = await refused("PUT", f"{LOCATION}/jobs/j")
    assert error["code"] == 405
    assert "DELETE, GET, PATCH" in error["message"]


async def test_a_wrong_verb_is_told_the_right_ones_in_a_header_but_none_that_nobody_answers() -> None:
    recorder = Recorder(job_methods.JOBS)
    del recorder.handlers[f"{PREFIX}DeleteJob"]
    reply = await ask(router(recorder), "PUT", f"{LOCATION}/jobs/j")
    assert (reply.status, reply.headers["allow"]) == (405, "GET, PATCH")


async def test_enums_are_numbers_where_the_client_asks() -> None:
    target = router(Recorder(job_methods.JOBS, GetJob=Job(launch_stage=LaunchStage.GA)))
    path = f"{LOCATION}/jobs/j"
    assert (await ask(target, "GET", path)).body == b'{"launchStage":"GA"}'
    for query in ("%24alt=json%3Benum-encoding%3Dint", "alt=json;enum-encoding=int"):
        assert (await ask(target, "GET", path, query=query)).body == b'{"launchStage":4}'


async def test_a_missing_handler_is_unimplemented() -> None:
    response = await ask(router(Recorder([])), "GET", f"{LOCATION}/jobs/j")
    assert response.status == 501
    assert b"Jobs.GetJob is not implemented" in response.body


async def test_the_matched_methods_permission_is_asked_before_the_body_is_read() -> None:
    access = Access("run.jobs.run")
    recorder = Recorder(job_methods.JOBS)
    response = await ask(router(recorder, access), "POST", f"{LOCATION}/jobs/j:run", b"not json")
    assert response.status == 403
    assert json.loads(response.body)["error"]["status"] == "PERMISSION_DENIED"
    assert access.asked == [("run.jobs.run", CALLER)]
    assert recorder.requests == []


async def test_a_method_without_permission_is_open_to_nobody() -> None:
    method = Method(
        name="a.B.C", http=(HttpRule("GET", "/c"),), request=GetJobRequest, response=Job, permission=""
    )
    recorder = Recorder([method])
    api = Api(name="a", version="v1", hosts=(), methods=[method], handlers=recorder.handlers)
    response = await ask(Router([api], Access(), RecordedEvents()), "GET", "/c")
    assert response.status == 403
    assert recorder.requests == []


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotFound("no"), 404, "NOT_FOUND"),
        (Aborted("no"), 409, "ABORTED"),
        (Unauthenticated("no"), 401, "UNAUTHENTICATED"),
    ],
)
async def test_handler_errors_have_googles_shape(error: JubakoError, status: int, code: str) -> None:
    response = await ask(router(Recorder(job_methods.JOBS, GetJob=error)), "GET", f"{LOCATION}/jobs/j")
    assert response.status == status
    assert json.loads(response.body) == {"error": {"code": status, "message": "no", "status": code}}


@pytest.mark.parametrize("bug", [AssertionError("secret"), KeyError("secret"), Policy(version=7)])
async def test_a_bug_says_nothing_to_the_caller_and_everything_to_the_operator(bug: Any) -> None:
    events = RecordedEvents()
    target = router(Recorder(job_methods.JOBS, GetJob=bug), events=events)
    response = await ask(target, "GET", f"{LOCATION}/jobs/j")
    assert response.status == 500
    assert b"secret" not in response.body
    assert b"Policy" not in response.body
    [event] = events.named("request.failed")
    assert event.severity == "ERROR"
    assert event.fields["method"] == f"{PREFIX}GetJob"
    assert "Traceback" in str(event.fields["traceback"])


def test_every_error_class_has_an_http_status_and_a_number() -> None:
    for cls in JubakoError.__subclasses__():
        assert error_response(cls("x")).status == HTTP_STATUS[cls.code]
        assert cls.code in CODE_NUMBER


def test_no_two_methods_of_our_apis_overlap() -> None:
    tables = [job_methods.JOBS, job_methods.EXECUTIONS, job_methods.TASKS, service_methods.SERVICES]
    tables += [service_methods.REVISIONS, workflow_methods.WORKFLOWS, workflow_methods.EXECUTIONS]
    tables += [operations_methods("run", "v2"), operations_methods("workflows", "v1")]
    apis = [
        Api(name=str(n), version="v", hosts=(), methods=table, handlers={}) for n, table in enumerate(tables)
    ]
    assert Router(apis, Access(), RecordedEvents()).matches(f"{LOCATION}/jobs/j:run")


def test_overlapping_rules_are_refused_at_start() -> None:
    rules = (HttpRule("GET", "/a/{name}"), HttpRule("GET", "/a/{parent=*}"))
    methods = [
        Method(name=f"x.Y.{i}", http=(rule,), request=GetJobRequest, response=Job, permission="p")
        for i, rule in enumerate(rules)
    ]
    with pytest.raises(AssertionError, match="overlap"):
        Router(
            [Api(name="x", version="v1", hosts=(), methods=methods, handlers={})], Access(), RecordedEvents()
        )


def test_a_handler_for_no_method_is_refused_at_start() -> None:
    api = Api(name="x", version="v1", hosts=(), methods=[], handlers={"x.Y.Z": Recorder([]).handler})  # type: ignore[dict-item]
    with pytest.raises(AssertionError, match="does not have"):
        Router([api], Access(), RecordedEvents())


async def test_lists_and_operations_are_written_as_json() -> None:
    recorder = Recorder(
        job_methods.JOBS, ListJobs=ListJobsResponse(jobs=[Job(name="a")], next_page_token="t")
    )
    response = await ask(router(recorder), "GET", f"{LOCATION}/jobs")
    assert response.headers == {"content-type": "application/json; charset=UTF-8"}
    assert response.body == b'{"jobs":[{"name":"a"}],"nextPageToken":"t"}'
    assert (
        await ask(
            router(Recorder(job_methods.JOBS, RunJob=Operation(name="o"))), "POST", f"{LOCATION}/jobs/j:run"
        )
    ).body == b'{"name":"o"}'


def test_a_method_may_take_longer_bodies_than_others() -> None:
    apis = [
        Api(name="run", version="v2", hosts=(), methods=job_methods.JOBS, handlers={}),
        Api(name="logging", version="v2", hosts=(), methods=LOGGING, handlers={}),
    ]
    target = Router(apis, Access(), RecordedEvents())
    assert target.body_max("POST", "/v2/entries:write") == 10 * 1024 * 1024
    for path in ("/v2/entries:list", f"{LOCATION}/jobs", "/nowhere"):
        assert target.body_max("POST", path) == BODY_MAX
