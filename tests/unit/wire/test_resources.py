"""What a request is about, by its path and by its fields."""

import pytest

from jubako.boxes.jobs.methods import JOBS
from jubako.boxes.jobs.resources import CreateJobRequest, Job, UpdateJobRequest
from jubako.wire.logging_methods import LOGGING
from jubako.wire.logging_types import WriteLogEntriesRequest
from jubako.wire.method import Method
from jubako.wire.resources import resource_of_path, resource_of_request

JOB = "projects/p/locations/l/jobs/j"


@pytest.mark.parametrize(
    ("path", "resource"),
    [
        (f"/v2/{JOB}:run", JOB),
        (f"/v2/{JOB}/executions", f"{JOB}/executions"),
        (f"/jubako/v1/{JOB}/executions/e:logs", f"{JOB}/executions/e"),
        ("/v1/projects/p:getIamPolicy", "projects/p"),
        ("/v1/projects/p%2Dq/serviceAccounts/a%40b", "projects/p-q/serviceAccounts/a@b"),
        ("/apis/run.googleapis.com/v1/namespaces/p/jobs/j:run", JOB),
        ("/apis/run.googleapis.com/v1/namespaces/p/jobs", "projects/p/locations/l/jobs"),
        ("/v2/entries:list", ""),
        ("/jubako/v1/openapi.json", ""),
        ("/v1/projects", "projects"),
        ("/v1/%FF/projects/p", "projects/p"),
    ],
)
def test_the_path_says_it(path: str, resource: str) -> None:
    assert resource_of_path(path, "l") == resource


def test_a_namespace_without_a_location_is_in_none() -> None:
    path = "/apis/run.googleapis.com/v1/namespaces/p/jobs/j"
    assert resource_of_path(path) == "projects/p/locations/-/jobs/j"


def method(name: str) -> Method:
    return next(one for one in [*JOBS, *LOGGING] if one.name.endswith(f".{name}"))


def test_the_field_of_the_path_says_it() -> None:
    parent = "projects/p/locations/l"
    assert resource_of_request(method("CreateJob"), CreateJobRequest(parent=parent)) == parent
    assert resource_of_request(method("UpdateJob"), UpdateJobRequest(job=Job(name=JOB))) == JOB
    assert resource_of_request(method("UpdateJob"), UpdateJobRequest()) == ""
    assert resource_of_request(method("WriteLogEntries"), WriteLogEntriesRequest()) == ""
