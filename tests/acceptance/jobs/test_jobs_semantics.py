"""What calls on jobs and executions mean, through the API of a real server."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from jubako.testing.server import PARENT, ApiError

SAY = """
import json, os, sys
names = ("A", "B", "C", "CLOUD_RUN_JOB", "CLOUD_RUN_TASK_COUNT", "CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_ATTEMPT")
print(json.dumps({"message": "said", "args": sys.argv[1:], "env": {n: os.environ.get(n) for n in names}}))
"""


@pytest.fixture(scope="module")
def says(jobs: Any) -> str:
    """Deploy a job that says how it was called."""
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    container = {"args": ["one"], "env": env}
    command = [sys.executable, "-I", "-S", "-c", SAY]
    jobs.deploy("says", command, container=container, taskCount=2, parallelism=2, timeout="60s")
    return f"{PARENT}/jobs/says"


def said(jobs: Any, operation: Any) -> Any:
    entries = jobs.server.get(f"/jubako/v1/{operation['metadata']['name']}/logs")["entries"]
    return min(
        (entry["jsonPayload"] for entry in entries), key=lambda one: one["env"]["CLOUD_RUN_TASK_INDEX"]
    )


@pytest.mark.parametrize(
    ("overrides", "tasks", "args", "env"),
    [
        ({}, 2, ["one"], {"A": "1", "B": "2", "C": None}),
        ({"taskCount": 1}, 1, ["one"], {"CLOUD_RUN_TASK_COUNT": "1"}),
        ({"taskCount": 3}, 3, ["one"], {"CLOUD_RUN_TASK_COUNT": "3"}),
        ({"timeout": "30s"}, 2, ["one"], {}),
        ({"containerOverrides": [{"args": ["x", "y"]}]}, 2, ["x", "y"], {"A": "1"}),
        ({"containerOverrides": [{"clearArgs": True}]}, 2, [], {"A": "1"}),
        (
            {"containerOverrides": [{"env": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]}]},
            2,
            ["one"],
            {"A": "1", "B": "3", "C": "4"},
        ),
    ],
    ids=["none", "fewer tasks", "more tasks", "time-out", "arguments", "no arguments", "variables"],
)
def test_overrides_hold_for_one_execution(
    jobs: Any, says: str, overrides: Any, tasks: int, args: list[str], env: Any
) -> None:
    before = jobs.server.get(f"/v2/{says}")["template"]
    operation = jobs.run("says", **overrides)
    ended = jobs.ended(operation)
    assert (ended["taskCount"], ended["succeededCount"]) == (tasks, tasks)
    assert ended["template"]["timeout"] == overrides.get("timeout", "60s")
    assert ended["parallelism"] == min(2, tasks)
    heard = said(jobs, operation)
    assert heard["args"] == args
    expected = {**env, "CLOUD_RUN_JOB": "says", "CLOUD_RUN_TASK_INDEX": "0", "CLOUD_RUN_TASK_ATTEMPT": "0"}
    assert {name: heard["env"][name] for name in expected} == expected
    assert jobs.server.get(f"/v2/{says}")["template"] == before


@pytest.fixture
def waits(jobs: Any, until: Any, tmp_path: Path) -> Any:
    """Return a job of its own with an execution that waits."""
    name = f"waits-{abs(hash(tmp_path)) % 10**9}"
    jobs.deploy(name, ["sh", "-c", f"until [ -e {tmp_path}/go ]; do sleep 0.02; done"])
    operation = jobs.run(name)
    until(lambda: jobs.execution(operation).get("runningCount") == 1)
    yield f"{PARENT}/jobs/{name}", operation
    (tmp_path / "go").touch()
    jobs.ended(operation)


def state(jobs: Any, job: str) -> Any:
    return jobs.server.get(f"/v2/{job}"), jobs.server.get(f"/v2/{job}/executions")


@pytest.mark.parametrize(
    ("verb", "suffix", "body"),
    [
        ("POST", ":run", {"validateOnly": True}),
        ("PATCH", "?validateOnly=true", {"template": {"template": {"containers": [{"command": ["x"]}]}}}),
        ("POST", "EXECUTION:cancel", {"validateOnly": True}),
    ],
)
def test_validate_only_answers_as_if_and_changes_nothing(
    jobs: Any, waits: Any, verb: str, suffix: str, body: Any
) -> None:
    job, operation = waits
    path = suffix.replace("EXECUTION", f"/executions/{operation['metadata']['name'].rsplit('/', 1)[1]}")
    before = state(jobs, job)
    answer = jobs.server.call(verb, f"/v2/{job}{path}", body)
    assert answer["metadata"]["name"].startswith(job)
    assert state(jobs, job) == before
    with pytest.raises(ApiError):
        jobs.server.get(f"/v2/{answer['name']}")


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        ("POST", "{job}:run", {"etag": '"old"'}),
        ("PATCH", "{job}", {"etag": '"old"', "template": {"template": {"containers": [{"command": ["x"]}]}}}),
        ("DELETE", "{job}?etag=old", None),
        ("POST", "{execution}:cancel", {"etag": '"old"'}),
        ("DELETE", "{execution}?etag=old", None),
    ],
)
def test_an_etag_of_another_state_is_refused_and_changes_nothing(
    jobs: Any, waits: Any, verb: str, path: str, body: Any
) -> None:
    job, operation = waits
    before = state(jobs, job)
    full = path.format(job=job, execution=operation["metadata"]["name"])
    with pytest.raises(ApiError) as refused:
        jobs.server.call(verb, f"/v2/{full}", body)
    assert (refused.value.http_status, refused.value.status) == (409, "ABORTED")
    assert state(jobs, job) == before


def test_the_etag_of_now_is_taken(jobs: Any, waits: Any) -> None:
    job, _ = waits
    now = jobs.server.get(f"/v2/{job}")
    changed = jobs.server.call("PATCH", f"/v2/{job}", {**now, "labels": {"a": "b"}})["response"]
    assert (changed["generation"], changed["labels"]) == ("2", {"a": "b"})
    assert changed["etag"] != now["etag"]


def test_lists_come_in_pages_and_say_where_the_next_one_begins(jobs: Any) -> None:
    jobs.deploy("paged", ["true"], taskCount=7)
    names = [jobs.ended(jobs.run("paged"))["name"] for _ in range(5)]
    for path, key, expected in (
        (f"{PARENT}/jobs/paged/executions", "executions", names[::-1]),
        (
            f"{names[0]}/tasks",
            "tasks",
            [f"{names[0]}/tasks/{names[0].rsplit('/', 1)[1]}-task{n}" for n in range(7)],
        ),
    ):
        found, token, pages = [], "", 0
        while pages == 0 or token:
            page = jobs.server.get(f"/v2/{path}?pageSize=2&showDeleted=true&pageToken={token}")
            found += [one["name"] for one in page[key]]
            token, pages = page.get("nextPageToken", ""), pages + 1
        assert (found, pages) == (expected, (len(expected) + 1) // 2)
    with pytest.raises(ApiError) as refused:
        jobs.server.get(f"/v2/{PARENT}/jobs?pageSize=-1")
    assert refused.value.status == "INVALID_ARGUMENT"


def test_the_same_key_gives_the_same_execution_and_another_request_with_it_is_refused(jobs: Any) -> None:
    jobs.deploy("keyed", ["true"])
    path = f"/v2/{PARENT}/jobs/keyed:run"
    first = jobs.server.post(path, {}, Idempotency_Key="k")
    assert jobs.server.post(path, {}, Idempotency_Key="k")["name"] == first["name"]
    with pytest.raises(ApiError) as refused:
        jobs.server.post(path, {"overrides": {"taskCount": 2}}, Idempotency_Key="k")
    assert refused.value.http_status == 409
    assert len(jobs.server.get(f"/v2/{PARENT}/jobs/keyed/executions")["executions"]) == 1


def test_a_failed_task_is_retried_the_others_go_on_and_the_counts_say_so(jobs: Any) -> None:
    script = (
        'echo "$CLOUD_RUN_TASK_INDEX $CLOUD_RUN_TASK_ATTEMPT"; case "$CLOUD_RUN_TASK_INDEX" in 0) exit 3;; '
    )
    script += '1) [ "$CLOUD_RUN_TASK_ATTEMPT" = 1 ];; *) true;; esac'
    jobs.deploy("mixed", ["sh", "-c", script], taskCount=4, maxRetries=2)
    operation = jobs.run("mixed")
    ended = jobs.ended(operation)
    assert (ended["failedCount"], ended["succeededCount"], ended["retriedCount"]) == (1, 3, 2)
    assert [attempt["attempt"] for attempt in jobs.attempts(operation, 0)] == [0, 1, 2]
    assert sorted(jobs.output(operation)) == ["0 0", "0 1", "0 2", "1 0", "1 1", "2 0", "3 0"]
    finished = jobs.server.get(f"/v2/{operation['name']}")
    assert finished["error"]["message"] == "1 of 4 tasks failed. Task 0 failed first: It exited with code 3."
    assert ended["completionTime"] >= ended["startTime"] >= ended["createTime"]
    assert ended["logUri"].endswith(f"{ended['name']}/logs")
    again = jobs.server.post(f"/jubako/v1/{ended['name']}:rerun", {})
    rerun = jobs.ended(again)
    assert (rerun["taskCount"], rerun["succeededCount"], rerun["failedCount"]) == (4, 3, 1)
    assert [line[0] for line in jobs.output(again)] == ["0", "0", "0"]
    assert json.loads(json.dumps(rerun["annotations"]))["jubako.dev/rerun-of"] == ended["name"]


@pytest.mark.nightly
@pytest.mark.timeout(3_600)
def test_a_thousand_executions_are_kept_with_their_logs_and_no_more(jobs: Any) -> None:
    jobs.deploy("often", ["echo", "said"])
    operations = [jobs.run("often") for _ in range(1_003)]
    for operation in operations:
        jobs.ended(operation)
    jobs.ended(jobs.run("often"))
    kept, token = 0, "first"
    while token:
        query = "" if token == "first" else f"&pageToken={token}"
        page = jobs.server.get(f"/v2/{PARENT}/jobs/often/executions?pageSize=500{query}")
        kept, token = kept + len(page["executions"]), page.get("nextPageToken", "")
    assert kept <= 1_001
    with pytest.raises(ApiError) as gone:
        jobs.execution(operations[0])
    assert gone.value.status == "NOT_FOUND"
    attempts = jobs.server.state_dir / "attempts" / "jobs"
    assert len(list(attempts.iterdir())) <= 1_100
