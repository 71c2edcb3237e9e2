"""The methods on jobs, executions and tasks, through the router."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from jubako.runtime.port import Reason
from jubako.testing.runtime import exited

PARENT = "projects/p/locations/l"
JOB = f"{PARENT}/jobs/hello"


def condition(resource: dict[str, Any], kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in resource["conditions"] if one["type"] == kind)
    return found


async def test_a_created_job_is_returned_with_googles_defaults(box: Any) -> None:
    operation = await box.create(container={"args": ["x"]}, labels={"team": "a"})
    assert operation["done"]
    assert operation["response"]["@type"] == "type.googleapis.com/google.cloud.run.v2.Job"
    job = await box.get(JOB)
    assert job["template"] == {
        "labels": {"team": "a"},
        "taskCount": 1,
        "template": {
            "containers": [{"command": ["true"], "args": ["x"]}],
            "maxRetries": 3,
            "timeout": "600s",
        },
    }
    assert job["name"] == JOB
    assert (job["generation"], job["observedGeneration"], job["creator"]) == ("1", "1", "local")
    assert job["terminalCondition"]["state"] == "CONDITION_SUCCEEDED"
    assert {"uid", "etag", "createTime", "updateTime"} <= job.keys()


async def test_no_retries_is_kept_apart_from_unset(box: Any) -> None:
    await box.create(task={"maxRetries": 0})
    assert (await box.get(JOB))["template"]["template"]["maxRetries"] == 0


async def test_a_second_create_is_refused_and_the_first_stays(box: Any) -> None:
    await box.create(container={"args": ["first"]})
    error = await box.refusal(
        "POST",
        f"/v2/{PARENT}/jobs",
        {"template": {"template": {"containers": [{"command": ["x"]}]}}},
        "jobId=hello",
    )
    assert (error["code"], error["status"]) == (409, "ALREADY_EXISTS")
    assert (await box.get(JOB))["template"]["template"]["containers"][0]["args"] == ["first"]


async def test_validate_only_checks_and_changes_nothing(box: Any) -> None:
    await box.call(
        "POST",
        f"/v2/{PARENT}/jobs",
        {"template": {"template": {"containers": [{"command": ["x"]}]}}},
        "jobId=hello&validateOnly=true",
    )
    assert not await box.exists(JOB)
    await box.create()
    rehearsed = await box.call("POST", f"/v2/{JOB}:run", {"validateOnly": True})
    assert rehearsed["metadata"]["taskCount"] == 1
    assert not await box.exists(rehearsed["metadata"]["name"])
    assert (await box.get(JOB)).get("executionCount", 0) == 0
    error = await box.refusal("DELETE", f"/v2/{PARENT}/jobs/none", query="validateOnly=true")
    assert error["status"] == "NOT_FOUND"
    await box.call("DELETE", f"/v2/{JOB}", query="validateOnly=true")
    assert await box.exists(JOB)


async def test_an_update_is_a_new_generation_and_needs_the_right_etag(box: Any) -> None:
    await box.create()
    job = await box.get(JOB)
    job["template"]["taskCount"] = 3
    await box.call("PATCH", f"/v2/{JOB}", job)
    after = await box.get(JOB)
    assert (after["generation"], after["template"]["taskCount"]) == ("2", 3)
    error = await box.refusal("PATCH", f"/v2/{JOB}", job)
    assert (error["code"], error["status"]) == (409, "ABORTED")
    error = await box.refusal("DELETE", f"/v2/{JOB}", query=f"etag={job['etag']}")
    assert error["status"] == "ABORTED"


async def test_an_update_of_a_missing_job_creates_it_only_if_that_is_allowed(box: Any, make_job: Any) -> None:
    body = {**make_job(), "name": JOB}
    assert (await box.refusal("PATCH", f"/v2/{JOB}", body))["status"] == "NOT_FOUND"
    await box.call("PATCH", f"/v2/{JOB}", body, "allowMissing=true")
    assert (await box.get(JOB))["generation"] == "1"


async def test_jobs_are_listed_in_pages_of_one_place(box: Any, make_job: Any) -> None:
    for name in ("c", "a", "b"):
        await box.create(name)
    await box.call("POST", "/v2/projects/p/locations/elsewhere/jobs", make_job(), "jobId=d")
    first = await box.call("GET", f"/v2/{PARENT}/jobs", query="pageSize=2")
    assert [job["name"].rsplit("/", 1)[1] for job in first["jobs"]] == ["a", "b"]
    second = await box.call(
        "GET", f"/v2/{PARENT}/jobs", query=f"pageSize=2&pageToken={first['nextPageToken']}"
    )
    assert [job["name"].rsplit("/", 1)[1] for job in second["jobs"]] == ["c"]
    assert "nextPageToken" not in second


async def test_a_run_goes_from_pending_to_succeeded_and_ends_its_operation(box: Any) -> None:
    await box.create(taskCount=3, parallelism=2)
    operation = await box.run()
    execution = operation["metadata"]
    assert not operation.get("done")
    assert execution["name"].startswith(f"{JOB}/executions/hello-")
    assert (execution["taskCount"], execution["reconciling"]) == (3, True)
    await box.settle()
    assert (await box.get(execution["name"]))["runningCount"] == 2
    for attempt in sorted(box.runtime.live):
        box.runtime.finish(attempt)
    await box.settle()
    for attempt in sorted(box.runtime.live):
        box.runtime.finish(attempt)
    await box.settle()
    ended = await box.get(execution["name"])
    assert (ended["succeededCount"], ended.get("failedCount", 0)) == (3, 0)
    assert condition(ended, "Completed")["state"] == "CONDITION_SUCCEEDED"
    assert "executionReason" not in condition(ended, "Completed")
    assert {"completionTime", "startTime", "logUri"} <= ended.keys()
    result = await box.operation(operation["name"])
    assert result["done"]
    assert result["response"]["succeededCount"] == 3
    job = await box.get(JOB)
    assert job["latestCreatedExecution"]["completionStatus"] == "EXECUTION_SUCCEEDED"
    assert job["executionCount"] == 1


async def test_a_task_gets_cloud_runs_variables_the_jobs_own_and_the_machines(box: Any) -> None:
    await box.create(
        container={
            "args": ["x"],
            "env": [{"name": "A", "value": "1"}, {"name": "LANG", "value": "ja"}],
            "workingDir": "/tmp",
        },
        task={"timeout": "30s"},
        taskCount=2,
    )
    execution = (await box.run())["metadata"]
    await box.settle()
    spec = box.runtime.submitted[1]
    name = execution["name"].rsplit("/", 1)[1]
    assert spec.argv == ("true", "x")
    assert spec.env == {
        "PATH": "/bin",
        "LANG": "ja",
        "A": "1",
        "CLOUD_RUN_JOB": "hello",
        "CLOUD_RUN_EXECUTION": name,
        "CLOUD_RUN_TASK_INDEX": "1",
        "CLOUD_RUN_TASK_COUNT": "2",
        "CLOUD_RUN_TASK_ATTEMPT": "0",
    }
    assert (spec.cwd, spec.timeout.total_seconds(), spec.parallelism) == ("/tmp", 30, 2)
    assert spec.id == f"jobs/{execution['uid']}/1/0"
    assert spec.output == str(box.output_root / execution["uid"] / "1-0")


async def test_a_failed_task_does_not_stop_the_others_and_fails_the_execution_at_the_end(box: Any) -> None:
    await box.create(task={"maxRetries": 1}, taskCount=3, parallelism=1)
    box.runtime.outcome = lambda spec: exited(3 if spec.env["CLOUD_RUN_TASK_INDEX"] == "0" else 0)(spec)
    operation = await box.run()
    await box.settle()
    ended = await box.get(operation["metadata"]["name"])
    assert (ended["failedCount"], ended["succeededCount"], ended["retriedCount"]) == (1, 2, 1)
    completed = condition(ended, "Completed")
    assert (completed["state"], completed["executionReason"]) == ("CONDITION_FAILED", "NON_ZERO_EXIT_CODE")
    assert "Task 0 failed first: It exited with code 3." in completed["message"]
    result = await box.operation(operation["name"])
    assert result["done"]
    assert result["response"] is None
    assert "code 3" in result["error"].message
    assert result["metadata"]["failedCount"] == 1
    task = await box.get(f"{ended['name']}/tasks/{ended['name'].rsplit('/', 1)[1]}-task0")
    assert (task["retried"], task["lastAttemptResult"]["exitCode"]) == (1, 3)
    assert task["labels"]["run.googleapis.com/runningState"] == "Failed"
    assert [spec.env["CLOUD_RUN_TASK_ATTEMPT"] for spec in box.runtime.submitted if "/0/" in spec.id] == [
        "0",
        "1",
    ]


async def test_a_lost_attempt_is_repeated_without_charge(box: Any) -> None:
    await box.create(task={"maxRetries": 0})
    execution = (await box.run())["metadata"]["name"]
    await box.settle()
    box.runtime.lose(list(box.runtime.live))
    await box.settle()
    [attempt] = box.runtime.live
    assert attempt.endswith("/0/1")
    box.runtime.finish(attempt)
    await box.settle()
    ended = await box.get(execution)
    assert (ended["succeededCount"], ended.get("retriedCount", 0)) == (1, 0)


async def test_cancel_ends_what_waits_at_once_and_is_final_when_nothing_lives(box: Any) -> None:
    await box.create(taskCount=600, parallelism=1)
    operation = await box.run()
    name = operation["metadata"]["name"]
    await box.settle()
    assert len(box.runtime.submitted) < 600
    cancel = await box.call("POST", f"/v2/{name}:cancel", {})
    during = await box.get(name)
    assert not cancel.get("done")
    assert "completionTime" not in during
    assert during["runningCount"] == 1
    assert condition(during, "Completed")["executionReason"] == "CANCELLING"
    again = await box.call("POST", f"/v2/{name}:cancel", {})
    assert again["name"] == cancel["name"]
    await box.settle()
    ended = await box.get(name)
    assert ended["cancelledCount"] == 600
    assert condition(ended, "Completed")["executionReason"] == "CANCELLED"
    for one in (operation, cancel):
        result = await box.operation(one["name"])
        assert result["done"]
        assert result["error"] is None
        assert result["response"]["cancelledCount"] == 600
    once_more = await box.call("POST", f"/v2/{name}:cancel", {})
    assert once_more["done"]


async def test_an_execution_that_has_ended_cannot_be_cancelled(box: Any) -> None:
    box.runtime.outcome = exited(0)
    await box.create()
    name = (await box.run())["metadata"]["name"]
    await box.settle()
    error = await box.refusal("POST", f"/v2/{name}:cancel", {})
    assert (error["code"], error["status"]) == (400, "FAILED_PRECONDITION")
    assert "succeeded already" in error["message"]


async def test_a_cancel_is_asked_for_again_after_a_lost_connection(box: Any) -> None:
    await box.create()
    name = (await box.run())["metadata"]["name"]
    await box.settle()
    await box.runtime.disconnect()
    await box.call("POST", f"/v2/{name}:cancel", {})
    await box.engine.step()
    assert box.events.named("jobs.runtime_missed")
    assert len(box.runtime.live) == 1
    await box.stream.connect()
    await box.settle()
    assert not box.runtime.live
    assert (await box.get(name))["cancelledCount"] == 1


async def test_claims_of_a_process_that_died_before_it_submitted_are_submitted_by_the_next(box: Any) -> None:
    await box.create(taskCount=2)
    execution = (await box.run())["metadata"]["name"]
    await box.runtime.disconnect()
    await box.engine.step()
    assert box.runtime.submitted == []
    await box.restart()
    assert [spec.id.split("/", 2)[2] for spec in box.runtime.submitted] == ["0/0", "1/0"]
    await box.settle()
    assert (await box.get(execution))["runningCount"] == 2


async def test_an_attempt_that_ended_while_nobody_listened_counts_once(box: Any) -> None:
    await box.create(taskCount=2)
    execution = (await box.run())["metadata"]["name"]
    await box.settle()
    await box.runtime.disconnect()
    for attempt in list(box.runtime.live):
        box.runtime.finish(attempt)
    await box.restart()
    ended = await box.get(execution)
    assert ended["succeededCount"] == 2
    assert len(box.runtime.submitted) == 2


async def test_the_same_key_and_request_start_one_execution_also_after_a_restart(box: Any) -> None:
    await box.create()
    first = await box.run(key="k1")
    again = await box.run(key="k1")
    await box.restart()
    after = await box.run(key="k1")
    assert {first["name"]} == {again["name"], after["name"]}
    assert {first["metadata"]["name"]} == {again["metadata"]["name"], after["metadata"]["name"]}
    listed = await box.call("GET", f"/v2/{JOB}/executions")
    assert len(listed["executions"]) == 1
    other = await box.run(key="k2")
    assert other["name"] != first["name"]


async def test_the_same_key_with_another_request_is_refused(box: Any) -> None:
    await box.create()
    await box.run(key="k1")
    error = await box.refusal("POST", f"/v2/{JOB}:run", {"overrides": {"taskCount": 2}}, key="k1")
    assert (error["code"], error["status"]) == (409, "ABORTED")


async def test_calls_with_one_key_at_the_same_time_start_one_execution(box: Any) -> None:
    await box.create()
    answers = await asyncio.gather(*(box.run(key="k") for _ in range(10)))
    assert len({answer["metadata"]["name"] for answer in answers}) == 1


async def test_overrides_hold_for_one_execution_only(box: Any) -> None:
    await box.create(
        container={"args": ["a"], "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]},
        taskCount=5,
        parallelism=5,
    )
    overrides = {
        "taskCount": 2,
        "timeout": "7s",
        "containerOverrides": [
            {"args": ["b", "c"], "env": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]}
        ],
    }
    await box.run(overrides=overrides)
    await box.settle()
    spec = box.runtime.submitted[0]
    assert spec.argv == ("true", "b", "c")
    assert {name: spec.env[name] for name in "ABC"} == {"A": "1", "B": "3", "C": "4"}
    assert (spec.env["CLOUD_RUN_TASK_COUNT"], spec.timeout.total_seconds(), spec.parallelism) == ("2", 7, 2)
    await box.run(overrides={"containerOverrides": [{"clearArgs": True}]})
    await box.settle()
    assert box.runtime.submitted[-1].argv == ("true",)
    assert (await box.get(JOB))["template"]["taskCount"] == 5


async def test_deleting_is_refused_while_something_is_under_way(box: Any) -> None:
    await box.create()
    name = (await box.run())["metadata"]["name"]
    assert (await box.refusal("DELETE", f"/v2/{name}"))["status"] == "FAILED_PRECONDITION"
    error = await box.refusal("DELETE", f"/v2/{JOB}")
    assert error["status"] == "FAILED_PRECONDITION"
    assert "1 executions under way" in error["message"]


async def test_a_deleted_job_takes_its_executions_and_their_output_with_it(box: Any) -> None:
    box.runtime.outcome = exited(0)
    await box.create()
    execution = (await box.run())["metadata"]
    await box.settle()
    folder = box.output_root / execution["uid"] / "0-0"
    folder.mkdir(parents=True)
    deleted = await box.call("DELETE", f"/v2/{JOB}")
    assert deleted["done"]
    assert not await box.exists(JOB)
    assert not await box.exists(execution["name"])
    assert not folder.parent.exists()
    await box.create()
    assert (await box.call("GET", f"/v2/{JOB}/executions")).get("executions", []) == []


async def test_executions_are_listed_newest_first_in_pages_and_across_jobs(box: Any) -> None:
    names = []
    for job in ("a", "b", "a"):
        if not await box.exists(f"{PARENT}/jobs/{job}"):
            await box.create(job)
        names.append((await box.run(job))["metadata"]["name"])
    path = f"/v2/{PARENT}/jobs/-/executions"
    first = await box.call("GET", path, query="pageSize=2")
    second = await box.call("GET", path, query=f"pageSize=2&pageToken={first['nextPageToken']}")
    listed = [one["name"] for one in first["executions"] + second["executions"]]
    assert sorted(listed) == sorted(names)
    of_a = await box.call("GET", f"/v2/{PARENT}/jobs/a/executions")
    assert len(of_a["executions"]) == 2


async def test_tasks_are_listed_by_index_in_pages(box: Any) -> None:
    await box.create(taskCount=12)
    name = (await box.run())["metadata"]["name"]
    first = await box.call("GET", f"/v2/{name}/tasks", query="pageSize=10")
    second = await box.call("GET", f"/v2/{name}/tasks", query=f"pageToken={first['nextPageToken']}")
    assert [task.get("index", 0) for task in first["tasks"] + second["tasks"]] == list(range(12))
    assert second["tasks"][-1]["name"].endswith("-task11")
    assert second["tasks"][-1]["labels"]["run.googleapis.com/runningState"] == "Pending"


@pytest.mark.parametrize(
    ("reason", "extra", "code", "words"),
    [
        (Reason.EXITED, {"term_signal": 9}, 2, "signal 9"),
        (Reason.TIMEOUT, {"term_signal": 15}, 4, "time-out of 600s"),
        (Reason.OUT_OF_MEMORY, {"term_signal": 9}, 8, "memory"),
        (Reason.NOT_STARTED, {"detail": "no such file: nowhere"}, 9, "no such file: nowhere"),
    ],
)
async def test_ways_to_fail_are_told_apart(
    box: Any, reason: Reason, extra: dict[str, Any], code: int, words: str
) -> None:
    await box.create(task={"maxRetries": 0})
    name = (await box.run())["metadata"]["name"]
    await box.settle()
    box.runtime.finish(next(iter(box.runtime.live)), reason, **extra)
    await box.settle()
    [task] = (await box.call("GET", f"/v2/{name}/tasks"))["tasks"]
    result = task["lastAttemptResult"]
    assert result["status"]["code"] == code
    assert words in result["status"]["message"]
    assert result.get("termSignal", 0) == extra.get("term_signal", 0)
    assert words in condition(await box.get(name), "Completed")["message"]


async def test_an_image_is_kept_and_running_it_is_refused_by_name(box: Any) -> None:
    await box.create(container={"image": "gcr.io/PROJECT_ID/x"})
    assert (await box.get(JOB))["template"]["template"]["containers"][0]["image"] == "gcr.io/PROJECT_ID/x"
    error = await box.refusal("POST", f"/v2/{JOB}:run", {})
    assert error["status"] == "FAILED_PRECONDITION"
    assert "gcr.io/PROJECT_ID/x" in error["message"]
    assert (await box.call("GET", f"/v2/{JOB}/executions")).get("executions", []) == []


async def test_what_means_nothing_on_one_machine_is_kept(box: Any) -> None:
    task = {
        "serviceAccount": "me@x.iam.gserviceaccount.com",
        "executionEnvironment": "EXECUTION_ENVIRONMENT_GEN2",
        "vpcAccess": {"connector": "c"},
    }
    await box.create(container={"resources": {"limits": {"cpu": "2", "memory": "1Gi"}}}, task=task)
    kept = (await box.get(JOB))["template"]["template"]
    assert task.items() <= kept.items()
    assert kept["containers"][0]["resources"] == {"limits": {"cpu": "2", "memory": "1Gi"}}


async def test_old_executions_go_when_there_are_too_many(box: Any) -> None:
    await box.restart(executions_kept=2)
    box.runtime.outcome = exited(0)
    await box.create()
    names = []
    for _ in range(5):
        await box.clock.advance(timedelta(seconds=1))
        names.append((await box.run())["metadata"]["name"])
        await box.settle()
    listed = [one["name"] for one in (await box.call("GET", f"/v2/{JOB}/executions"))["executions"]]
    assert listed == names[:1:-1]
