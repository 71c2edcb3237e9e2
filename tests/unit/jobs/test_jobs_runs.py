"""Executions from RunJob to their end: retries, losses, cancels, restarts, repeated requests."""

import asyncio
from typing import Any

import pytest

from jubako.boxes.jobs import retention, rows
from jubako.runtime.port import Reason
from jubako.testing.runtime import exited

PARENT = "projects/p/locations/l"
JOB = f"{PARENT}/jobs/hello"


def condition(resource: dict[str, Any], kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in resource["conditions"] if one["type"] == kind)
    return found


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
    how = condition(ended, "ResourcesAvailable")["message"]
    assert f"ended by {box.runtime.capabilities().tree_kill}" in how
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
    await box.step()
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
    await box.step()
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


async def test_a_step_that_breaks_off_after_its_claim_is_made_up_for_by_the_next(box: Any) -> None:
    await box.create(taskCount=2)
    await box.run()
    await box.runtime.disconnect()
    await box.step()
    assert box.runtime.submitted == []
    # The runtime is back, and nobody called for a recovery.
    await box.runtime.start("", box.stream._take)
    await box.step()
    assert [spec.id.split("/", 2)[2] for spec in box.runtime.submitted] == ["0/0", "1/0"]


async def test_tasks_of_a_deletion_that_broke_off_are_swept(box: Any) -> None:
    box.runtime.outcome = exited(0)
    await box.create(taskCount=3)
    gone, kept = [(await box.run())["metadata"] for _ in range(2)]
    await box.settle()
    await box.store.write(lambda tx: rows.delete_execution(tx, gone["uid"]))
    assert await retention.sweep(box.store, box.outputs) == [gone["uid"]]
    left = await box.store.read(lambda tx: tx.all("SELECT DISTINCT execution_uid FROM job_tasks"))
    assert left == [(kept["uid"],)]


async def test_the_first_tasks_are_claimed_by_the_transaction_that_makes_the_execution(box: Any) -> None:
    await box.create(taskCount=40)
    name = (await box.run())["metadata"]["name"]
    claimed = await box.store.read(lambda tx: tx.one("SELECT queued, pending FROM job_executions"))
    assert claimed == (18, 22)
    assert box.runtime.submitted == []
    await box.step()
    assert len(box.runtime.submitted) == 40
    assert (await box.get(name))["taskCount"] == 40


async def test_a_rehearsal_of_a_run_claims_nothing(box: Any) -> None:
    await box.create()
    await box.call("POST", f"/v2/{PARENT}/jobs/hello:run", {"validateOnly": True})
    await box.settle()
    assert box.runtime.submitted == []


async def test_a_cancel_that_the_engine_sees_before_the_run_ends_it_all_the_same(box: Any) -> None:
    await box.create()
    name = (await box.run())["metadata"]["name"]
    await box.call("POST", f"/v2/{name}:cancel", {})
    await box.engine.step()
    assert box.runtime.submitted == []
    await box.settle()
    assert not box.runtime.live
    assert (await box.get(name))["cancelledCount"] == 1


async def test_what_an_engine_found_in_the_rows_is_not_handed_over_again_when_it_is_told_of_it(
    box: Any,
) -> None:
    await box.create()
    await box.run()
    await box.engine.recover()
    await box.step()
    assert len(box.runtime.submitted) == 1
